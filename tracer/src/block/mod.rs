//! Sixteen bytes at a time: how all that is decoded and written is looked at.
//! The same on every processor; where it has the instructions, the bytes of a
//! block are compared at once.

#![expect(clippy::inline_always, reason = "an instruction or some, in loops over blocks")]

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use self::portable::Block;
#[cfg(target_arch = "x86_64")]
pub(crate) use self::sse2::Block;

/// Bytes of a block.
pub(crate) const LEN: usize = 16;

/// One bit for each byte of a block, from its first on.
pub(crate) type Marks = u32;

impl Block {
    /// Marks what is no printable character of ASCII, nor a space.
    #[inline(always)]
    pub(crate) fn unusual(self) -> Marks {
        Marks::from(u16::MAX) ^ self.within(b' ', b'~').marks()
    }

    /// Marks what is [unusual](Self::unusual), and what JSON strings escape.
    #[inline(always)]
    pub(crate) fn unusual_in_json(self) -> Marks {
        self.unusual() | self.is(b'"').or(self.is(b'\\')).marks()
    }

    /// The bytes in lower case.
    #[inline(always)]
    pub(crate) fn lower(self) -> Self {
        self.or(self.within(b'A', b'Z').and(b'a' - b'A'))
    }

    /// A block that holds each of 1 to 15 bytes, some of them several times.
    #[inline(always)]
    pub(crate) fn of_short(bytes: &[u8]) -> Option<Self> {
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            return Some(Self::halves(u64::from_le_bytes(*first), u64::from_le_bytes(*last)));
        }
        let [low, high] =
            if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
                [u32::from_le_bytes(*first), u32::from_le_bytes(*last)]
            } else {
                let middle = *bytes.get(bytes.len() / 2)?;
                [u32::from_le_bytes([*bytes.first()?, middle, middle, *bytes.last()?]); 2]
            };
        let half = u64::from(low) | u64::from(high) << 32;
        Some(Self::halves(half, half))
    }

    /// Whether `marks` marks nothing in the bytes.
    #[inline(always)]
    pub(crate) fn none(bytes: &[u8], marks: impl Fn(Self) -> Marks) -> bool {
        match bytes.last_chunk() {
            Some(last) => {
                let (whole, _) = bytes.as_chunks();
                whole
                    .iter()
                    .fold(marks(Self::new(*last)), |all, block| all | marks(Self::new(*block)))
                    == 0
            }
            None => Self::of_short(bytes).is_none_or(|block| marks(block) == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{portable, *};

    #[test]
    fn each_byte_at_each_place_is_looked_at() {
        for length in 0..=40 {
            let usual = vec![b'x'; length];
            assert!(Block::none(&usual, Block::unusual_in_json), "{length}");
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = usual.clone();
                    text[at] = byte;
                    let plain = matches!(byte, b' '..=b'~');
                    let found = Block::none(&text, Block::unusual);
                    assert_eq!(found, plain, "{byte} at {at} of {length}");
                    let json = plain && !matches!(byte, b'"' | b'\\');
                    let found = Block::none(&text, Block::unusual_in_json);
                    assert_eq!(found, json, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn processors_agree() {
        for byte in 0..=u8::MAX {
            for place in 0..LEN {
                for other in [0, b' ', b'A', 0x7f, 0x80, 0xff] {
                    let mut bytes = [other; LEN];
                    bytes[place] = byte;
                    let (one, same) = (Block::new(bytes), portable::Block::new(bytes));
                    assert_eq!(one.split(), same.split());
                    assert_eq!(one.marks(), same.marks());
                    assert_eq!(one.is(byte).marks(), same.is(byte).marks());
                    for (first, last) in [(b'!', b'~'), (0, 0), (0x80, 0xff), (b'#', b'&')] {
                        let found = one.within(first, last).marks();
                        assert_eq!(found, same.within(first, last).marks(), "{bytes:?}");
                        let expected = (first..=last).contains(&byte);
                        assert_eq!(found >> place & 1 == 1, expected, "{byte}");
                    }
                    assert_eq!(one.or(one.and(0x20)).split(), same.or(same.and(0x20)).split());
                    let lower = Block::new(bytes.map(|byte| byte.to_ascii_lowercase()));
                    assert_eq!(one.lower().split(), lower.split());
                }
            }
        }
    }
}
