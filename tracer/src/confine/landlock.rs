//! Takes the file system from this process, and TCP: nothing can be opened,
//! made or removed, and no connection taken up. What is open stays so.

use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, Scope,
};

/// What is known of. The kernel refuses of it what it knows: files from its
/// first version on (Linux 5.13), TCP from the fourth (6.7), abstract sockets
/// and signals to others from the sixth (6.12).
const KNOWN: ABI = ABI::V6;

/// The flag that asks for the version alone.
const CREATE_RULESET_VERSION: libc::c_int = 1;

/// The version of this kernel's Landlock; `None` where it has none, or did not
/// turn it on.
pub(super) fn version() -> Option<u32> {
    let (nothing, len) = (std::ptr::null::<libc::c_void>(), 0_usize);
    // SAFETY: with this flag the kernel reads no memory.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, nothing, len, CREATE_RULESET_VERSION)
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Refuses this thread, and those that it will start, all that there is to be
/// refused, without an exception.
pub(super) fn enter() -> io::Result<()> {
    restrict().map_err(io::Error::other)
}

fn restrict() -> Result<(), RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .restrict_self()
        .map(drop)
}
