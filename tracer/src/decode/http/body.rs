//! The body of a message: bytes that are counted, and where they end
//! (RFC 9112 sections 6 and 7).

use memchr::memchr;

use super::{content::Content, odd::Odd};

/// Bytes of a line with a chunk's size and its extensions. Servers allow a few
/// kilobytes at most; longer is an attack or a lost step.
const CHUNK_LINE_LIMIT: usize = 8 * 1024;

/// A body whose end is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are missing.
    Length(u64),
    /// All up to the connection's end.
    UntilClose,
    /// Chunks.
    Chunked(Chunk),
}

/// Where a chunked body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a chunk's size, and so many bytes of its line were looked at.
    Size(usize),
    /// So many bytes of the chunk's data are missing.
    Data(u64),
    /// Before the line's end behind the data.
    DataEnd,
    /// In the trailer section.
    Trailer(Line),
}

/// What is known of a trailer line that is thrown away as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing of it was seen.
    Empty,
    /// A CR.
    Cr,
    /// More.
    Field,
}

/// What became of bytes that were offered to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// So many bytes, and the body is complete.
    Done(usize),
    /// So many bytes; the rest waits for more.
    More(usize),
    /// So many bytes; the body is to be shown before what follows.
    Pause(usize),
    /// All bytes, and so many more are of no interest.
    Skip(u64),
    /// So many bytes; behind them the end cannot be found.
    Broken(usize),
}

impl Body {
    /// A chunked body at its start.
    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunk::Size(0))
    }

    /// Whether there is one.
    pub(super) fn is_empty(self) -> bool {
        self == Self::Length(0)
    }

    /// Notes that `bytes` passed unseen; `false` when they were more than the
    /// rest of what has a known length.
    pub(super) const fn pass(&mut self, bytes: u64) -> bool {
        match self {
            Self::UntilClose => true,
            Self::Length(rest) | Self::Chunked(Chunk::Data(rest)) => {
                let fits = bytes <= *rest;
                *rest = rest.saturating_sub(bytes);
                fits
            }
            Self::Chunked(_) => false,
        }
    }

    /// Whether all bytes of a known length have come.
    pub(super) const fn is_complete(self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Takes what it can.
    pub(super) fn take(&mut self, bytes: &[u8], content: &mut Content) -> Taken {
        match self {
            Self::UntilClose => {
                content.data(bytes);
                Taken::Skip(u64::MAX)
            }
            Self::Length(rest) => match take_known(rest, bytes, content) {
                Some(taken) => Taken::Done(taken),
                None => Taken::Skip(*rest),
            },
            Self::Chunked(chunk) => chunk.take(bytes, content),
        }
    }
}

/// Takes from a known number of bytes; `Some` when its end was reached.
fn take_known(rest: &mut u64, bytes: &[u8], content: &mut Content) -> Option<usize> {
    let all = usize::try_from(*rest).ok().and_then(|all| bytes.get(..all));
    let data = all.unwrap_or(bytes);
    content.data(data);
    *rest -= data.len() as u64;
    all.map(<[u8]>::len)
}

impl Chunk {
    fn take(&mut self, bytes: &[u8], content: &mut Content) -> Taken {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            match self {
                Self::Size(looked) => match size_line(rest, looked) {
                    Size::More => return Taken::More(taken),
                    Size::Broken(odd) => {
                        content.broken(odd, rest);
                        return Taken::Broken(taken);
                    }
                    Size::Line(length, size) => {
                        let line = rest.get(..length).unwrap_or_default();
                        taken += length;
                        content.note_line(line);
                        *self = match size {
                            0 => Self::Trailer(Line::Empty),
                            _ => Self::Data(size),
                        };
                    }
                },
                Self::Data(missing) => match take_known(missing, rest, content) {
                    None => return Taken::Skip(*missing),
                    Some(data) => {
                        taken += data;
                        *self = Self::DataEnd;
                        if content.is_to_be_shown() {
                            return Taken::Pause(taken);
                        }
                    }
                },
                Self::DataEnd => match rest {
                    [] | [b'\r'] => return Taken::More(taken),
                    [b'\n', ..] => {
                        taken += 1;
                        content.note(Odd::BareLf);
                        *self = Self::Size(0);
                    }
                    [b'\r', b'\n', ..] => {
                        taken += 2;
                        *self = Self::Size(0);
                    }
                    _ => {
                        content.note(Odd::InvalidChunkEnd);
                        return Taken::Broken(taken);
                    }
                },
                Self::Trailer(line) => {
                    let Some(end) = memchr(b'\n', rest) else {
                        *line = line.with(rest);
                        content.trailer(rest);
                        return Taken::More(bytes.len());
                    };
                    taken += end + 1;
                    content.trailer(rest.get(..=end).unwrap_or_default());
                    match line.with(rest.get(..end).unwrap_or_default()) {
                        Line::Empty | Line::Cr => return Taken::Done(taken),
                        Line::Field => *line = Line::Empty,
                    }
                }
            }
        }
    }
}

impl Line {
    /// The same line with more bytes of it.
    pub(super) const fn with(self, bytes: &[u8]) -> Self {
        match (self, bytes) {
            (line, []) => line,
            (Self::Empty, [b'\r']) => Self::Cr,
            _ => Self::Field,
        }
    }
}

enum Size {
    /// The line is so long, and the chunk is so large.
    Line(usize, u64),
    More,
    Broken(Odd),
}

/// Reads the line before a chunk's data.
fn size_line(bytes: &[u8], looked: &mut usize) -> Size {
    let Some(at) = bytes.get(*looked..).and_then(|rest| memchr(b'\n', rest)) else {
        *looked = bytes.len();
        return if bytes.len() > CHUNK_LINE_LIMIT {
            Size::Broken(Odd::ChunkLineTooLong)
        } else {
            Size::More
        };
    };
    let end = *looked + at;
    let line = bytes.get(..end).unwrap_or_default();
    if line.len() > CHUNK_LINE_LIMIT {
        return Size::Broken(Odd::ChunkLineTooLong);
    }
    match chunk_size(line) {
        Some(size) => Size::Line(end + 1, size),
        None => Size::Broken(Odd::InvalidChunkSize),
    }
}

/// The size at the front of a chunk's line; extensions stand behind a `;`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.trim_ascii_end();
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, rest) = line.split_at_checked(digits)?;
    if !matches!(rest.trim_ascii_start(), [] | [b';', ..]) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(size).ok()?, 16).ok()
}
