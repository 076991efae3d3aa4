//! Where a decoder puts what it has to say, and what it threw away.

use super::Settings;
use crate::event::{
    Connection, Event, Message, Side, Sink, Text, Timestamp,
    tracer::{Anomaly, Gap, GapCause},
};

/// Where a decoder puts what it has to say.
pub struct Out<'a> {
    /// The flow's connection.
    pub connection: &'a Connection,
    /// What the operator chose.
    pub settings: Settings,
    /// Receives the events.
    pub sink: &'a mut dyn Sink,
    /// Bytes named by [`Out::undecoded`] during this call.
    pub undecoded: u64,
    /// Whether a message was told of during this call.
    pub told: bool,
    /// Tells of the bytes that were thrown away.
    discarded: Option<&'a mut Discarded>,
}

impl<'a> Out<'a> {
    /// An output for one call of a decoder.
    pub fn new(connection: &'a Connection, settings: Settings, sink: &'a mut dyn Sink) -> Self {
        Self { connection, settings, sink, undecoded: 0, told: false, discarded: None }
    }

    /// The same output, which also tells of bytes that were thrown away: right
    /// before the next message of their side, so that their place does not depend on
    /// how bytes are cut.
    #[must_use]
    pub fn telling(mut self, discarded: &'a mut Discarded) -> Self {
        self.discarded = Some(discarded);
        self
    }

    /// Tells of a message that `side` sent and that was complete at `time`.
    #[inline]
    pub fn emit(&mut self, side: Side, time: Timestamp, message: Message<'_>) {
        self.told |= !matches!(message, Message::Upgrade(_));
        self.gap_before_message(side, time);
        self.push(side, time, message);
    }

    /// Takes note of a message of `side` that nobody wants told: there was one
    /// all the same.
    pub fn leave_out(&mut self, side: Side, time: Timestamp) {
        self.told = true;
        self.gap_before_message(side, time);
    }

    fn gap_before_message(&mut self, side: Side, time: Timestamp) {
        let gap = self.discarded.as_mut().and_then(|discarded| discarded.before_message(side));
        if let Some(gap) = gap {
            self.push(side, time, Message::Gap(gap));
        }
    }

    /// Tells that `side` broke the protocol. It may have done so within bytes
    /// that are thrown away, which are told of behind it.
    pub fn anomaly(
        &mut self,
        side: Side,
        time: Timestamp,
        code: &'static str,
        detail: Option<Text<'_>>,
    ) {
        self.push(side, time, Message::Anomaly(Anomaly::new(code, detail)));
    }

    /// Names bytes of the side at hand that were taken without being decoded,
    /// because the step was lost. The flow table makes a gap event of them.
    pub fn undecoded(&mut self, bytes: u64) {
        self.undecoded += bytes;
        if let Some(discarded) = &mut self.discarded {
            discarded.add(bytes);
        }
    }

    #[inline]
    fn push(&mut self, side: Side, time: Timestamp, message: Message<'_>) {
        let connection = Some(self.connection);
        self.sink.event(&Event { time, connection, side: Some(side), message });
    }
}

/// Bytes of a flow that were thrown away, before and during a call of its
/// decoder.
#[derive(Clone, Copy, Debug)]
pub struct Discarded {
    /// The side at hand.
    pub side: Side,
    /// The client's.
    pub client: Discard,
    /// The server's.
    pub server: Discard,
}

/// Bytes of one side that were thrown away.
#[derive(Clone, Copy, Debug)]
pub struct Discard {
    /// Those that were not told of yet.
    pub bytes: u64,
    /// Why they were of no use.
    pub cause: GapCause,
    /// Why those behind the side's next message will be of none.
    pub later: GapCause,
    /// Gaps told of during the call.
    pub gaps: u64,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Whether a message of the side was told of during the call.
    pub spoke: bool,
}

impl Discarded {
    const fn of(&mut self, side: Side) -> &mut Discard {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn add(&mut self, bytes: u64) {
        self.of(self.side).bytes += bytes;
    }

    /// The gap that stands before a message of `side`, if there is one.
    fn before_message(&mut self, side: Side) -> Option<Gap> {
        let discard = self.of(side);
        discard.spoke = true;
        let cause = std::mem::replace(&mut discard.cause, discard.later);
        let bytes = std::mem::take(&mut discard.bytes);
        if bytes == 0 {
            return None;
        }
        discard.gaps += 1;
        discard.gap_bytes += bytes;
        Some(Gap::new(bytes, cause, side))
    }
}
