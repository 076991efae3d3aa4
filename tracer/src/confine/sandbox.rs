//! What a process without privileges may still do is taken from it, too: most
//! system calls, the file system, the network.

use std::{fmt, io};

use super::{Error, landlock, seccomp};

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads files.
    Reader,
    /// Reads rings, and the kernel's counters.
    Worker,
}

/// What there is to confine a process with, beside privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// Whether the kernel filters system calls.
    pub(crate) has_seccomp: bool,
    /// The version of Landlock, where there is that.
    pub(crate) landlock: Option<u32>,
}

impl Sandbox {
    /// Asks this kernel.
    pub(crate) fn of_this_kernel() -> Self {
        Self { has_seccomp: seccomp::is_available(), landlock: landlock::version() }
    }

    /// Puts this process, which must have one thread, into what there is.
    /// What is missing is told of at debug level.
    ///
    /// # Errors
    ///
    /// When the kernel has it and refuses it all the same.
    pub(crate) fn enter(self, role: Role) -> Result<(), Error> {
        let failed = |operation| move |source: io::Error| Error { operation, source };
        if self.landlock.is_some() {
            landlock::enter().map_err(failed("Landlock"))?;
        } else {
            log::debug!("no Landlock in this kernel: files are kept by their owners alone");
        }
        // The last, for it would refuse the others.
        if self.has_seccomp {
            seccomp::enter(role).map_err(failed("seccomp"))?;
        } else {
            log::debug!("no seccomp in this kernel: all system calls stay possible");
        }
        Ok(())
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.has_seccomp, self.landlock) {
            (false, None) => return formatter.write_str("neither seccomp nor Landlock"),
            (true, None) => formatter.write_str("seccomp, but no Landlock (Linux 5.13)"),
            (false, Some(version)) => write!(formatter, "Landlock {version}, but no seccomp"),
            (true, Some(version)) => write!(formatter, "seccomp and Landlock {version}"),
        }?;
        match self.landlock {
            Some(1..4) => formatter.write_str(" (which leaves TCP to seccomp, before Linux 6.7)"),
            _ => Ok(()),
        }
    }
}
