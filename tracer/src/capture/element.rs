//! Elements of maps, read by descriptor.
//!
//! That takes no file, so that a thread can that may open none: aya's own
//! look-up wants to know on each thread anew how many processors there are.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// `BPF_MAP_LOOKUP_ELEM`.
const LOOKUP: libc::c_long = 1;

/// `union bpf_attr`, as far as commands on an element of a map read it.
#[repr(C)]
struct Element {
    map: u32,
    _padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Reads the element of a key; of each processor, where the map has a value for
/// each.
///
/// # Errors
///
/// `NotFound` where there is none.
///
/// # Safety
///
/// The map must have keys as large as `K`, and values as large as `values`.
#[expect(unsafe_code, reason = "the system call takes addresses")]
pub(super) unsafe fn look_up<K: aya::Pod, V: aya::Pod>(
    map: BorrowedFd<'_>,
    key: &K,
    values: &mut [V],
) -> io::Result<()> {
    let element = Element {
        map: map.as_raw_fd().cast_unsigned(),
        _padding: 0,
        key: std::ptr::from_ref(key).expose_provenance() as u64,
        value: values.as_mut_ptr().expose_provenance() as u64,
        flags: 0,
    };
    // SAFETY: the kernel reads the attributes and the key, and writes the values,
    // which are as large as the caller promises; any bytes are valid ones.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, LOOKUP, &raw const element, size_of::<Element>()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
