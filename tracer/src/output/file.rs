//! The file that events are written to, in place of the standard output.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{fcntl::OFlag, sys::stat::fstat};

/// Read and write for the owner, read for its group: events tell of what people
/// write to each other.
const MODE: u32 = 0o640;

/// Why events cannot be written to a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or made.
    #[error("cannot write to {}: {error}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is one of those that are read.
    #[error("{} is read at the same time; name another file", .0.display())]
    InUse(PathBuf),
}

/// Opens the file to write behind what is in it, or makes it, as mode 0640. It
/// may be a pipe with a reader. `in_use` are the files that are read.
///
/// # Errors
///
/// When it cannot be opened, or is read.
pub fn open<'a>(
    path: &Path,
    in_use: impl IntoIterator<Item = BorrowedFd<'a>>,
) -> Result<File, FileError> {
    let failed = |error: io::Error| FileError::Open { path: path.to_owned(), error };
    // Without O_NONBLOCK a pipe without reader would keep it waiting here.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(failed)?;
    let stat = |file: BorrowedFd<'_>| fstat(file).map_err(|error| failed(error.into()));
    let ours = stat(file.as_fd())?;
    for other in in_use {
        let other = stat(other)?;
        if (other.st_dev, other.st_ino) == (ours.st_dev, ours.st_ino) {
            return Err(FileError::InUse(path.to_owned()));
        }
    }
    Ok(file)
}
