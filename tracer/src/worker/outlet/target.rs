//! Where the events of live tracing go, and how bytes are tried on it without
//! waiting for whoever reads them.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd},
        unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    },
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{MsgFlags, send},
};

/// Where the events go.
#[derive(Debug)]
pub(crate) struct Target {
    file: File,
    kind: Kind,
    is_stdout: bool,
}

/// What is known of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A socket: each call can be told not to wait.
    Socket,
    /// A pipe or a device that was opened anew, so as not to wait, and not to
    /// change that for the others who have it.
    Opened,
    /// A regular file. It takes what it gets, unless its disk stalls.
    Regular,
    /// Only a thread that may wait can write to it.
    Blocking,
}

impl Target {
    /// The standard output.
    ///
    /// # Errors
    ///
    /// When it is closed.
    pub(crate) fn stdout() -> io::Result<Self> {
        let stdout = io::stdout();
        let metadata = File::from(stdout.as_fd().try_clone_to_owned()?).metadata()?;
        let kind = metadata.file_type();
        if kind.is_fifo() || kind.is_char_device() {
            let anew = OpenOptions::new()
                .append(true)
                .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
                .open(format!("/proc/self/fd/{}", stdout.as_fd().as_raw_fd()));
            if let Ok(file) = anew {
                return Ok(Self { file, kind: Kind::Opened, is_stdout: true });
            }
        }
        let target = Self::of(stdout.as_fd().try_clone_to_owned()?.into())?;
        Ok(Self { is_stdout: true, ..target })
    }

    /// A file, or a socket, or what else was opened by somebody.
    ///
    /// # Errors
    ///
    /// When nothing can be learned of it.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let is = file.metadata()?.file_type();
        let kind = if is.is_socket() {
            Kind::Socket
        } else if is.is_file() {
            Kind::Regular
        } else if is_nonblocking(&file)? {
            Kind::Opened
        } else {
            Kind::Blocking
        };
        Ok(Self { file, kind, is_stdout: false })
    }

    /// Writes what can be written at once.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when that is nothing.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self.kind {
                Kind::Socket => {
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    send(self.file.as_raw_fd(), bytes, flags).map_err(io::Error::from)
                }
                _ => (&self.file).write(bytes),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    /// Whether it is the standard output.
    pub(crate) const fn is_stdout(&self) -> bool {
        self.is_stdout
    }

    /// Whether a write by whoever must not wait is worth trying.
    pub(super) const fn is_prompt(&self) -> bool {
        !matches!(self.kind, Kind::Blocking)
    }

    /// Whether it is a file on a disk, on which there may be room again.
    pub(super) const fn is_regular(&self) -> bool {
        matches!(self.kind, Kind::Regular)
    }
}

/// Whether writing to it does not wait.
fn is_nonblocking(file: &File) -> io::Result<bool> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    Ok(flags.contains(OFlag::O_NONBLOCK))
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
