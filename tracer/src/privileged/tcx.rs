//! Which programs sit on an interface's TCX hook, in their order.
//!
//! aya's query wants the programs' own data, which takes `CAP_SYS_ADMIN`;
//! their ids are to be had with `CAP_NET_ADMIN`.
#![expect(unsafe_code, reason = "bpf(2) is called directly: nobody wraps this query")]

use std::io;

use super::netlink::Direction;

/// `BPF_PROG_QUERY` (`enum bpf_cmd`).
const BPF_PROG_QUERY: libc::c_int = 16;
/// `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS` (`enum bpf_attach_type`).
const ATTACH_TYPES: [u32; 2] = [46, 47];
/// Programs that are listed at most; the kernel allows 64 (`BPF_MPROG_MAX`).
const MOST: u32 = 64;

/// The part of `union bpf_attr` that `BPF_PROG_QUERY` reads and writes.
#[repr(C)]
#[derive(Default)]
struct Query {
    interface: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    padding: u32,
    program_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

const _: () = assert!(size_of::<Query>() == 64);

/// The ids of the programs on the hook, first to last.
///
/// # Errors
///
/// `InvalidInput` where the kernel has no TCX; `PermissionDenied` without
/// `CAP_NET_ADMIN`.
pub(super) fn programs(interface: u32, direction: Direction) -> io::Result<Vec<u32>> {
    let [ingress, egress] = ATTACH_TYPES;
    let mut ids = [0_u32; MOST as usize];
    let mut query = Query {
        interface,
        attach_type: match direction {
            Direction::Ingress => ingress,
            Direction::Egress => egress,
        },
        program_ids: ids.as_mut_ptr().addr() as u64,
        count: MOST,
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes `query` within the size given, which
    // is its own, and writes at most `count` numbers to `ids`; both live on.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            std::ptr::from_mut(&mut query),
            size_of::<Query>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(query.count).unwrap_or(0);
    Ok(ids.into_iter().take(count).collect())
}

/// Whether the kernel has TCX (Linux 6.6); asked of an interface that is there.
///
/// # Errors
///
/// When it does not say, for lack of privileges.
pub(super) fn is_supported(interface: u32) -> io::Result<bool> {
    match programs(interface, Direction::Ingress) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}
