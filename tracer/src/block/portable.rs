//! Blocks byte by byte, of which compilers make what the processor has.

use super::{LEN, Marks};

/// A block. Those that comparisons make have all bits of a byte set, or none.
#[derive(Clone, Copy)]
pub(crate) struct Block([u8; LEN]);

impl Block {
    #[inline(always)]
    pub(crate) fn new(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    pub(crate) fn halves(first: u64, last: u64) -> Self {
        let mut bytes = [0; LEN];
        bytes.copy_from_slice([first, last].map(u64::to_le_bytes).as_flattened());
        Self(bytes)
    }

    /// Its first and its last eight bytes.
    #[inline(always)]
    pub(crate) fn split(self) -> (u64, u64) {
        let [first, last] = [self.0.first_chunk(), self.0.last_chunk()]
            .map(|half| half.copied().map_or(0, u64::from_le_bytes));
        (first, last)
    }

    /// Writes its bytes down.
    ///
    /// # Safety
    ///
    /// There is room for them at `to`.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    pub(crate) unsafe fn write(self, to: *mut u8) {
        #![expect(unsafe_code, reason = "writes to a place that was made room for")]
        // SAFETY: as the caller promised; it need not be aligned.
        unsafe { to.cast::<[u8; LEN]>().write_unaligned(self.0) }
    }

    /// The bytes that are `byte`.
    #[inline(always)]
    pub(crate) fn is(self, byte: u8) -> Self {
        self.within(byte, byte)
    }

    /// The bytes from `first` to `last`, both included.
    #[inline(always)]
    pub(crate) fn within(self, first: u8, last: u8) -> Self {
        let is_within = |byte: u8| byte.wrapping_sub(first) <= last.wrapping_sub(first);
        Self(self.0.map(|byte| if is_within(byte) { u8::MAX } else { 0 }))
    }

    #[inline(always)]
    pub(crate) fn or(mut self, other: Self) -> Self {
        for (byte, other) in self.0.iter_mut().zip(other.0) {
            *byte |= other;
        }
        self
    }

    /// The bits of `byte` in each byte.
    #[inline(always)]
    pub(crate) fn and(self, byte: u8) -> Self {
        Self(self.0.map(|other| other & byte))
    }

    /// The highest bit of each byte.
    #[inline(always)]
    pub(crate) fn marks(self) -> Marks {
        self.0.iter().rev().fold(0, |marks, byte| marks << 1 | Marks::from(byte >> 7))
    }
}
