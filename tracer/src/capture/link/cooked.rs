//! Linux "cooked" frames, as captures on `any` have them.

use super::{Direction, Frame, ethernet};

/// `ARPHRD_LOOPBACK` in Linux's `if_arp.h`.
const ARPHRD_LOOPBACK: u16 = 772;

/// `LINKTYPE_LINUX_SLL`: packet type, device type, address, protocol. A VLAN
/// tag makes the protocol field its Ethernet type and stands behind it.
pub(super) fn sll(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (header, rest) = frame.split_first_chunk::<16>()?;
    let [t0, t1, d0, d1, .., p0, p1] = *header;
    let frame = ethernet::typed(u16::from_be_bytes([p0, p1]), rest, headers_left)?;
    Some(Frame {
        direction: direction(u16::from_be_bytes([t0, t1])),
        loopback: u16::from_be_bytes([d0, d1]) == ARPHRD_LOOPBACK,
        ..frame
    })
}

/// `LINKTYPE_LINUX_SLL2`: protocol, interface, device type, packet type,
/// address.
pub(super) fn sll2(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (header, rest) = frame.split_first_chunk::<20>()?;
    let [p0, p1, _, _, i0, i1, i2, i3, d0, d1, packet_type, ..] = *header;
    let frame = ethernet::typed(u16::from_be_bytes([p0, p1]), rest, headers_left)?;
    Some(Frame {
        direction: direction(packet_type.into()),
        loopback: u16::from_be_bytes([d0, d1]) == ARPHRD_LOOPBACK,
        interface: Some(u32::from_be_bytes([i0, i1, i2, i3])),
        ..frame
    })
}

/// The packet type of a cooked frame, `PACKET_HOST` to `PACKET_OUTGOING`. What
/// is between others (3) may have come or be forwarded.
const fn direction(packet_type: u16) -> Direction {
    match packet_type {
        0..=2 => Direction::Ingress,
        4 => Direction::Egress,
        _ => Direction::Unknown,
    }
}
