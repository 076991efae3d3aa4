//! What a tool writes, kept in memory without anybody reading it meanwhile.

use std::{fs::File, io, os::unix::fs::FileExt as _, process::Stdio};

use anyhow::Result;
use memchr::memmem;
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Bytes that are looked at at a time.
const BLOCK: usize = 1 << 20;

/// A file in memory that a program writes. That nobody reads it while the load
/// runs is the point: a reader would take its part of the cores.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
}

impl Output {
    /// An empty one.
    pub(super) fn new() -> Result<Self> {
        Ok(Self { file: memfd_create(c"output", MFdFlags::MFD_CLOEXEC)?.into() })
    }

    /// For a program to write.
    pub(super) fn stdio(&self) -> Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// All of it, as text.
    pub(super) fn text(&self) -> Result<String> {
        let mut bytes = vec![0; usize::try_from(self.len()?)?];
        let read = read_at(&self.file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How often a sign stands in it: before each of the given offsets, which
    /// rise, and in all.
    pub(super) fn count<const N: usize>(
        &self,
        sign: &[u8],
        offsets: [u64; N],
    ) -> Result<([u64; N], u64)> {
        let finder = memmem::Finder::new(sign);
        let kept = sign.len().saturating_sub(1);
        let mut block = vec![0; BLOCK + kept];
        let (mut counts, mut all) = ([0; N], 0);
        // Where in the file the block begins, and how much of it was there
        // before: the last bytes of the one before, in which a sign can begin.
        let (mut begin, mut old) = (0_u64, 0);
        loop {
            let new = block
                .get_mut(old..)
                .map_or(Ok(0), |rest| read_at(&self.file, rest, begin + old as u64))?;
            if new == 0 {
                return Ok((counts, all));
            }
            let filled = block.get(..old + new).unwrap_or_default();
            for found in finder.find_iter(filled) {
                all += 1;
                let end = begin + (found + sign.len()) as u64;
                for (count, _) in counts.iter_mut().zip(offsets).filter(|(_, at)| end <= *at) {
                    *count += 1;
                }
            }
            let keep = kept.min(old + new);
            begin += (old + new - keep) as u64;
            block.copy_within(old + new - keep..old + new, 0);
            old = keep;
        }
    }
}

/// Fills a buffer as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests_of_outputs {
    use std::process::Command;

    use super::*;

    fn written(script: &str) -> Output {
        let output = Output::new().unwrap();
        let mut shell = Command::new("sh");
        let status = shell.args(["-c", script]).stdout(output.stdio().unwrap()).status();
        assert!(status.unwrap().success());
        output
    }

    #[test]
    fn signs_are_counted_before_offsets_and_in_all() {
        let output = written("printf 'GET a\\nGET b\\nGET c\\n'");
        assert_eq!(output.count(b"GET", [0, 3, 8, 9, 100]).unwrap(), ([0, 1, 1, 2, 3], 3));
        assert_eq!(output.len().unwrap(), 18);
    }

    #[test]
    fn a_sign_across_two_blocks_is_counted_once() {
        let output = written("head -c 1048574 /dev/zero; printf 'HTTP HTTP'");
        assert_eq!(output.count(b"HTTP", [1_048_577, 1_048_578]).unwrap(), ([0, 1], 2));
    }
}
