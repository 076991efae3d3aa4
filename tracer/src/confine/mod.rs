//! Gives up every privilege, for good, before the first hostile byte is read.
#![expect(unsafe_code, reason = "what nobody wraps is asked and changed by bare system calls")]

mod landlock;
mod sandbox;
mod seccomp;
#[cfg(test)]
mod tests;

pub(crate) use self::sandbox::{Role, Sandbox};

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use nix::{
    sys::prctl,
    unistd::{self, Gid, Uid},
};

/// `nobody` and `nogroup`, to whom nothing belongs.
const NOBODY: u32 = 65_534;

/// `_LINUX_CAPABILITY_VERSION_3`: sets of two words.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Bits that capability sets can have; the kernel says where it ends.
const CAPABILITIES: libc::c_ulong = 64;

/// What kept a privilege, or a possibility, from being given up.
#[derive(Debug, thiserror::Error)]
#[error("giving up privileges: {operation}: {source}")]
pub(crate) struct Error {
    operation: &'static str,
    source: io::Error,
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`: the low or the high word of the sets.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Turns this process, which must have one thread, into one that owns nothing
/// and may do nothing but use what it has open.
///
/// # Errors
///
/// When capabilities are left. Without `CAP_SETUID` (a container's root) the
/// user id stays, which is logged.
pub(crate) fn confine() -> Result<(), Error> {
    let failed = |operation| move |source: io::Error| Error { operation, source };
    // Takes CAP_SETPCAP, so first; who lacks that cannot get more either, once
    // new privileges are off.
    for capability in 0..CAPABILITIES {
        // SAFETY: passes plain numbers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            break;
        }
    }
    if unistd::geteuid().is_root()
        && let Err(error) = become_nobody()
    {
        log::warn!("packets are read as user 0, though without capabilities: {error}");
    }
    // SAFETY: passes plain numbers.
    if unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) } != 0 {
        return Err(failed("ambient set")(io::Error::last_os_error()));
    }
    set_capabilities([Sets::default(); 2]).map_err(failed("capset"))?;
    prctl::set_no_new_privs().map_err(io::Error::from).map_err(failed("no_new_privs"))?;
    leave_no_dumps()?;
    if capabilities().map_err(failed("capget"))? != [Sets::default(); 2] {
        return Err(failed("capset")(io::ErrorKind::PermissionDenied.into()));
    }
    Ok(())
}

/// Keeps this process's memory from core dumps, whatever limits it was started
/// with, and from debuggers of the same user.
///
/// # Errors
///
/// When the kernel refuses.
pub(crate) fn leave_no_dumps() -> Result<(), Error> {
    let failed = |source: nix::Error| Error { operation: "dumpable", source: source.into() };
    prctl::set_dumpable(false).map_err(failed)
}

/// Closes what a careless parent of tracer left open, in a process that owns
/// no descriptors but `kept` and the standard streams: a file or a socket that
/// was opened with privileges would keep them. Where that is not possible (a
/// seccomp profile that does not know the call), it is logged.
pub(crate) fn close_all_but<'a>(kept: impl IntoIterator<Item = BorrowedFd<'a>>) {
    const FIRST: u32 = libc::STDERR_FILENO.cast_unsigned() + 1;
    let numbers = kept.into_iter().map(|descriptor| descriptor.as_raw_fd().cast_unsigned());
    let mut kept: Vec<u32> = numbers.filter(|number| *number >= FIRST).collect();
    kept.sort_unstable();
    let ends = kept.iter().map(|number| number - 1).chain([u32::MAX]);
    let begins = [FIRST].into_iter().chain(kept.iter().map(|number| number + 1));
    for (first, last) in begins.zip(ends) {
        if first > last {
            continue;
        }
        // SAFETY: nobody owns what is closed, as this function demands.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
            let error = io::Error::last_os_error();
            log::warn!("the worker keeps what tracer was started with open: {error}");
        }
    }
}

fn become_nobody() -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    unistd::setgroups(&[])?;
    unistd::setresgid(group, group, group)?;
    unistd::setresuid(user, user, user)
}

fn set_capabilities(sets: [Sets; 2]) -> io::Result<()> {
    let header = Header { version: CAPABILITY_VERSION, pid: 0 };
    // SAFETY: for this version the kernel reads a header and two elements.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn capabilities() -> io::Result<[Sets; 2]> {
    let mut header = Header { version: CAPABILITY_VERSION, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: for this version the kernel reads a header, to which it may
    // write the version it wants, and writes two elements.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    if result == 0 { Ok(sets) } else { Err(io::Error::last_os_error()) }
}
