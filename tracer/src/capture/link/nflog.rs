//! `LINKTYPE_NFLOG`: what netfilter's log target hands to user space.

use super::{Frame, Vlan};

/// The attribute that holds the packet, `NFULA_PAYLOAD`.
const PAYLOAD: u16 = 9;
/// Attributes that are looked through; the kernel writes fewer than twenty.
const MAX_ATTRIBUTES: usize = 64;

/// Family, version, resource; then attributes of length, type and value, in
/// the byte order of the host that captured.
pub(super) fn frame(frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    let ([family, version, ..], mut rest) = frame.split_first_chunk::<4>()?;
    if *version != 0 || !matches!(family, 2 | 10) {
        return None;
    }
    for _ in 0..MAX_ATTRIBUTES {
        let ([l0, l1, t0, t1], _) = rest.split_first_chunk()?;
        // Types are small numbers, which tells the byte order. The two bits on
        // top are flags.
        let (len, kind) = if *t0 == 0 && *t1 != 0 {
            (u16::from_be_bytes([*l0, *l1]), u16::from_be_bytes([*t0, *t1]))
        } else {
            (u16::from_le_bytes([*l0, *l1]), u16::from_le_bytes([*t0, *t1]))
        };
        let len = usize::from(len);
        let value = rest.get(4..len.min(rest.len()))?;
        if kind & 0x3fff == PAYLOAD {
            return Some(Frame::new(value, Vlan::default(), headers_left));
        }
        rest = rest.get(len.max(4).next_multiple_of(4)..)?;
    }
    None
}
