//! Signals that this program does without.

use std::io;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Has a signal ignored from now on.
///
/// # Errors
///
/// When it cannot be.
#[expect(unsafe_code, reason = "signal dispositions are set by an unsafe call")]
pub(crate) fn ignore(signal: Signal) -> io::Result<()> {
    let action = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}
