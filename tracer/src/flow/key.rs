//! What tells flows apart, and which end of a flow is the server.

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
};

use crate::{
    capture::{Segment, TcpFlags, Vlan},
    decode::detect,
    event::{Endpoint, Side},
};

/// VLAN tags and both ends: the same for the two directions of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    low: u128,
    high: u128,
    /// Port of `low` in the upper half, port of `high` in the lower.
    ports: u32,
    /// IP version and VLAN ids.
    family: u32,
}

impl Key {
    /// The key of the flow that a segment belongs to.
    pub(super) fn new(segment: &Segment<'_>) -> Self {
        Self::between(segment.source, segment.destination, segment.vlan)
    }

    /// The key of the flow between two ends, in either order.
    pub(super) fn between(one: Endpoint, other: Endpoint, vlan: Vlan) -> Self {
        let ends = (number(one), number(other));
        let ((low, low_port), (high, high_port)) =
            if ends.0 <= ends.1 { ends } else { (ends.1, ends.0) };
        let version = u32::from(one.ip.is_ipv4());
        let Vlan { outer, inner } = vlan;
        Self {
            low,
            high,
            ports: u32::from(low_port) << 16 | u32::from(high_port),
            family: version << 31 | tag(outer) << 13 | tag(inner),
        }
    }
}

/// Four wide words instead of the derived walk through nested enums.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.low);
        state.write_u128(self.high);
        state.write_u64(u64::from(self.ports) << 32 | u64::from(self.family));
    }
}

fn number(end: Endpoint) -> (u128, u16) {
    let address = match end.ip {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    (address, end.port)
}

/// A VLAN id in 13 bits, of which 0 says that there is no tag.
fn tag(vlan: Option<u16>) -> u32 {
    vlan.map_or(0, |id| 1 + u32::from(id & 0xfff))
}

/// Which end sent the segment: who opens is the client, who answers the
/// opening is the server; in mid-stream the traced port is the server's. Where
/// both are traced the first bytes say it, if only one side says such, else the
/// lower port is the server's.
pub(super) fn sender(segment: &Segment<'_>, traced: impl Fn(u16) -> bool) -> Side {
    let flags = segment.tcp.flags;
    if flags.has(TcpFlags::SYN) {
        return if flags.has(TcpFlags::ACK) { Side::Server } else { Side::Client };
    }
    let (source, destination) = (segment.source.port, segment.destination.port);
    match (traced(source), traced(destination)) {
        (true, false) => return Side::Server,
        (false, true) => return Side::Client,
        _ => {}
    }
    let says = |side| segment.offset == 0 && detect::begins(side, segment.bytes);
    match (says(Side::Client), says(Side::Server)) {
        (false, true) => Side::Server,
        (true, false) => Side::Client,
        _ if source < destination => Side::Server,
        _ => Side::Client,
    }
}
