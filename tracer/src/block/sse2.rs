//! Blocks in registers of SSE2.

#![expect(unsafe_code, reason = "what asks for SSE2 is unsafe where the compiler could lack it")]

use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_min_epu8, _mm_movemask_epi8,
    _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_storeu_si128, _mm_sub_epi8,
    _mm_unpackhi_epi64,
};

use super::{LEN, Marks};

/// A block. Those that comparisons make have all bits of a byte set, or none.
#[derive(Clone, Copy)]
pub(crate) struct Block(__m128i);

impl Block {
    #[inline(always)]
    pub(crate) fn new(bytes: [u8; LEN]) -> Self {
        let [first, last] = [bytes.first_chunk(), bytes.last_chunk()]
            .map(|half| half.copied().map_or(0, u64::from_le_bytes));
        Self::halves(first, last)
    }

    #[inline(always)]
    pub(crate) fn halves(first: u64, last: u64) -> Self {
        // SAFETY: every x86-64 has SSE2.
        Self(unsafe { _mm_set_epi64x(last.cast_signed(), first.cast_signed()) })
    }

    /// Its first and its last eight bytes.
    #[inline(always)]
    pub(crate) fn split(self) -> (u64, u64) {
        // SAFETY: every x86-64 has SSE2.
        let half = |half| unsafe { _mm_cvtsi128_si64(half) }.cast_unsigned();
        // SAFETY: as above.
        (half(self.0), half(unsafe { _mm_unpackhi_epi64(self.0, self.0) }))
    }

    /// Writes its bytes down.
    ///
    /// # Safety
    ///
    /// There is room for them at `to`.
    #[inline(always)]
    pub(crate) unsafe fn write(self, to: *mut u8) {
        // SAFETY: as the caller promised; the place need not be aligned.
        unsafe { _mm_storeu_si128(to.cast(), self.0) }
    }

    /// The bytes that are `byte`.
    #[inline(always)]
    pub(crate) fn is(self, byte: u8) -> Self {
        // SAFETY: every x86-64 has SSE2.
        Self(unsafe { _mm_cmpeq_epi8(self.0, all(byte)) })
    }

    /// The bytes from `first` to `last`, both included.
    #[inline(always)]
    pub(crate) fn within(self, first: u8, last: u8) -> Self {
        // SAFETY: every x86-64 has SSE2.
        Self(unsafe {
            let place = _mm_sub_epi8(self.0, all(first));
            _mm_cmpeq_epi8(place, _mm_min_epu8(place, all(last.wrapping_sub(first))))
        })
    }

    #[inline(always)]
    pub(crate) fn or(self, other: Self) -> Self {
        // SAFETY: every x86-64 has SSE2.
        Self(unsafe { _mm_or_si128(self.0, other.0) })
    }

    /// The bits of `byte` in each byte.
    #[inline(always)]
    pub(crate) fn and(self, byte: u8) -> Self {
        // SAFETY: every x86-64 has SSE2.
        Self(unsafe { _mm_and_si128(self.0, all(byte)) })
    }

    /// The highest bit of each byte.
    #[inline(always)]
    pub(crate) fn marks(self) -> Marks {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_movemask_epi8(self.0) }.cast_unsigned()
    }
}

#[inline(always)]
fn all(byte: u8) -> __m128i {
    // SAFETY: every x86-64 has SSE2.
    unsafe { _mm_set1_epi8(byte.cast_signed()) }
}
