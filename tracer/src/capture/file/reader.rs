//! Bytes of a file or a pipe, a large piece at a time.

use std::{
    io::{self, Cursor, Read},
    mem,
    ops::Range,
};

use flate2::read::MultiGzDecoder;

use super::error::Damage;

/// Bytes asked of the system at once.
const BUFFER: usize = 256 * 1024;

/// A buffered input that knows how far it is.
pub(super) struct Reader {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet taken.
    held: Range<usize>,
    /// Offset in the file of the first byte that was not taken.
    offset: u64,
    /// Offset at which what is being read now begins.
    marked: u64,
    /// Whether the input has said that it is at its end.
    ended: bool,
}

impl Reader {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: vec![0; BUFFER], held: 0..0, offset: 0, marked: 0, ended: false }
    }

    /// Takes what was read and all that follows for gzip (RFC 1952), in any
    /// number of members, and goes on with what is in it. Offsets count in that.
    pub(super) fn decompress(&mut self) {
        let begin = Cursor::new(self.buffered().to_vec());
        let input = mem::replace(&mut self.input, Box::new(io::empty()));
        self.input = Box::new(MultiGzDecoder::new(begin.chain(input)));
        self.held = 0..0;
        self.ended = false;
    }

    /// Notes that a packet or a block begins here.
    pub(super) const fn mark(&mut self) {
        self.marked = self.offset;
    }

    /// Offset of what was begun last.
    pub(super) const fn marked(&self) -> u64 {
        self.marked
    }

    /// What can be had without waiting for the input.
    pub(super) fn buffered(&self) -> &[u8] {
        self.buffer.get(self.held.clone()).unwrap_or_default()
    }

    /// Where in the buffer that begins.
    pub(super) const fn at(&self) -> usize {
        self.held.start
    }

    /// The next bytes without taking them: at least `len`, unless the input
    /// ends before.
    pub(super) fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.held.len() < len && !self.ended {
            self.fill(len)?;
        }
        Ok(self.buffered())
    }

    /// The next `N` bytes without taking them; `None` at the end of the input.
    pub(super) fn header<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Damage> {
        let bytes = self.peek(N)?;
        match bytes.first_chunk() {
            Some(header) => Ok(Some(*header)),
            None if bytes.is_empty() => Ok(None),
            None => Err(Damage::Cut { wanted: N as u64, had: bytes.len() as u64 }),
        }
    }

    /// Takes the next `len` bytes, which stay where the range says until more
    /// is taken.
    pub(super) fn take(&mut self, len: usize) -> Result<Range<usize>, Damage> {
        let had = self.peek(len)?.len() as u64;
        self.take_buffered(len).ok_or(Damage::Cut { wanted: len as u64, had })
    }

    /// The same of bytes that were read already; `None` if they are fewer.
    pub(super) fn take_buffered(&mut self, len: usize) -> Option<Range<usize>> {
        let start = self.held.start;
        (self.held.len() >= len).then(|| {
            self.advance(len);
            start..start + len
        })
    }

    /// The bytes of a range that [`take`](Self::take) returned.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Takes `len` bytes without keeping them, however many they are.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), Damage> {
        let mut rest = len;
        while rest > 0 {
            let had = self.peek(1)?.len();
            if had == 0 {
                return Err(Damage::Cut { wanted: len, had: len - rest });
            }
            let step = usize::try_from(rest).unwrap_or(usize::MAX).min(had);
            self.advance(step);
            rest -= step as u64;
        }
        Ok(())
    }

    fn advance(&mut self, len: usize) {
        self.held.start += len;
        self.offset += len as u64;
    }

    /// Reads once, into a buffer that can hold `len` bytes.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        if self.buffer.len() - self.held.start < len || self.held.is_empty() {
            self.buffer.copy_within(self.held.clone(), 0);
            self.held = 0..self.held.len();
        }
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        let room = self.buffer.get_mut(self.held.end..).unwrap_or_default();
        match self.input.read(room) {
            Ok(0) => self.ended = true,
            Ok(read) => self.held.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
