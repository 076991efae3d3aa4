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

    /// The bytes with these bits set in each.
    #[inline(always)]
    pub(crate) fn or_all(self, bits: u8) -> Self {
        self.or(Self::halves(u64::from_le_bytes([bits; 8]), u64::from_le_bytes([bits; 8])))
    }

    /// Marks the control characters of ASCII.
    #[inline(always)]
    pub(crate) fn controls(self) -> Marks {
        self.within(0, 0x1f).or(self.is(0x7f)).marks()
    }

    /// Marks what is no visible character of ASCII.
    #[inline(always)]
    pub(crate) fn invisible(self) -> Marks {
        Marks::from(u16::MAX) ^ self.within(b'!', b'~').marks()
    }

    /// Where the first byte from `at` on stands that `marks` marks. Says nothing of
    /// bytes that are fewer than a block in all.
    #[inline(always)]
    pub(crate) fn find(bytes: &[u8], at: usize, marks: impl Fn(Self) -> Marks) -> Option<usize> {
        let mut start = at;
        let (blocks, _) = bytes.get(at..).unwrap_or_default().as_chunks();
        for block in blocks {
            let found = marks(Self::new(*block));
            if found != 0 {
                return Some(start + found.trailing_zeros() as usize);
            }
            start += LEN;
        }
        // The last block again, of which only the rest has not been looked at.
        let last = bytes.len().checked_sub(LEN)?;
        let seen = Marks::try_from(start - last).unwrap_or(Marks::BITS);
        let found = marks(Self::new(*bytes.last_chunk()?)).checked_shr(seen).unwrap_or(0);
        (found != 0).then(|| start + found.trailing_zeros() as usize)
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

    /// Up to 15 bytes in their places, and zeros behind; `None` for no bytes.
    #[inline(always)]
    pub(crate) fn padded(bytes: &[u8]) -> Option<Self> {
        let len = bytes.len();
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let behind = u64::from_le_bytes(*last).checked_shr(bits(2 * 8, len)).unwrap_or(0);
            return Some(Self::halves(u64::from_le_bytes(*first), behind));
        }
        let half = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let behind = u32::from_le_bytes(*last).checked_shr(bits(2 * 4, len)).unwrap_or(0);
            u64::from(u32::from_le_bytes(*first)) | u64::from(behind) << 32
        } else {
            let byte = |at| bytes.get(at).copied().unwrap_or(0);
            u64::from(*bytes.first()?) | u64::from(byte(1)) << 8 | u64::from(byte(2)) << 16
        };
        Some(Self::halves(half, 0))
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

/// The bits of the bytes that a room has and `len` bytes do not fill.
#[inline(always)]
fn bits(room: usize, len: usize) -> u32 {
    u32::try_from((room - len) * 8).unwrap_or(u32::MAX)
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
    fn short_texts_stand_at_the_front() {
        let text = b"abcdefghijklmno";
        assert!(Block::padded(b"").is_none());
        for len in 1..=text.len() {
            let mut whole = [0; LEN];
            whole[..len].copy_from_slice(&text[..len]);
            let padded = Block::padded(&text[..len]).expect("there are bytes");
            assert_eq!(padded.split(), Block::new(whole).split(), "{len}");
        }
    }

    #[test]
    fn each_byte_has_its_mark() {
        for byte in 0..=u8::MAX {
            for place in 0..LEN {
                let mut bytes = [b'x'; LEN];
                bytes[place] = byte;
                let block = Block::new(bytes);
                let mark = |is: bool| Marks::from(is) << place;
                assert_eq!(block.controls(), mark(byte.is_ascii_control()), "{byte}");
                assert_eq!(block.invisible(), mark(!byte.is_ascii_graphic()), "{byte}");
            }
        }
    }

    #[test]
    fn the_first_is_found_wherever_it_stands() {
        for len in 16..70 {
            for at in 0..len {
                for place in 0..=len {
                    let mut bytes = vec![b'x'; len];
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = b'\r';
                    }
                    let found = Block::find(&bytes, at, Block::controls);
                    assert_eq!(found, (at..len).contains(&place).then_some(place), "{at} {place}");
                }
            }
        }
        assert_eq!(Block::find(b"x\r", 0, Block::controls), None);
        assert_eq!(Block::find(b"0123456789abcde\r", 17, Block::controls), None);
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
