//! What the segments before it say of a segment.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// One finding of `tcp.analysis[]`. The order is that of a protocol analyser's
/// info column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// No window, and none of SYN, FIN and RST.
    ZeroWindow,
    /// One new byte although the other side has no window.
    ZeroWindowProbe,
    /// Answers such a byte, still without a window.
    ZeroWindowProbeAck,
    /// Repeats the last acknowledgement.
    DuplicateAck,
    /// At most one byte, right before what comes next.
    KeepAlive,
    /// Answers a keep-alive.
    KeepAliveAck,
    /// Says nothing new but the window.
    WindowUpdate,
    /// Reaches the end of the other side's window.
    WindowFull,
    /// Acknowledges bytes that were not seen.
    AckedUnseen,
    /// Bytes of its side before it were not seen.
    PreviousNotCaptured,
    /// A SYN between ports that another connection has used.
    PortsReused,
    /// Brings bytes that were seen before and were acknowledged.
    SpuriousRetransmission,
    /// Brings bytes that were seen before.
    Retransmission,
    /// Brings bytes that stand before others seen.
    OutOfOrder,
}

impl Word {
    /// All words.
    pub const ALL: [Self; 14] = [
        Self::ZeroWindow,
        Self::ZeroWindowProbe,
        Self::ZeroWindowProbeAck,
        Self::DuplicateAck,
        Self::KeepAlive,
        Self::KeepAliveAck,
        Self::WindowUpdate,
        Self::WindowFull,
        Self::AckedUnseen,
        Self::PreviousNotCaptured,
        Self::PortsReused,
        Self::SpuriousRetransmission,
        Self::Retransmission,
        Self::OutOfOrder,
    ];

    /// Its name in `tcp.analysis[]`, and its words in a text row.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ZeroWindow => ("zero-window", "ZeroWindow"),
            Self::ZeroWindowProbe => ("zero-window-probe", "ZeroWindowProbe"),
            Self::ZeroWindowProbeAck => ("zero-window-probe-ack", "ZeroWindowProbeAck"),
            Self::DuplicateAck => ("duplicate-ack", "Dup ACK"),
            Self::KeepAlive => ("keep-alive", "Keep-Alive"),
            Self::KeepAliveAck => ("keep-alive-ack", "Keep-Alive ACK"),
            Self::WindowUpdate => ("window-update", "Window Update"),
            Self::WindowFull => ("window-full", "Window Full"),
            Self::AckedUnseen => ("acked-unseen-segment", "ACKed unseen segment"),
            Self::PreviousNotCaptured => {
                ("previous-segment-not-captured", "Previous segment not captured")
            }
            Self::PortsReused => ("port-numbers-reused", "Port numbers reused"),
            Self::SpuriousRetransmission => ("spurious-retransmission", "Spurious Retransmission"),
            Self::Retransmission => ("retransmission", "Retransmission"),
            Self::OutOfOrder => ("out-of-order", "Out-Of-Order"),
        }
    }

    /// Its name in `tcp.analysis[]`.
    pub const fn name(self) -> &'static str {
        self.names().0
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Analysis(u16);

impl Analysis {
    /// Adds a word.
    pub const fn add(&mut self, word: Word) {
        self.0 |= word.bit();
    }

    /// Whether it holds a word.
    pub const fn has(self, word: Word) -> bool {
        self.0 & word.bit() != 0
    }

    /// Whether there is nothing to say.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The words, in order.
    pub fn words(self) -> impl Iterator<Item = Word> {
        Word::ALL.into_iter().filter(move |word| self.has(*word))
    }

    /// Writes what stands before a text row.
    pub(super) fn write(
        self,
        formatter: &mut fmt::Formatter<'_>,
        duplicate: Option<DuplicateAck>,
    ) -> fmt::Result {
        for word in self.words() {
            write!(formatter, "[TCP {}", word.names().1)?;
            if let Some(DuplicateAck { of, number }) =
                duplicate.filter(|_| word == Word::DuplicateAck)
            {
                write!(formatter, " {of}#{number}")?;
            }
            formatter.write_str("] ")?;
        }
        Ok(())
    }
}

impl Serialize for Analysis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words().map(Word::name))
    }
}

impl JsonSchema for Analysis {
    fn schema_name() -> Cow<'static, str> {
        "TcpAnalysis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Word::ALL.map(Word::name);
        json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
    }
}

/// `tcp.duplicate_ack`: the `of#number` of a text row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DuplicateAck {
    /// The packet that said so first: its number in the capture file; live,
    /// among the segments of its connection that were seen.
    pub of: u64,
    /// How often it was repeated by now.
    pub number: u32,
}
