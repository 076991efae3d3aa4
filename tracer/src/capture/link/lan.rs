//! Local networks that are neither Ethernet nor wireless.

use super::{Frame, ethernet};

/// Of a source address: routing information follows (IEEE 802.5 section 3.2.4).
const ROUTED: u8 = 0x80;
/// Length of the routing information, in its first byte.
const ROUTE_LEN: u8 = 0x1f;

/// IEEE 802.5: access and frame control, addresses, a route if there is one,
/// logical link control.
pub(super) fn token_ring(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (header, rest) = bytes.split_first_chunk::<14>()?;
    let route = match header.get(8)? & ROUTED {
        0 => 0,
        _ => usize::from(rest.first()? & ROUTE_LEN),
    };
    ethernet::llc(rest.get(route..)?, headers_left)
}

/// FDDI: frame control, addresses, logical link control.
pub(super) fn fddi(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    ethernet::llc(bytes.get(13..)?, headers_left)
}

/// IP over IEEE 1394, as Apple's: addresses of eight bytes, an Ethernet type.
pub(super) fn firewire(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (header, rest) = bytes.split_first_chunk::<18>()?;
    let [.., e0, e1] = *header;
    ethernet::typed(u16::from_be_bytes([e0, e1]), rest, headers_left)
}
