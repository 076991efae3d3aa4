//! Where lines and literals end, whatever stands in them.
//!
//! A message is a line; when the line ends in a literal's header, so many
//! octets and another line belong to it (RFC 9051 section 4.3). A quoted string
//! holds no line end and closes behind any brace in it, so a header is only
//! what stands at the very end of a line.

use crate::decode::End;

/// Bytes of a line that are looked at; what stands behind them is passed over
/// to the line's end. Dovecot refuses longer lines, too.
pub(super) const LINE_LIMIT: usize = 64 * 1024;
/// Octets that a literal may announce. Nobody sends so many: a peer that says
/// so wants to hide what follows.
const LITERAL_LIMIT: u64 = 1 << 32;
/// Longest literal header that is read, its line's CR included.
const TAIL: usize = 32;

/// A literal's header at the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Octets that follow the line.
    pub(super) octets: u64,
    /// Set when the client must wait for the server's `+` (no plus sign in the
    /// header, RFC 7888 section 3).
    pub(super) synchronising: bool,
    /// Bytes of the header, from the brace or tilde to the closing brace.
    pub(super) length: u8,
}

/// What a line ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The message is complete.
    Plain,
    /// A literal follows.
    Literal(Header),
    /// A literal larger than anyone sends: where it ends cannot be believed.
    Absurd,
    /// Something in braces that announces no literal; the message is complete.
    Malformed,
}

impl Ending {
    /// Reads the end of a line that was stripped of its line end.
    pub(super) fn of(line: &[u8]) -> Self {
        let Some(inner) = line.strip_suffix(b"}") else { return Self::Plain };
        let window = inner.get(inner.len().saturating_sub(TAIL)..).unwrap_or_default();
        let Some(brace) = memchr::memrchr(b'{', window) else { return Self::Plain };
        let (before, digits) = window.split_at(brace);
        let digits = digits.strip_prefix(b"{").unwrap_or_default();
        let (digits, synchronising) =
            digits.strip_suffix(b"+").map_or((digits, true), |digits| (digits, false));
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            let in_string = digits.iter().any(|byte| b" \"".contains(byte));
            return if in_string { Self::Plain } else { Self::Malformed };
        }
        let octets = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let length = window.len() - brace + 1 + usize::from(before.ends_with(b"~"));
        let length = u8::try_from(length).unwrap_or(u8::MAX);
        match octets {
            Some(octets) if octets <= LITERAL_LIMIT => {
                Self::Literal(Header { octets, synchronising, length })
            }
            _ => Self::Absurd,
        }
    }
}

/// The last bytes of a line that is too long to be held.
#[derive(Debug, Default)]
struct Tail {
    bytes: [u8; TAIL],
    length: usize,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let new = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        let kept = self.length.min(TAIL - new.len());
        self.bytes.copy_within(self.length - kept..self.length, 0);
        self.length = kept + new.len();
        if let Some(room) = self.bytes.get_mut(kept..self.length) {
            room.copy_from_slice(new);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    /// At or in a line that is not taken yet.
    #[default]
    Line,
    /// Behind the head of a line that is too long.
    Overlong,
    /// In a literal of which so many octets are to come.
    Literal(u64),
}

/// A piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Nothing whole is there.
    More,
    /// Octets of a literal.
    Literal(&'a [u8]),
    /// A whole line without its line end.
    Line(&'a [u8], Ending),
    /// The head of a line whose end is not there and that is not waited for.
    Head(&'a [u8]),
    /// More of such a line.
    Passed,
    /// The end of such a line.
    Tail(Ending),
    /// The begin of a line that will never go on.
    Cut(&'a [u8]),
}

/// Cuts one side's stream into lines and literals.
#[derive(Debug, Default)]
pub(super) struct Lines {
    within: Within,
    /// Bytes of the line at hand that were searched for its end.
    scanned: u32,
    /// Of a line that is too long.
    tail: Option<Box<Tail>>,
    /// The latest line ended in LF alone.
    pub(super) bare: bool,
}

impl Lines {
    /// The next piece of `bytes`, and how many bytes of them it took.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8], end: Option<End>) -> (Piece<'a>, usize) {
        match self.within {
            Within::Literal(left) => {
                let length =
                    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.pass(length as u64);
                (Piece::Literal(bytes.get(..length).unwrap_or_default()), length)
            }
            Within::Overlong => self.overlong(bytes),
            Within::Line => self.line(bytes, end),
        }
    }

    fn without_cr<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let stripped = line.strip_suffix(b"\r");
        self.bare = stripped.is_none();
        stripped.unwrap_or(line)
    }

    fn line<'a>(&mut self, bytes: &'a [u8], end: Option<End>) -> (Piece<'a>, usize) {
        let reach = bytes.get(..bytes.len().min(LINE_LIMIT)).unwrap_or_default();
        let scanned = (self.scanned as usize).min(reach.len());
        if let Some(found) = reach.get(scanned..).and_then(|new| memchr::memchr(b'\n', new)) {
            self.scanned = 0;
            let length = scanned + found;
            let text = self.without_cr(reach.get(..length).unwrap_or_default());
            return (Piece::Line(text, Ending::of(text)), length + 1);
        }
        self.scanned = u32::try_from(reach.len()).unwrap_or(0);
        match end {
            None if reach.len() < LINE_LIMIT => return (Piece::More, 0),
            Some(End::Gap | End::Close) if reach.len() < LINE_LIMIT => {
                self.scanned = 0;
                return (Piece::Cut(reach), reach.len());
            }
            _ => {}
        }
        self.scanned = 0;
        self.within = Within::Overlong;
        self.tail.insert(Box::default()).push(reach);
        (Piece::Head(reach), reach.len())
    }

    fn overlong<'a>(&mut self, bytes: &'a [u8]) -> (Piece<'a>, usize) {
        let mut tail = self.tail.take().unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', bytes) else {
            tail.push(bytes);
            self.tail = Some(tail);
            return (Piece::Passed, bytes.len());
        };
        tail.push(bytes.get(..found).unwrap_or_default());
        self.within = Within::Line;
        let tail = tail.bytes();
        let stripped = tail.strip_suffix(b"\r");
        self.bare = stripped.is_none();
        (Piece::Tail(Ending::of(stripped.unwrap_or(tail))), found + 1)
    }

    /// Begins anew, at what may be a line or not.
    pub(super) const fn restart(&mut self) {
        self.within = Within::Line;
        self.scanned = 0;
    }

    /// A literal of so many octets begins.
    pub(super) const fn literal(&mut self, octets: u64) {
        self.within = if octets == 0 { Within::Line } else { Within::Literal(octets) };
    }

    /// Octets of the literal at hand that are still to come.
    pub(super) const fn left(&self) -> u64 {
        match self.within {
            Within::Literal(left) => left,
            Within::Line | Within::Overlong => 0,
        }
    }

    /// So many octets of the literal went by.
    pub(super) const fn pass(&mut self, octets: u64) {
        if let Within::Literal(left) = self.within {
            self.literal(left.saturating_sub(octets));
        }
    }
}
