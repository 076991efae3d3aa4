//! What the tracer says of itself and of what it could not see.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Describe, Place, Side, Span, Text};

/// `gap`: bytes that no decoder got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// The object `tracer`.
    pub tracer: GapObject,
}

/// The object `tracer` of `gap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GapObject {
    /// The object `tracer.gap`.
    pub gap: GapFields,
}

/// The object `tracer.gap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GapFields {
    /// How many bytes.
    pub bytes: u64,
    /// Why no decoder got them.
    pub cause: GapCause,
    /// Who sent them.
    pub direction: Side,
}

/// Why bytes did not reach a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapCause {
    /// The ring had no room for them.
    RingFull,
    /// No hook saw them, or the capture cut them off.
    NotCaptured,
    /// A stream reached its limit of held bytes.
    StreamLimit,
    /// A flow, or all flows together, reached their limit.
    FlowLimit,
    /// The connection was there before the tracer, and these bytes stand
    /// before the first message that could be recognised.
    Midstream,
    /// The protocol was to be found by the first bytes, and was not.
    UnknownProtocol,
    /// The tracer could not keep up, and gave the connection up.
    Overload,
}

impl GapCause {
    /// All causes.
    pub const ALL: [Self; 7] = [
        Self::RingFull,
        Self::NotCaptured,
        Self::StreamLimit,
        Self::FlowLimit,
        Self::Midstream,
        Self::UnknownProtocol,
        Self::Overload,
    ];

    /// The name as in the event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring-full",
            Self::NotCaptured => "not-captured",
            Self::StreamLimit => "stream-limit",
            Self::FlowLimit => "flow-limit",
            Self::Midstream => "midstream",
            Self::UnknownProtocol => "unknown-protocol",
            Self::Overload => "overload",
        }
    }
}

/// `anomaly`: the peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Anomaly<'a> {
    /// The object `tracer`.
    pub tracer: AnomalyObject<'a>,
}

/// The object `tracer` of `anomaly`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnomalyObject<'a> {
    /// The object `tracer.anomaly`.
    pub anomaly: AnomalyFields<'a>,
}

/// The object `tracer.anomaly`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnomalyFields<'a> {
    /// What kind, in words joined by hyphens; each decoder lists its own.
    pub code: &'static str,
    /// The offending bytes or a number, if that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text<'a>>,
}

/// `upgrade`: the flow goes opaque to its decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Upgrade {
    /// The object `tracer`.
    pub tracer: UpgradeObject,
}

/// The object `tracer` of `upgrade`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UpgradeObject {
    /// The object `tracer.upgrade`.
    pub upgrade: UpgradeFields,
}

/// The object `tracer.upgrade`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UpgradeFields {
    /// `tls`, `websocket`, `deflate`, `tunnel`, `h2c`.
    pub to: &'static str,
}

/// `undecoded`: nothing was decoded of a flow that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Undecoded {
    /// The object `tracer`.
    pub tracer: UndecodedObject,
}

/// The object `tracer` of `undecoded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UndecodedObject {
    /// The object `tracer.undecoded`.
    pub undecoded: UndecodedFields,
}

/// The object `tracer.undecoded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UndecodedFields {
    /// Why.
    pub reason: Reason,
    /// More about it: the name of what the bytes look like, the cause of the
    /// gap, what was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
}

/// Why nothing was decoded of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No side sent a byte that was seen.
    NoPayload,
    /// TLS stands where the protocol was expected.
    Tls,
    /// Another protocol stands there, or none that is known.
    OtherProtocol,
    /// Bytes are missing, and no message was complete without them.
    Gap,
    /// A limit of memory was reached.
    Limit,
    /// The connection was there before the tracer, and no message began since.
    Midstream,
    /// Only one side said something.
    OneSided,
    /// The first message is not complete.
    Incomplete,
}

impl Reason {
    /// In words.
    const fn words(self) -> &'static str {
        match self {
            Self::NoPayload => "no payload",
            Self::Tls => "TLS from the first byte",
            Self::OtherProtocol => "another protocol",
            Self::Gap => "bytes are missing",
            Self::Limit => "a limit was reached",
            Self::Midstream => "the connection is older than the capture",
            Self::OneSided => "one side said nothing",
            Self::Incomplete => "no message is complete",
        }
    }
}

/// `overload`: the tracer cannot keep up and does not follow all connections,
/// or does so again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Overload {
    /// The object `tracer`.
    pub tracer: OverloadObject,
}

/// The object `tracer` of `overload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OverloadObject {
    /// The object `tracer.overload`.
    pub overload: OverloadFields,
}

/// The object `tracer.overload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OverloadFields {
    /// What is done about it.
    pub state: OverloadState,
    /// Percent of the new connections that are not followed.
    pub share: u32,
    /// Percent of the ring that waits to be read.
    pub ring: u32,
    /// How old the oldest record in it is, nanoseconds.
    pub delay: u64,
    /// New connections that were not followed, since the tracer began.
    pub shed: u64,
    /// Followed connections that were given up, since the tracer began.
    pub given_up: u64,
}

