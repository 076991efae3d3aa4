//! Names of the header fields that say where a body ends.

/// A field's name as it is gathered, in lower case.
pub(super) struct Name {
    pub(super) len: u32,
    /// The first byte.
    pub(super) initial: u32,
    /// The first sixteen bytes and the last sixteen.
    pub(super) first: [u64; 2],
    pub(super) last: [u64; 2],
}

pub(super) const CONTENT_LENGTH: Name = Name::new(b"content-length");
pub(super) const CONNECTION: Name = Name::new(b"connection");
pub(super) const TRANSFER_ENCODING: Name = Name::new(b"transfer-encoding");

impl Name {
    const fn new(name: &[u8]) -> Self {
        let (mut first, mut last, mut rest) = ([0; 2], [0; 2], name);
        let (mut len, mut initial) = (0, 0);
        while let [byte, behind @ ..] = rest {
            last = [last[0] << 8 | last[1] >> 56, last[1] << 8 | *byte as u64];
            len += 1;
            if len == 1 {
                initial = *byte as u32;
            }
            if len <= 16 {
                first = last;
            }
            rest = behind;
        }
        Self { len, initial, first, last }
    }

    /// What is gathered of its first `count` bytes.
    #[inline(always)]
    pub(super) const fn first(&self, count: u32) -> [u64; 2] {
        let [high, low] = self.first;
        let there = if self.len < 16 { self.len } else { 16 };
        if count > there {
            return self.last;
        }
        let bits = (there - count) * 8;
        match bits {
            0 => [high, low],
            1..64 => [high >> bits, low >> bits | high << (64 - bits)],
            _ => [0, high >> (bits & 63)],
        }
    }
}

/// Whether a byte may stand in a field's name.
#[inline(always)]
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}
