//! A folder of files that will be packed, with the same times and modes
//! wherever and whenever it is made.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};

use super::MOMENT;
use crate::process::Step;

/// The folder; removed with the guard.
pub(super) struct Tree {
    folder: PathBuf,
    time: u64,
}

impl Tree {
    /// An empty one, whose files will all be of this time.
    pub(super) fn new(folder: PathBuf, time: u64) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, time })
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a file that everybody may read.
    pub(super) fn file(&self, path: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        self.write(path, contents.as_ref(), 0o644)
    }

    /// Adds a program.
    pub(super) fn program(&self, path: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        self.write(path, contents.as_ref(), 0o755)
    }

    /// Adds a file packed by gzip, without the time that it would write down.
    pub(super) fn packed(&self, path: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        self.file(path, contents)?;
        Step::new("gzip", MOMENT).args(["-9", "-n"]).args([self.folder.join(path)]).output()?;
        Ok(())
    }

    fn write(&self, path: &str, contents: &[u8], mode: u32) -> Result<()> {
        let path = self.folder.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, contents).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    /// Gives all that is there its time, and folders their mode.
    pub(super) fn settle(&self) -> Result<()> {
        settle(&self.folder, SystemTime::UNIX_EPOCH + Duration::from_secs(self.time))
    }

    /// Kilobytes of its files, as a package says what it takes.
    pub(super) fn kilobytes(&self) -> Result<u64> {
        Ok(bytes(&self.folder)?.div_ceil(1024))
    }
}

/// The files of a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn settle(path: &Path, time: SystemTime) -> Result<()> {
    if path.is_dir() {
        for entry in entries(path)? {
            settle(&entry, time)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    File::open(path)?.set_modified(time).with_context(|| format!("dating {}", path.display()))
}

fn bytes(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path)?.len());
    }
    entries(path)?.iter().map(|entry| bytes(entry)).sum()
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
