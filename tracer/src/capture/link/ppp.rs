//! The point-to-point protocol (RFC 1661), in its framings, and Cisco's HDLC,
//! which looks much like it.

use super::{Direction, Frame, ethernet, ip};

/// What PPP numbers say (RFC 1332 section 4, RFC 5072 section 4.1, RFC 3032
/// section 4.1, RFC 3518 section 4.2).
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const MPLS: [u16; 2] = [0x0281, 0x0283];
const BRIDGED: u16 = 0x0031;

/// `LINKTYPE_PPP`, and its kin whose first byte tells PPP in HDLC framing
/// (RFC 1662 section 3.1) from Cisco's HDLC.
pub(super) fn framed(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    match bytes {
        // Unicast or multicast, then a control byte and an Ethernet type.
        [0x0f | 0x8f, _, e0, e1, rest @ ..] => {
            ethernet::typed(u16::from_be_bytes([*e0, *e1]), rest, headers_left)
        }
        _ => frame(bytes, headers_left),
    }
}

/// A direction (0 for received), then PPP.
pub(super) fn with_direction(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (direction, rest) = bytes.split_first()?;
    // The direction may stand in place of the address, in front of the control
    // byte.
    let rest = rest.strip_prefix(&[0x03]).unwrap_or(rest);
    let direction = if *direction == 0 { Direction::Ingress } else { Direction::Egress };
    frame(rest, headers_left).map(|frame| Frame { direction, ..frame })
}

/// A session's packet (RFC 2516 section 4): version and type, code, session,
/// length.
pub(super) fn over_ethernet(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    match bytes {
        [0x11, 0, _, _, _, _, rest @ ..] => frame(rest, headers_left),
        _ => None,
    }
}

/// PPP itself: address and control bytes, which may be left out, then a
/// protocol number of two bytes, or of one if that is odd (RFC 1661 section 2).
pub(in crate::capture) fn frame(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let headers_left = headers_left.checked_sub(1)?;
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    let (protocol, rest) = match bytes {
        [short, rest @ ..] if short & 1 == 1 => (u16::from(*short), rest),
        [p0, p1, rest @ ..] => (u16::from_be_bytes([*p0, *p1]), rest),
        _ => return None,
    };
    match protocol {
        IPV4 | IPV6 => ip(rest, headers_left),
        // Flags and pads, MAC type (RFC 3518 section 4.2).
        BRIDGED => ethernet::frame(rest.get(2..)?, headers_left),
        _ if MPLS.contains(&protocol) => ethernet::mpls(rest, headers_left),
        _ => None,
    }
}
