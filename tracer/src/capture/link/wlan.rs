//! IEEE 802.11: data frames that are not encrypted, and the headers that
//! capture programs put in front of them.

use super::{Frame, ethernet};

/// Frame control: version 0, type "data" (IEEE 802.11 section 9.2.4.1).
const TYPE_MASK: u8 = 0x0f;
const DATA: u8 = 0x08;
/// Subtype bits: no data in it; a `QoS` control field.
const NO_DATA: u8 = 0x40;
const QOS: u8 = 0x80;
/// Flags: to and from the distribution system, encrypted, an HT control field.
const BOTH_SYSTEMS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// Of the `QoS` control field: several packets stand in the frame.
const AGGREGATED: u8 = 0x80;

/// Magic number of an AVS header.
const AVS: u32 = 0x8021_1001;

/// A data frame: control, duration, three addresses, sequence, and fields that
/// the control announces. `padded`: the header is filled up to four bytes.
pub(in crate::capture) fn frame(bytes: &[u8], padded: bool, headers_left: u8) -> Option<Frame<'_>> {
    let headers_left = headers_left.checked_sub(1)?;
    let [kind, flags, ..] = *bytes else { return None };
    if kind & TYPE_MASK != DATA || kind & NO_DATA != 0 || flags & PROTECTED != 0 {
        return None;
    }
    let mut len = 24;
    if flags & BOTH_SYSTEMS == BOTH_SYSTEMS {
        len += 6;
    }
    let mut aggregated = false;
    if kind & QOS != 0 {
        aggregated = bytes.get(len)? & AGGREGATED != 0;
        len += 2;
        if flags & ORDER != 0 {
            len += 4;
        }
    }
    if padded {
        len = usize::next_multiple_of(len, 4);
    }
    if aggregated {
        // Addresses and length of the first packet; those behind it are not
        // looked for.
        len += 14;
    }
    ethernet::llc(bytes.get(len..)?, headers_left)
}

/// Version, pad, length, what is present, then those fields, each aligned
/// (<https://www.radiotap.org>).
pub(super) fn radiotap(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    const EXTENDED: u32 = 1 << 31;
    const TIMESTAMP: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    /// Of the flags: padding between header and data.
    const PADDED: u8 = 0x20;

    let [0, _, l0, l1, ..] = *bytes else { return None };
    let header = bytes.get(..usize::from(u16::from_le_bytes([l0, l1])))?;
    let mut words = header
        .get(4..)?
        .chunks_exact(4)
        .map(|word| word.first_chunk().map_or(0, |word| u32::from_le_bytes(*word)));
    let present = words.next()?;
    let mut fields = 8;
    if present & EXTENDED != 0 {
        fields += 4 * (1 + words.take_while(|word| word & EXTENDED != 0).count());
    }
    if present & TIMESTAMP != 0 {
        fields = usize::next_multiple_of(fields, 8) + 8;
    }
    let flags = if present & FLAGS != 0 { header.get(fields).copied()? } else { 0 };
    frame(bytes.get(header.len()..)?, flags & PADDED != 0, headers_left)
}

/// Prism: a message code and a length, in the byte order of the host that
/// captured; AVS, which may stand in its place: a magic number and a length,
/// big-endian.
pub(super) fn prism(bytes: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([m0, m1, m2, m3, l0, l1, l2, l3], _) = bytes.split_first_chunk()?;
    let len = [*l0, *l1, *l2, *l3];
    let len = if u32::from_be_bytes([*m0, *m1, *m2, *m3]) == AVS {
        u32::from_be_bytes(len)
    } else {
        u32::from_le_bytes(len).min(u32::from_be_bytes(len))
    };
    let len = usize::try_from(len).ok().filter(|len| *len >= 8)?;
    frame(bytes.get(len..)?, false, headers_left)
}
