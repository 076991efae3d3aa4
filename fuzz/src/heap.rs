//! How much of the heap is in use, so that what a decoder says of itself can be
//! held against what it takes.

#![expect(unsafe_code, reason = "an allocator is an unsafe trait's implementation")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static USED: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, and a count by thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has asked for, less those that it gave back.
pub(crate) fn used() -> isize {
    USED.get()
}

/// What `call` returns, without a trace of it in the count: for those whose
/// memory is not to be measured.
pub(crate) fn apart<R>(call: impl FnOnce() -> R) -> R {
    let before = used();
    let result = call();
    USED.set(before);
    result
}

/// What `call` returns, and by how many bytes the count grew meanwhile.
pub(crate) fn growth<R>(call: impl FnOnce() -> R) -> (R, isize) {
    let before = used();
    let result = call();
    (result, used() - before)
}

fn count(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: every call is passed on as it came to the system's allocator, which
// keeps the contract; counting allocates nothing and cannot panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.set(USED.get().wrapping_add(count(layout)));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.set(USED.get().wrapping_sub(count(layout)));
        // SAFETY: `pointer` came from `alloc` above, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}
