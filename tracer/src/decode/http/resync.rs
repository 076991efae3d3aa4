//! Finds the next message after the step was lost.

use memchr::{memchr, memmem, memrchr};

use super::{
    begins::{self, Begins},
    start_line,
};
use crate::event::Side;

/// Bytes of a request line that the step is found again by. Longer ones are
/// passed over, so that no more than this is held while looking.
const LINE_LIMIT: usize = 8 * 1024;

/// The search for a message in the bytes of one side.
#[derive(Debug, Default)]
pub(super) struct Resync {
    /// The bytes stand in a line whose start was thrown away.
    in_line: bool,
    /// Bytes that hold no line end.
    looked: usize,
    /// A line's end was seen: what begins behind it is not cut.
    at_start: bool,
    /// The first byte begins no message, as far as it looks like one.
    not_here: bool,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes to throw away.
    pub(super) discard: usize,
    /// Whether a message begins behind them.
    pub(super) message: bool,
}

impl Resync {
    /// A search behind the first byte.
    pub(super) fn behind_first() -> Self {
        Self { not_here: true, ..Self::default() }
    }

    /// Whether it goes back to no head at the first byte.
    pub(super) const fn is_behind_first(&self) -> bool {
        self.not_here
    }

    /// Looks through the bytes for a message of `side`.
    pub(super) fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        let passed = usize::from(std::mem::take(&mut self.not_here)).min(bytes.len());
        let bytes = bytes.get(passed..).unwrap_or_default();
        let found = match side {
            Side::Client => self.find_request(bytes),
            Side::Server => find_response(bytes),
        };
        Found { discard: passed + found.discard, ..found }
    }

    fn find_request(&mut self, bytes: &[u8]) -> Found {
        let mut start = 0;
        loop {
            let rest = bytes.get(start..).unwrap_or_default();
            let Some(end) = rest.get(self.looked..).and_then(|rest| memchr(b'\n', rest)) else {
                break;
            };
            let end = self.looked + end;
            self.looked = 0;
            let line = rest.get(..end).unwrap_or_default();
            let whole = !std::mem::take(&mut self.in_line) && line.len() <= LINE_LIMIT;
            let at_start = std::mem::replace(&mut self.at_start, true);
            if let Some(at) = request_in_line(line, at_start).filter(|_| whole) {
                return Found { discard: start + at, message: true };
            }
            start += end + 1;
        }
        let rest = bytes.len() - start;
        if self.in_line || rest > LINE_LIMIT {
            self.in_line = true;
            self.looked = 0;
            return Found { discard: bytes.len(), message: false };
        }
        self.looked = rest;
        Found { discard: start, message: false }
    }
}

/// Where in a line a request line begins that ends with it. A method that is
/// not registered may be the rest of anything unless the line is whole.
fn request_in_line(line: &[u8], is_whole: bool) -> Option<usize> {
    // Nearly all lines fall at this hurdle.
    let version = memrchr(b' ', line.trim_ascii_end())?;
    if !line.get(version + 1..)?.starts_with(b"HTTP/1.") {
        return None;
    }
    let mut from = 0;
    loop {
        let word = line.get(from..)?;
        let space = memchr(b' ', word)?;
        let word = word.get(..space)?;
        let method = start_line::METHODS
            .into_iter()
            .filter(|method| word.ends_with(method.as_bytes()))
            .max_by_key(|method| method.len());
        if let Some(method) = method {
            let at = from + space - method.len();
            return start_line::request_line(line.strip_suffix(b"\r").unwrap_or(line).get(at..)?)
                .map(|_| at);
        }
        if is_whole
            && from == 0
            && start_line::request_line(line.strip_suffix(b"\r").unwrap_or(line)).is_some()
        {
            return Some(0);
        }
        from += space + 1;
    }
}

/// A status line is known by its first 13 bytes, wherever they stand: bodies
/// end without a line's end.
fn find_response(bytes: &[u8]) -> Found {
    const START: &[u8] = b"HTTP/1.";
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| memmem::find(rest, START)) {
        let discard = from + at;
        match begins::status_begins(bytes.get(discard..).unwrap_or_default()) {
            Begins::Yes => return Found { discard, message: true },
            Begins::No => from = discard + START.len(),
            Begins::Maybe | Begins::Simple | Begins::Http2 => {
                return Found { discard, message: false };
            }
        }
    }
    let kept = (1..START.len())
        .rev()
        .find(|kept| {
            bytes.len() >= from + kept
                && START.get(..*kept).is_some_and(|start| bytes.ends_with(start))
        })
        .unwrap_or(0);
    Found { discard: bytes.len() - kept, message: false }
}
