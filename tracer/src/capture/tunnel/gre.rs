//! Generic routing encapsulation (RFC 2784, RFC 2890), its enhanced version
//! (RFC 2637), and what switches and controllers send in it.

use crate::capture::{
    Vlan,
    link::{Frame, ethernet, ip, ppp, wlan},
};

/// Flags of the first byte: fields that are present, four bytes each.
const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
/// Of the second byte in version 1: an acknowledgement number.
const ACKNOWLEDGEMENT: u8 = 0x80;
const VERSION: u8 = 0x07;

/// PPP in version 1 (RFC 2637 section 4.1).
const PPP: u16 = 0x880b;
/// Mirrored frames (draft-foschiano-erspan): types I and II, and III.
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
/// Redirected web traffic (draft-wilson-wrec-wccp-v2, section 4.12.1).
const WCCP: u16 = 0x883e;

/// What a GRE header is followed by.
pub(super) fn packet(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([flags, version, p0, p1], mut rest) = bytes.split_first_chunk()?;
    let protocol = u16::from_be_bytes([*p0, *p1]);
    if flags & ROUTING != 0 {
        return None;
    }
    for flag in [CHECKSUM, KEY, SEQUENCE] {
        if flags & flag != 0 {
            rest = rest.get(4..)?;
        }
    }
    match (version & VERSION, protocol) {
        (0, ERSPAN) => mirrored(rest, flags & SEQUENCE != 0, headers_left),
        (0, ERSPAN_3) => mirrored_3(rest, headers_left),
        // A redirect header of four bytes may be missing.
        (0, WCCP) => ip(rest, headers_left).or_else(|| ip(rest.get(4..)?, headers_left)),
        // A controller's access points send IEEE 802.11 frames under these
        // types, one for each of their queues.
        (0, 0x8200..=0x82f0 | 0x9000) => wlan::frame(rest, false, headers_left),
        (0, _) => ethernet::typed(protocol, rest, headers_left),
        (1, PPP) => {
            let rest = if version & ACKNOWLEDGEMENT == 0 { rest } else { rest.get(4..)? };
            ppp::frame(rest, headers_left)
        }
        _ => None,
    }
}

/// Type I has no header of its own, type II, which shows by GRE's sequence
/// number, one of eight bytes.
fn mirrored(bytes: &[u8], has_header: bool, headers_left: u8) -> Option<Frame<'_>> {
    let frame = if has_header { bytes.get(8..)? } else { bytes };
    ethernet::frame(frame, headers_left).map(untagged)
}

/// Twelve bytes, of which the last bit says that eight more follow.
fn mirrored_3(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let header = bytes.first_chunk::<12>()?;
    let len = if header.last()? & 1 == 1 { 20 } else { 12 };
    ethernet::frame(bytes.get(len..)?, headers_left).map(untagged)
}

/// A mirror shows the two directions of a flow as two ports have them, often
/// only one of them tagged: tags do not tell flows apart here.
const fn untagged(frame: Frame<'_>) -> Frame<'_> {
    Frame { vlan: Vlan { outer: None, inner: None }, ..frame }
}