/// What is done about an overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverloadState {
    /// A share of the new connections is not followed.
    Shedding,
    /// No new one is, and some of those that were followed are given up.
    GivingUp,
    /// All new connections are followed again.
    Over,
}

impl Overload {
    /// That state, with nothing counted.
    pub const fn new(state: OverloadState) -> Self {
        let overload = OverloadFields { state, share: 0, ring: 0, delay: 0, shed: 0, given_up: 0 };
        Self { tracer: OverloadObject { overload } }
    }
}

impl fmt::Display for Overload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OverloadFields { state, share, ring, delay, shed, given_up } = self.tracer.overload;
        match state {
            OverloadState::Over => formatter.write_str("[overload is over: ")?,
            OverloadState::Shedding | OverloadState::GivingUp => write!(
                formatter,
                "[overload: {share} % of new connections are not followed; \
                 the ring is {ring} % full, {} behind; ",
                Span(delay)
            )?,
        }
        write!(formatter, "{shed} not followed")?;
        if given_up > 0 {
            write!(formatter, ", {given_up} given up")?;
        }
        formatter.write_str(" so far]")
    }
}

impl Describe for Overload {
    fn place(&self) -> Place {
        Place::Note
    }

    fn is_failure(&self) -> bool {
        self.tracer.overload.state != OverloadState::Over
    }
}

/// `output-lost`: events in this place were not written, because whoever reads
/// them was too slow, or the disk was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OutputLost {
    /// The object `tracer`.
    pub tracer: OutputLostObject,
}

/// The object `tracer` of `output-lost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OutputLostObject {
    /// The object `tracer.output_lost`.
    pub output_lost: OutputLostFields,
}

/// The object `tracer.output_lost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OutputLostFields {
    /// How many events.
    pub events: u64,
    /// The bytes of their lines.
    pub bytes: u64,
}

impl OutputLost {
    /// So many events, and the bytes of their lines.
    pub const fn new(events: u64, bytes: u64) -> Self {
        Self { tracer: OutputLostObject { output_lost: OutputLostFields { events, bytes } } }
    }
}

impl fmt::Display for OutputLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutputLostFields { events, bytes } = self.tracer.output_lost;
        write!(
            formatter,
            "[{events} events, {bytes} bytes, were not written: the output was too slow]"
        )
    }
}

impl Describe for OutputLost {
    fn place(&self) -> Place {
        Place::Note
    }

    fn is_failure(&self) -> bool {
        true
    }
}

/// `stats`: the counters of the whole way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stats {
    /// The object `tracer`.
    pub tracer: crate::stats::Stats,
}

impl Gap {
    /// A gap of `bytes` in what `direction` sent.
    pub const fn new(bytes: u64, cause: GapCause, direction: Side) -> Self {
        Self { tracer: GapObject { gap: GapFields { bytes, cause, direction } } }
    }
}

impl<'a> Anomaly<'a> {
    /// An anomaly of a kind, with what shows it.
    pub const fn new(code: &'static str, detail: Option<Text<'a>>) -> Self {
        Self { tracer: AnomalyObject { anomaly: AnomalyFields { code, detail } } }
    }
}

impl Upgrade {
    /// The flow turns into something else.
    pub const fn new(to: &'static str) -> Self {
        Self { tracer: UpgradeObject { upgrade: UpgradeFields { to } } }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GapFields { bytes, cause, direction } = self.tracer.gap;
        write!(formatter, "[{bytes} bytes from the {direction} missing: {}]", cause.name())
    }
}

impl fmt::Display for Anomaly<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AnomalyFields { code, detail } = &self.tracer.anomaly;
        write!(formatter, "[anomaly: {code}")?;
        if let Some(detail) = detail {
            write!(formatter, ": {detail}")?;
        }
        formatter.write_str("]")
    }
}

impl fmt::Display for Upgrade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[goes on as {}]", self.tracer.upgrade.to)
    }
}

impl Undecoded {
    /// Nothing was decoded, and why.
    pub const fn new(reason: Reason, detail: Option<&'static str>) -> Self {
        Self { tracer: UndecodedObject { undecoded: UndecodedFields { reason, detail } } }
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UndecodedFields { reason, detail } = self.tracer.undecoded;
        write!(formatter, "[nothing decoded: {}", reason.words())?;
        if let Some(detail) = detail {
            write!(formatter, ": {detail}")?;
        }
        formatter.write_str("]")
    }
}

impl Describe for Undecoded {
    fn place(&self) -> Place {
        Place::Note
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.tracer)
    }
}

impl Describe for Gap {
    fn place(&self) -> Place {
        Place::Note
    }

    fn is_failure(&self) -> bool {
        true
    }
}

impl Describe for Anomaly<'_> {
    fn place(&self) -> Place {
        Place::Note
    }
}

impl Describe for Upgrade {
    fn place(&self) -> Place {
        Place::Note
    }
}

impl Describe for Stats {
    fn place(&self) -> Place {
        Place::Stats
    }
}
