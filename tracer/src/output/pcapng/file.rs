//! The file that packets are written to: for its owner's eyes only.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{fcntl::OFlag, sys::stat::fstat, unistd};

use super::block;

/// Read and write for the owner, nothing for others.
const MODE: u32 = 0o600;

/// Why packets cannot be written to a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened or made.
    #[error("cannot write to {}: {error}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Writing through a link would write where somebody else says.
    #[error("{} is a symbolic link; name the file itself", .0.display())]
    Link(PathBuf),
    /// A pipe or a device could keep the tracer waiting.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// What is in it would be lost, or its owner could read what comes.
    #[error("{} belongs to somebody else, or has a second name; name another file", .0.display())]
    NotOurs(PathBuf),
    /// It is one of those that are read, or the standard output.
    #[error("{} is read, or has the events, at the same time; name another file", .0.display())]
    InUse(PathBuf),
}

/// A regular file of this process's user that nobody else can read.
#[derive(Debug)]
pub struct PacketFile {
    pub(super) file: File,
    path: PathBuf,
    /// Bytes of the blocks that stand in it whole.
    whole: u64,
}

impl PacketFile {
    /// Opens or makes the file, as mode 0600. What is in it stays until
    /// something is written. `in_use` are the files that are read or written
    /// besides.
    ///
    /// # Errors
    ///
    /// When it is no regular file of this process's user, in use, or cannot be
    /// opened; then it is as it was.
    pub fn open<'a>(
        path: &Path,
        in_use: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Open { path: path.to_owned(), error };
        // Without O_NONBLOCK a pipe without reader would keep it waiting here.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .custom_flags(flags.bits())
            .open(path);
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => Error::Link(path.to_owned()),
            Some(libc::ENXIO) => Error::NotAFile(path.to_owned()),
            _ => failed(error),
        })?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile(path.to_owned()));
        }
        if metadata.uid() != unistd::geteuid().as_raw() || metadata.nlink() != 1 {
            return Err(Error::NotOurs(path.to_owned()));
        }
        for other in in_use {
            let other = fstat(other).map_err(|error| failed(error.into()))?;
            if (other.st_dev, other.st_ino) == (metadata.dev(), metadata.ino()) {
                return Err(Error::InUse(path.to_owned()));
            }
        }
        let mut permissions = metadata.permissions();
        permissions.set_mode(MODE);
        file.set_permissions(permissions).map_err(failed)?;
        Ok(Self { file, path: path.to_owned(), whole: 0 })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Empties it.
    pub(super) fn begin(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Appends whole blocks. When that fails, those that found room stay.
    pub(super) fn append(&mut self, blocks: &[u8]) -> io::Result<()> {
        let (mut rest, mut result) = (blocks, Ok(()));
        while result.is_ok() && !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        let written = blocks.get(..blocks.len() - rest.len()).unwrap_or(blocks);
        let whole = block::whole(written);
        self.whole += u64::try_from(whole).unwrap_or(u64::MAX);
        if whole < written.len() {
            // Where that fails, readers are told of a block that is cut.
            let _ = self.file.set_len(self.whole);
        }
        result
    }
}

impl AsFd for PacketFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
