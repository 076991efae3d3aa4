//! Flows and their streams: what makes ordered bytes of segments.
//!
//! A segment meets the [`Table`], which finds its flow; the flow's half of the
//! sender, which says whether this capture point may speak and where in the
//! stream the segment stands; the stream, which puts the bytes in order; and
//! the dialogue, which offers them to the decoder. Nothing here owns a clock:
//! time is what packets say.

mod analysis;
mod buffer;
mod calls;
mod connection;
mod dialogue;
mod ending;
mod explain;
mod first;
mod gate;
mod half;
mod index;
mod intake;
mod key;
mod maybe;
mod numbers;
mod owners;
mod pair;
mod queue;
mod row;
mod seq;
mod skip;
mod slots;
mod straight;
mod stream;
mod table;
#[cfg(test)]
mod tests;

pub use gate::Gate;
pub(crate) use numbers::renumbered;
pub use owners::Owners;
pub use skip::{Heading, Known, Windows};
pub(crate) use table::Keeps;
pub use table::Table;

use crate::decode;

/// Bytes that one stream may hold: out of order, or left by its decoder.
pub const STREAM_LIMIT: usize = 256 * 1024;
/// The smallest limit that still holds the usual head of a message.
pub const LEAST_LIMIT: usize = 4096;
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
    /// Ports of a server whose protocol its first bytes say.
    pub detect: Vec<u16>,
    /// Say of flows in which nothing was decoded why.
    pub explain: bool,
    /// Push a [`Row`](crate::event::tcp::Row) for every segment.
    pub rows: bool,
    /// For the decoders.
    pub decode: decode::Settings,
}

impl Settings {
    /// Whether flows to `port` are traced.
    pub(crate) fn traces(&self, port: u16) -> bool {
        self.protocol(port).is_some() || self.detect.contains(&port)
    }

    /// The protocol that a server speaks on `port`, if that is known.
    fn protocol(&self, port: u16) -> Option<&'static decode::Protocol> {
        self.ports.iter().find(|(traced, _)| *traced == port).map(|(_, protocol)| *protocol)
    }

    /// All ports that are traced, each with its number from 1 on; those beyond
    /// 255 share the last.
    pub fn numbered(&self) -> impl Iterator<Item = (u16, u8)> {
        self.traced().zip((1..u8::MAX).chain(std::iter::repeat(u8::MAX)))
    }

    /// Ports whose servers send bodies that announce their length.
    pub fn responding(&self) -> impl Iterator<Item = u16> {
        let http = |(port, protocol): &(u16, &'static decode::Protocol)| {
            (protocol.label.name == "http").then_some(*port)
        };
        self.ports.iter().filter_map(http)
    }

    /// All ports that are traced.
    pub fn traced(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(|(port, _)| *port).chain(self.detect.iter().copied())
    }
}
