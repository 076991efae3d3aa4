//! Archives that a kernel unpacks at its start (cpio, "newc"): several in a
//! row make one tree.

use std::fmt::Write as _;

/// What goes over what the archives before hold.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    /// Adds a file into a folder that is there.
    pub(crate) fn file(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.entry(path, 0o100_000 | mode, contents);
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.entry(path, 0o120_777, to.as_bytes());
    }

    /// The archive, with its end.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    /// Header, name and contents, each padded to four bytes (the kernel's
    /// Documentation/driver-api/early-userspace/buffer-format.rst).
    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        let name = path.len() + 1;
        // inode, mode, user, group, links, time, size, device (2), that it is
        // (2), length of the name, checksum
        let fields = [0, mode as usize, 0, 0, 1, 0, contents.len(), 0, 0, 0, 0, name, 0];
        let mut header = String::from("070701");
        for field in fields {
            // Writing to a string cannot fail.
            let _ = write!(header, "{field:08x}");
        }
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
