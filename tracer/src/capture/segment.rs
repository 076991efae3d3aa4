//! One TCP segment as a capture point saw it.

use std::{num::NonZeroU64, sync::Arc};

use super::TcpOptions;
use crate::event::{Endpoint, Timestamp};

/// Which way the packet crossed the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the host.
    Ingress,
    /// Out of the host.
    Egress,
    /// A capture file does not say.
    #[default]
    Unknown,
}

/// Where a packet was seen: one hook of one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// Interface index; for a file, the number of the interface in the file.
    pub interface: u32,
    /// Which of the interface's two hooks.
    pub direction: Direction,
    /// Live: the VLAN ids that frames have there, or what stands for none.
    pub vlans: [u16; 2],
}

/// An interface that packets are seen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name; empty for a file that names none.
    pub name: Arc<str>,
    /// Whether it is the loopback: both ends of its flows are this host.
    pub loopback: bool,
}

/// The VLAN ids of a frame, outermost first; part of what tells flows apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlan {
    /// The outer tag's id, if there is a tag.
    pub outer: Option<u16>,
    /// The inner tag's id of a double-tagged frame.
    pub inner: Option<u16>,
}

/// A segment: its place, its TCP header, and what was captured of its payload.
///
/// The sequence number belongs to the SYN if there is one, else to the first
/// byte of the payload (captured or not).
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// When the hook saw it.
    pub time: Timestamp,
    /// Where it was seen.
    pub point: Point,
    /// The interface that `point` names.
    pub interface: &'a Interface,
    /// The frame's VLAN tags.
    pub vlan: Vlan,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// The TCP header's fields.
    pub tcp: TcpHeader,
    /// Payload bytes that the packet had on the wire.
    pub len: u32,
    /// Offset into the payload of the first captured byte.
    pub offset: u32,
    /// The captured payload bytes: at most `len - offset`; fewer when the
    /// capture cut the packet.
    pub bytes: &'a [u8],
    /// Whether the rest of the payload follows in another segment with the same
    /// header: the packet was too large for one record.
    pub more: bool,
    /// Whether bytes right before the first captured one stayed in the kernel
    /// because nobody wanted them.
    pub shunted: bool,
    /// Records that the ring had lost when this one was written; 0 for files.
    pub lost: u64,
    /// Number of the packet among all of the capture, from 1, as analysers
    /// number frames; `None` live, where nobody numbers them.
    pub frame: Option<NonZeroU64>,
    /// The packet as it was captured.
    pub captured: Captured<'a>,
}

/// A packet as the source holds it, for who writes it down again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Captured<'a> {
    /// Number of the interface, as the source counts them.
    pub interface: u32,
    /// Link type of the bytes (<https://www.tcpdump.org/linktypes.html>);
    /// `None` where they begin with the IP header, because none was captured.
    pub link_type: Option<u32>,
    /// From the first byte that was captured on. Of a packet of several
    /// segments each has the headers, then its part of the payload.
    pub bytes: &'a [u8],
    /// Bytes that the whole packet had on the wire, from where `bytes` begins.
    pub wire_len: u32,
}

/// The fields of a TCP header (RFC 9293 section 3.1), in host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpHeader {
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; meaningful under [`TcpFlags::ACK`].
    pub acknowledgement: u32,
    /// The eight flag bits and NS.
    pub flags: TcpFlags,
    /// Window as it stands in the header, not scaled.
    pub window: u16,
    /// The options that matter here.
    pub options: TcpOptions,
}

/// TCP flags, as in the header's 13th and 14th byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgement number is meaningful.
    pub const ACK: Self = Self(0x010);
    /// Urgent pointer is meaningful.
    pub const URG: Self = Self(0x020);
    /// ECN echo.
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced.
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN (once the nonce sum).
    pub const AE: Self = Self(0x100);

    /// Whether any of `flags` is set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }
}
