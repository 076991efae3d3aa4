//! All 32-bit sequence arithmetic (RFC 9293 section 3.4).
//!
//! Everywhere else a stream's bytes are numbered by 64-bit offsets that never
//! wrap: offset 0 is the byte behind the SYN, or the first byte seen.

/// How far `to` lies ahead of `from` on the circle of sequence numbers;
/// negative when it lies behind.
pub(super) const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// The low 32 bits of an offset.
const fn low(offset: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = offset.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Sequence number of an offset in the stream whose offset 0 has the number
/// `base`.
pub(super) const fn number(base: u32, offset: u64) -> u32 {
    base.wrapping_add(low(offset))
}

/// Offset of `sequence` in the stream whose offset 0 has the number `base`:
/// of all offsets that share this number, the one closest to `near`. Negative
/// for what stood before offset 0.
pub(super) fn offset(base: u32, near: u64, sequence: u32) -> i64 {
    let distance = distance(base.wrapping_add(low(near)), sequence);
    near.cast_signed().saturating_add(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_signed_and_wrap() {
        assert_eq!(distance(5, 5), 0);
        assert_eq!(distance(5, 9), 4);
        assert_eq!(distance(9, 5), -4);
        assert_eq!(distance(u32::MAX, 0), 1);
        assert_eq!(distance(0, u32::MAX), -1);
        assert_eq!(distance(0, 0x7fff_ffff), i32::MAX);
        assert_eq!(distance(0, 0x8000_0000), i32::MIN);
    }

    #[test]
    fn offsets_go_on_behind_the_wrap() {
        let base = u32::MAX - 2;
        assert_eq!(offset(base, 0, u32::MAX), 2);
        assert_eq!(offset(base, 2, 0), 3);
        assert_eq!(offset(base, 3, 10), 13);
        assert_eq!(offset(base, 13, u32::MAX), 2);
    }

    #[test]
    fn what_stood_before_the_first_byte_is_negative() {
        assert_eq!(offset(100, 0, 99), -1);
        assert_eq!(offset(0, 5, u32::MAX), -1);
    }

    #[test]
    fn a_stream_may_be_longer_than_the_circle() {
        let near = 3 * (1 << 32) + 7;
        assert_eq!(offset(1000, near, 1007), near.cast_signed());
        assert_eq!(offset(1000, near, 1006), near.cast_signed() - 1);
        assert_eq!(offset(1000, near, 1107), near.cast_signed() + 100);
    }
}
