//! Headers that capture programs and devices put in front of a frame of another
//! link type.

use super::{Direction, Frame, LinkType, ethernet, loopback, ppp, serial};

/// PPI: version, flags, length, link type; the fields behind them are passed
/// over.
pub(super) fn ppi(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([0, _, l0, l1, t0, t1, t2, t3], _) = bytes.split_first_chunk()? else { return None };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    let inner = LinkType::from_number(u32::from_le_bytes([*t0, *t1, *t2, *t3]))?;
    inner.within(bytes.get(len.max(8)..)?, headers_left.checked_sub(1)?)
}

/// Darwin's `pktap`: length of the header, type of the next one (1 for a
/// packet), link type, interface and process; little-endian, as Darwin's hosts
/// are.
pub(super) fn pktap(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([l0, l1, l2, l3, 1, 0, 0, 0, t0, t1, t2, t3], _) = bytes.split_first_chunk()? else {
        return None;
    };
    let len = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3])).ok()?;
    let inner = LinkType::from_number(u32::from_le_bytes([*t0, *t1, *t2, *t3]))?;
    inner.within(bytes.get(len.max(12)..)?, headers_left.checked_sub(1)?)
}

/// Endace's extensible record format: time, type, flags, lengths; extension
/// headers of eight bytes, each of which says whether another follows; then, for
/// Ethernet, two bytes of offset and pad.
pub(super) fn erf(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const MORE: u8 = 0x80;
    const ETHERNET: u8 = 2;
    const RAW: [u8; 2] = [22, 23];
    /// Extension headers that are passed over; seven kinds are defined.
    const MAX_EXTENSIONS: usize = 16;

    let (header, mut rest) = bytes.split_first_chunk::<16>()?;
    let kind = *header.get(8)?;
    let mut more = kind & MORE != 0;
    for _ in 0..MAX_EXTENSIONS {
        if !more {
            break;
        }
        let ([first, ..], behind) = rest.split_first_chunk::<8>()?;
        more = first & MORE != 0;
        rest = behind;
    }
    match kind & !MORE {
        ETHERNET => ethernet::frame(rest.get(2..)?, headers_left),
        kind if RAW.contains(&kind) => super::ip(rest, headers_left),
        _ => None,
    }
}

/// Hilscher's network analyzer: four bytes, and for the transparent kind the
/// preamble; then Ethernet.
pub(super) fn netanalyzer(bytes: &[u8], preamble: bool, headers_left: u8) -> Option<Frame<'_>> {
    ethernet::frame(bytes.get(if preamble { 12 } else { 4 }..)?, headers_left)
}

/// Juniper's Ethernet: a magic number, flags, extensions and their length if
/// the flags say so; then the frame, unless they say that it has no header.
pub(super) fn juniper_ethernet(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const INCOMING: u8 = 0x01;
    const NO_LINK_LAYER: u8 = 0x02;
    const EXTENSIONS: u8 = 0x80;

    let ([b'M', b'G', b'C', flags], mut rest) = bytes.split_first_chunk()? else { return None };
    if flags & EXTENSIONS != 0 {
        let ([l0, l1], behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_be_bytes([*l0, *l1]))..)?;
    }
    let frame = if flags & NO_LINK_LAYER == 0 {
        ethernet::frame(rest, headers_left)?
    } else {
        // The protocol's family, in four bytes.
        loopback::null(rest, headers_left)?
    };
    let direction = if flags & INCOMING == 0 { Direction::Egress } else { Direction::Ingress };
    Some(Frame { direction, loopback: false, ..frame })
}

/// A byte that is 0 for received, then Cisco's HDLC or Frame Relay.
pub(super) fn with_direction(
    bytes: &[u8],
    frame_relay: bool,
    headers_left: u8,
) -> Option<Frame<'_>> {
    let (direction, rest) = bytes.split_first()?;
    let frame = if frame_relay {
        serial::frame_relay(rest, headers_left)?
    } else {
        ppp::framed(rest, headers_left)?
    };
    let direction = if *direction == 0 { Direction::Ingress } else { Direction::Egress };
    Some(Frame { direction, ..frame })
}
