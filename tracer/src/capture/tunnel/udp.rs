//! Tunnels over UDP, which show by their port and the form of their header.

use super::gre;
use crate::capture::link::{Frame, ethernet, ip, ppp, wlan};

/// Length of the UDP header.
const HEADER: usize = 8;

/// What stands in a datagram to or from a tunnel's port.
pub(super) fn datagram(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let (header, payload) = bytes.split_at_checked(HEADER)?;
    let [s0, s1, d0, d1, ..] = *header else { return None };
    let destination = u16::from_be_bytes([d0, d1]);
    tunnel(destination, payload, headers_left)
        .or_else(|| tunnel(u16::from_be_bytes([s0, s1]), payload, headers_left))
}

fn tunnel(port: u16, payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    match port {
        // The second is Linux's, from before there was an assigned number.
        4789 | 8472 => vxlan(payload, headers_left),
        4790 => vxlan_generic(payload, headers_left),
        6081 => geneve(payload, headers_left),
        2152 => gtp(payload, headers_left),
        1701 => l2tp(payload, headers_left),
        3544 => teredo(payload, headers_left),
        // RFC 8086 section 3, RFC 7510 section 3.
        4754 => gre::packet(payload, headers_left),
        6635 => ethernet::mpls(payload, headers_left),
        5247 => capwap(payload, headers_left),
        37008 => tzsp(payload, headers_left),
        _ => None,
    }
}

/// RFC 7348 section 5: flags, reserved bits, network identifier. The reserved
/// bits carry a group policy in some networks.
fn vxlan(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const IDENTIFIER_VALID: u8 = 0x08;
    let ([flags, ..], frame) = payload.split_first_chunk::<8>()?;
    (flags & IDENTIFIER_VALID != 0).then(|| ethernet::frame(frame, headers_left))?
}

/// draft-ietf-nvo3-vxlan-gpe section 3: the header names what follows.
fn vxlan_generic(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([_, _, _, next, ..], rest) = payload.split_first_chunk::<8>()?;
    match next {
        1 | 2 => ip(rest, headers_left),
        3 => ethernet::frame(rest, headers_left),
        _ => None,
    }
}

/// RFC 8926 section 3.4: version and options' length, flags, Ethernet type,
/// network identifier, options.
fn geneve(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([first, _, p0, p1, ..], rest) = payload.split_first_chunk::<8>()?;
    if first >> 6 != 0 {
        return None;
    }
    let options = usize::from(first & 0x3f) * 4;
    ethernet::typed(u16::from_be_bytes([*p0, *p1]), rest.get(options..)?, headers_left)
}

/// 3GPP TS 29.281 section 5: flags, message type, length, tunnel; then, if a
/// flag says so, sequence, N-PDU number and extension headers.
fn gtp(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const VERSION_1: u8 = 0x30;
    const OPTIONAL_FIELDS: u8 = 0x07;
    const EXTENSION: u8 = 0x04;
    const USER_DATA: u8 = 0xff;
    /// Extension headers that are passed over; four are defined for user data.
    const MAX_EXTENSIONS: usize = 8;

    let ([flags, kind, ..], mut rest) = payload.split_first_chunk::<8>()?;
    if flags & 0xf0 != VERSION_1 || *kind != USER_DATA {
        return None;
    }
    if flags & OPTIONAL_FIELDS != 0 {
        let ([.., next], behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        let mut next = if flags & EXTENSION == 0 { 0 } else { *next };
        for _ in 0..MAX_EXTENSIONS {
            if next == 0 {
                break;
            }
            let len = usize::from(*rest.first().filter(|len| **len > 0)?) * 4;
            let (extension, behind) = rest.split_at_checked(len)?;
            next = *extension.last()?;
            rest = behind;
        }
    }
    ip(rest, headers_left)
}

/// RFC 2661 section 3.1: flags and version, a length, tunnel and session,
/// sequence numbers, an offset. Control messages are no packets.
fn l2tp(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const CONTROL: u8 = 0x80;
    const LENGTH: u8 = 0x40;
    const SEQUENCE: u8 = 0x08;
    const OFFSET: u8 = 0x02;

    let ([flags, version], mut rest) = payload.split_first_chunk()?;
    if flags & CONTROL != 0 || version & 0x0f != 2 {
        return None;
    }
    if flags & LENGTH != 0 {
        rest = rest.get(2..)?;
    }
    rest = rest.get(4..)?;
    if flags & SEQUENCE != 0 {
        rest = rest.get(4..)?;
    }
    if flags & OFFSET != 0 {
        let ([o0, o1], behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_be_bytes([*o0, *o1]))..)?;
    }
    ppp::frame(rest, headers_left)
}

/// RFC 4380 section 5.1.1: an authentication header, an origin, each of which
/// may be missing; then IPv6.
fn teredo(mut payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    if let [0, 1, client, authentication, rest @ ..] = payload {
        // Both values, a nonce of eight bytes, a confirmation.
        payload = rest.get(usize::from(*client) + usize::from(*authentication) + 9..)?;
    }
    if let [0, 0, rest @ ..] = payload {
        payload = rest.get(6..)?;
    }
    (payload.first()? >> 4 == 6).then(|| ip(payload, headers_left))?
}

/// RFC 5415 section 4.3: what controllers and access points exchange, if it is
/// neither encrypted nor in fragments.
fn capwap(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const NATIVE: u8 = 0x01;
    const FRAGMENT: u8 = 0x80;

    let ([preamble, len, bits, fragment, ..], _) = payload.split_first_chunk::<8>()?;
    if *preamble != 0 || fragment & FRAGMENT != 0 {
        return None;
    }
    let frame = payload.get(usize::from(len >> 3) * 4..)?;
    if bits & NATIVE == 0 {
        ethernet::frame(frame, headers_left)
    } else {
        wlan::frame(frame, false, headers_left)
    }
}

/// The `TaZmen` sniffer protocol, by which routers send what they capture:
/// version, type, what is encapsulated, then tagged fields up to an end tag.
fn tzsp(payload: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    /// Fields that are passed over; a dozen are in use.
    const MAX_FIELDS: usize = 64;

    let ([1, 0, e0, e1], mut rest) = payload.split_first_chunk()? else { return None };
    for _ in 0..MAX_FIELDS {
        rest = match rest {
            [END, frame @ ..] => {
                return match u16::from_be_bytes([*e0, *e1]) {
                    1 => ethernet::frame(frame, headers_left),
                    18 => wlan::frame(frame, false, headers_left),
                    _ => None,
                };
            }
            [PADDING, rest @ ..] => rest,
            [_, len, rest @ ..] => rest.get(usize::from(*len)..)?,
            _ => return None,
        };
    }
    None
}
