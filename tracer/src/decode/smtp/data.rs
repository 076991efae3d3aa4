//! A mail's data: where it ends.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::decode::mail::Content;

/// Where in the data the scan stands (RFC 5321 section 4.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Behind the end of a line, or at the start of all.
    #[default]
    LineStart,
    /// Behind a dot at the start of a line.
    Dot,
    /// Behind a dot and CR at the start of a line.
    DotCr,
    /// Within a line.
    Text,
    /// Behind a CR within a line.
    TextCr,
}

/// Finds the end of a mail that DATA sends, and undoes the dot-stuffing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    at: At,
    /// The client ends lines with a bare LF, the mail's as well.
    bare: bool,
    /// The latest bytes.
    tail: [u8; TAIL],
}

/// Find lines that begin with a dot: to build them costs as much as to search.
static DOT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));
static BARE_DOT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n."));

/// Bytes of the longest end of data that only some servers take for one.
const TAIL: usize = 4;

impl Scan {
    /// At the start of the data. `bare`: the DATA command ended with a bare
    /// LF, so that lines of the data do as well.
    pub(super) const fn new(bare: bool) -> Self {
        Self { at: At::LineStart, bare, tail: *b"\0\0\r\n" }
    }

    /// Somewhere in the data, behind missing bytes.
    pub(super) const fn disturbed(self) -> Self {
        Self { at: At::Text, bare: self.bare, tail: [0; TAIL] }
    }

    /// Whether the bytes so far end in a line with a dot, one of whose ends is
    /// a bare LF. Some servers take that for the end of the data (which is what
    /// SMTP smuggling lives on); gives the bytes of that line that were taken
    /// for the mail's.
    pub(super) const fn odd_end(self) -> Option<u64> {
        match self.tail {
            [.., b'\r', b'\n', b'.', b'\n'] => Some(1),
            [.., b'\n', b'.', b'\n'] => Some(2),
            [b'\n', b'.', b'\r', b'\n'] => Some(3),
            _ => None,
        }
    }

    fn note_tail(&mut self, bytes: &[u8]) {
        for byte in bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default() {
            let [_, second, third, fourth] = self.tail;
            self.tail = [second, third, fourth, *byte];
        }
    }

    /// Scans bytes and gives the mail's to `content`. Returns how many bytes
    /// were scanned, and whether the mail ends behind them.
    pub(super) fn scan(&mut self, bytes: &[u8], content: &mut Content) -> (usize, bool) {
        self.note_tail(bytes);
        let mut from = 0;
        while let Some(byte) = bytes.get(from) {
            match (self.at, *byte) {
                (At::LineStart, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => return (from + 1, true),
                (At::Dot, b'\n') if self.bare => return (from + 1, true),
                (At::TextCr, b'\n') => {
                    content.push(b"\n");
                    self.at = At::LineStart;
                }
                (At::DotCr, _) => {
                    // The dot was stuffing, the CR is text; the byte is next.
                    content.push(b"\r");
                    self.at = At::TextCr;
                    continue;
                }
                _ => {
                    let rest = bytes.get(from..).unwrap_or_default();
                    let run = self.line(rest);
                    content.push(rest.get(..run).unwrap_or_default());
                    from += run;
                    continue;
                }
            }
            from += 1;
        }
        (from, false)
    }

    /// Length of the run of text at the front, at least 1: up to the end of
    /// the line that a dot follows, or all.
    fn line(&mut self, bytes: &[u8]) -> usize {
        let finder = if self.bare { &BARE_DOT } else { &DOT };
        if let Some(at) = finder.find(bytes) {
            self.at = At::LineStart;
            return at + finder.needle().len() - 1;
        }
        self.at = match bytes {
            [.., b'\r', b'\n'] => At::LineStart,
            [.., b'\n'] if self.bare => At::LineStart,
            [.., b'\r'] => At::TextCr,
            _ => At::Text,
        };
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans in pieces of `size`; returns the content's size and how many bytes
    /// stand before the end, if that was found.
    fn scan(data: &[u8], size: usize, bare: bool) -> (u64, Option<usize>) {
        let mut scan = Scan::new(bare);
        let mut content = Content::default();
        let mut before = 0;
        for piece in data.chunks(size) {
            let (scanned, ended) = scan.scan(piece, &mut content);
            before += scanned;
            if ended {
                return (content.bytes(), Some(before));
            }
            assert_eq!(scanned, piece.len());
        }
        (content.bytes(), None)
    }

    #[test]
    fn the_end_of_data_is_exact_however_cut() {
        for (data, bare, bytes, end) in [
            (&b".\r\n"[..], false, 0, Some(3)),
            (b"a\r\n.\r\n", false, 3, Some(6)),
            (b"a\r\n..\r\n.\r\nQUIT\r\n", false, 6, Some(10)),
            (b"a\r\n.b\r\n.\r\n", false, 6, Some(10)),
            (b"a\n.\nb\r\n.\r\n", false, 7, Some(10)),
            (b"a\n.\r\nb\r\n.\r\n", false, 8, Some(11)),
            (b"a\r\n.\nb\r\n.\r\n", false, 7, Some(11)),
            (b"a\r\n.\r\r\n.\r\n", false, 6, Some(10)),
            (b"a\r.\r\n.\r\n", false, 5, Some(8)),
            (b"a\r\n.\rb\r\n", false, 7, None),
            (b"a\r\r\n.\r\n", false, 4, Some(7)),
            (b"a\n.\nQUIT\n", true, 2, Some(4)),
            (b"a\n..\n.\n", true, 4, Some(7)),
            (b"a\r\n.\r\n", true, 3, Some(6)),
        ] {
            for size in 1..=data.len() {
                assert_eq!(scan(data, size, bare), (bytes, end), "{data:?} in pieces of {size}");
            }
        }
    }
}
