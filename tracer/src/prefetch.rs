//! Asking for memory before it is touched.

/// Bytes of a line of cache.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Asks for all of a value: its lines come at once, where code that meets one
/// after the other waits for each. Elsewhere than on x86 it does nothing.
#[inline]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "lines are asked for by pointer"))]
pub(crate) fn all<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let begin = std::ptr::from_ref(value).cast::<i8>();
        let len = size_of_val(value);
        // What is not aligned to lines ends in one more.
        for at in (0..len).step_by(LINE).chain([len.saturating_sub(1)]) {
            // SAFETY: a hint, which no address makes fault.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(begin.wrapping_add(at)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
