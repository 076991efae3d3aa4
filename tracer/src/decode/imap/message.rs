//! A message that is gathered piece by piece.

use std::cell::Cell;

use super::line::Header;
use crate::event::Timestamp;

/// Literals of one message whose size is remembered: more than any client asks
/// for at a time.
pub(super) const LITERALS_LIMIT: usize = 1024;
/// Bytes of a client's message that are kept beside its first line: enough for
/// LOGIN's two literals, or a mailbox name, whatever their form. A literal that
/// is larger is not kept at all.
const REST_LIMIT: usize = 4096;

/// A literal within a [`Message`]'s bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Offset of its header.
    pub(super) header: usize,
    /// Offset of its first octet.
    pub(super) start: usize,
    /// Octets that were kept.
    pub(super) kept: usize,
}

/// The message at hand. Only one with literals has to be gathered: any other
/// takes the room of two words.
#[derive(Debug, Default)]
pub(super) struct Message {
    gathered: Option<Box<Gathered>>,
    /// Bytes of it that went by.
    pub(super) length: u64,
}

/// What was gathered of a message so far.
#[derive(Debug, Default)]
struct Gathered {
    /// Lines without their ends, and the kept part of the literals between.
    bytes: Vec<u8>,
    /// Length of the first line.
    first: usize,
    literals: Vec<Literal>,
    sizes: Vec<u64>,
    /// Not all of it is in `bytes`.
    cut: bool,
    /// The literal at hand is small enough to be kept.
    wanted: bool,
    /// Literals beyond the limit were seen.
    too_many: bool,
    /// When its first piece was captured.
    started: Timestamp,
    /// When its last piece was captured.
    time: Timestamp,
}

thread_local! {
    /// What the last message was gathered in, for the next one of any flow.
    static SPARE: Cell<Option<Box<Gathered>>> = const { Cell::new(None) };
}

/// Gives back what the last message was gathered in.
pub(in crate::decode) fn release_spares() {
    SPARE.take();
}

/// A message that is complete, or as complete as it will ever be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// Lines without their ends, and the kept part of the literals between.
    pub(super) bytes: &'a [u8],
    /// The first line.
    pub(super) line: &'a [u8],
    /// Where the literals stand.
    pub(super) literals: &'a [Literal],
    /// Octets of each literal.
    pub(super) sizes: &'a [u64],
    /// Some of it is missing.
    pub(super) cut: bool,
}

impl<'a> Parts<'a> {
    /// A message without literals.
    pub(super) const fn line(line: &'a [u8]) -> Self {
        Self { bytes: line, line, literals: &[], sizes: &[], cut: false }
    }

    /// The begin of a message.
    pub(super) const fn cut(line: &'a [u8]) -> Self {
        Self { cut: true, ..Self::line(line) }
    }
}

impl Message {
    /// Whether a message is being gathered.
    pub(super) const fn begun(&self) -> bool {
        self.gathered.is_some()
    }

    /// Adds a line that was complete at `time`: the first, whose first byte came
    /// at `started`, is kept whole, of the others what has room.
    pub(super) fn line(&mut self, line: &[u8], started: Timestamp, time: Timestamp) {
        if let Some(gathered) = &mut self.gathered {
            gathered.rest(line, true);
            gathered.time = time;
            return;
        }
        let mut gathered = SPARE.take().unwrap_or_default();
        gathered.bytes.extend_from_slice(line);
        gathered.first = line.len();
        (gathered.started, gathered.time) = (started, time);
        self.gathered = Some(gathered);
    }

    /// A line of it ended.
    pub(super) fn set_time(&mut self, time: Timestamp) {
        if let Some(gathered) = &mut self.gathered {
            gathered.time = time;
        }
    }

    /// When its first and its last piece were captured.
    pub(super) fn times(&self) -> [Timestamp; 2] {
        self.gathered.as_ref().map_or_else(Default::default, |it| [it.started, it.time])
    }

    /// Whether octets of the literal at hand are kept.
    pub(super) fn wants_octets(&self) -> bool {
        self.gathered.as_ref().is_some_and(|it| it.wanted && it.room() > 0)
    }

    /// Whether literals were seen.
    pub(super) fn has_literals(&self) -> bool {
        self.gathered.as_ref().is_some_and(|it| !it.sizes.is_empty())
    }

    /// A piece of it is missing.
    pub(super) fn mark_cut(&mut self) {
        if let Some(gathered) = &mut self.gathered {
            gathered.cut = true;
        }
    }

    /// A literal begins, which is kept if `wanted` and small. Returns whether
    /// this is the first one too many.
    pub(super) fn literal(&mut self, header: Header, wanted: bool) -> bool {
        self.gathered.as_mut().is_some_and(|gathered| gathered.literal(header, wanted))
    }

    /// Keeps octets of the literal at hand, as far as there is room.
    pub(super) fn octets(&mut self, octets: &[u8]) {
        if let Some(gathered) = &mut self.gathered {
            gathered.octets(octets);
        }
    }

    /// What was gathered.
    pub(super) fn parts(&self) -> Parts<'_> {
        self.gathered.as_deref().map_or(Parts::line(&[]), Gathered::parts)
    }

    /// Makes room for the next message.
    pub(super) fn clear(&mut self) {
        self.length = 0;
        if let Some(gathered) = self.gathered.take() {
            gathered.spare();
        }
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.gathered.as_deref().map_or(0, Gathered::held)
    }
}

impl Gathered {
    fn rest(&mut self, bytes: &[u8], keep: bool) -> usize {
        let room = if keep { self.room() } else { 0 };
        let kept = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.bytes.extend_from_slice(kept);
        self.cut |= keep && kept.len() < bytes.len();
        kept.len()
    }

    /// Bytes that may still be kept.
    const fn room(&self) -> usize {
        (self.first + REST_LIMIT).saturating_sub(self.bytes.len())
    }

    fn literal(&mut self, header: Header, wanted: bool) -> bool {
        let start = self.bytes.len();
        self.wanted =
            wanted && header.octets <= REST_LIMIT as u64 && self.sizes.len() < LITERALS_LIMIT;
        if self.sizes.len() < LITERALS_LIMIT {
            let header_at = start.saturating_sub(header.length.into());
            self.literals.push(Literal { header: header_at, start, kept: 0 });
            self.sizes.push(header.octets);
            return false;
        }
        self.cut = true;
        !std::mem::replace(&mut self.too_many, true)
    }

    fn octets(&mut self, octets: &[u8]) {
        let kept = self.rest(octets, self.wanted);
        if let Some(literal) = self.literals.last_mut() {
            literal.kept += kept;
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            bytes: &self.bytes,
            line: self.bytes.get(..self.first).unwrap_or_default(),
            literals: &self.literals,
            sizes: &self.sizes,
            cut: self.cut,
        }
    }

    /// Leaves its memory to the next message, unless it is large.
    fn spare(mut self: Box<Self>) {
        /// Buffers up to this size are kept for the next message.
        const REUSED: usize = 4096;
        if self.bytes.capacity() > REUSED || self.literals.capacity() > LITERALS_LIMIT / 16 {
            return;
        }
        self.bytes.clear();
        self.literals.clear();
        self.sizes.clear();
        (self.wanted, self.cut, self.too_many) = (false, false, false);
        SPARE.set(Some(self));
    }

    const fn held(&self) -> usize {
        size_of::<Self>()
            + self.bytes.capacity()
            + self.literals.capacity() * size_of::<Literal>()
            + self.sizes.capacity() * size_of::<u64>()
    }
}
