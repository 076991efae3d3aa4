//! Flows and their streams: what makes ordered bytes of segments.

use crate::{
    capture::Segment,
    decode,
    event::{Sink, Timestamp},
    stats::FlowCounters,
};

/// Bytes that one stream may hold: out of order, or left by its decoder.
pub const STREAM_LIMIT: usize = 256 * 1024;
/// Bytes that one flow may hold: both streams and the decoder.
pub const FLOW_LIMIT: usize = 1024 * 1024;
/// Bytes that all flows together may hold.
pub const TOTAL_LIMIT: usize = 256 * 1024 * 1024;

/// What the operator chose that flows must know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// See [`STREAM_LIMIT`].
    pub stream_limit: usize,
    /// See [`FLOW_LIMIT`].
    pub flow_limit: usize,
    /// See [`TOTAL_LIMIT`].
    pub total_limit: usize,
    /// Nanoseconds without a segment after which a flow is let go.
    pub idle_timeout: u64,
    /// Which protocol is spoken on which port of a server.
    pub ports: Vec<(u16, &'static decode::Protocol)>,
    /// Push a [`Row`](crate::event::tcp::Row) for every segment.
    pub rows: bool,
    /// For the decoders.
    pub decode: decode::Settings,
}

/// All flows of one shard.
pub struct Table {
    settings: Settings,
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Takes the next segment and pushes what became known by it.
    pub fn segment(&mut self, _segment: &Segment<'_>, _sink: &mut dyn Sink) {
        let _ = &self.settings;
    }

    /// Lets go of flows that have been silent for the idle time-out. Cheap
    /// when there is nothing to do; called every second or so of packet time.
    pub fn expire(&mut self, _now: Timestamp, _sink: &mut dyn Sink) {}

    /// Ends all flows, because the source ended.
    pub fn finish(&mut self, _now: Timestamp, _sink: &mut dyn Sink) {}

    /// What happened so far.
    pub fn counters(&self) -> FlowCounters {
        FlowCounters::default()
    }
}
