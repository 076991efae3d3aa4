//! Attaches the XDP program: by the driver where it has XDP, else by the
//! kernel's generic one.

use aya::programs::{ProgramError, Xdp, XdpMode, links::FdLink, xdp::XdpError};

use super::netlink::Link;

/// Attaches the program to an interface, and says how.
///
/// # Errors
///
/// When the kernel refuses, because another program is there, say.
pub(super) fn attach(program: &mut Xdp, link: &Link) -> Result<(FdLink, XdpMode), ProgramError> {
    let mut attach = |mode| {
        let id = program.attach_to_if_index(link.index, mode)?;
        // aya has another way, for kernels before 5.9, which would leave the
        // program there after a kill -9.
        FdLink::try_from(program.take_link(id)?).map_err(|_| ProgramError::NotAttached)
    };
    match attach(XdpMode::Driver) {
        Err(error) if matches!(errno(&error), Some(libc::EOPNOTSUPP | libc::EINVAL)) => {
            log::info!("{}: its driver has no XDP; the kernel's generic one instead", link.name);
            Ok((attach(XdpMode::Skb)?, XdpMode::Skb))
        }
        attached => Ok((attached?, XdpMode::Driver)),
    }
}

/// The code of the system call's error behind aya's.
pub(super) fn errno(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        ProgramError::XdpError(XdpError::NetlinkError(error))
        | ProgramError::NetlinkError(error) => error.raw_os_error(),
        _ => None,
    }
}
