//! One side's bytes on their way to the decoder: what is in order, what came
//! too early, and what is missing.

use super::{
    buffer::Buffer,
    maybe::Maybe,
    queue::{Piece, Queue},
};
use crate::{
    decode::Discard,
    event::{Timestamp, tracer::GapCause},
};

/// Nanoseconds of packet time after which missing bytes are given up although
/// nobody acknowledged them. Retransmission time-outs (RFC 6298) have come
/// several times by then.
const HOLE_TIMEOUT: u64 = 10_000_000_000;

/// Segments of the flow, either way, that come behind a hole before an
/// acknowledgement proves that it stays one. Captures are not always in the
/// order of the wire: several queues or interfaces were put together in them.
/// Linux itself allows for three (`net.ipv4.tcp_reordering`).
const REORDER_SEGMENTS: u8 = 8;

/// Nanoseconds of packet time that prove it as well, where few more segments
/// come. What was put together out of several captures may be off by the
/// difference of their clocks.
const REORDER_TIME: u64 = 1_000_000_000;

/// What stands between the bytes delivered and the next that could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    /// Offset behind the missing bytes.
    pub(super) end: u64,
    /// Why they are missing.
    pub(super) cause: GapCause,
    /// Whether they will not come any more.
    pub(super) certain: bool,
    /// Whether the other side has acknowledged them: they may only come out of
    /// order.
    pub(super) acknowledged: bool,
}

/// The ring's count of lost records, as far as it takes to see that it grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost(u32);

impl Lost {
    /// A count.
    #[expect(clippy::cast_possible_truncation, reason = "what came since is far below half of it")]
    pub(super) const fn of(count: u64) -> Self {
        Self(count as u32)
    }

    const fn is_beyond(self, earlier: Self) -> bool {
        self.0.wrapping_sub(earlier.0).cast_signed() > 0
    }
}

/// How a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opening {
    /// With a SYN, or with something that was decoded since.
    #[default]
    Known,
    /// Somewhere: the connection was there before the tracer. The decoder has
    /// to be told.
    Midstream,
    /// Somewhere; the decoder was told, and has decoded nothing yet.
    Unsettled,
}

/// Who gets a stream's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reader {
    /// To be said by its first bytes.
    #[default]
    Pending,
    /// The decoder.
    Decoder,
    /// Nobody: they are counted as those of another protocol inside.
    Nobody,
    /// Nobody, because no protocol was recognised.
    Lost,
}

/// The bytes that one side sends.
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Offset of the next byte in order.
    pub(super) next: u64,
    /// What the decoder left; ends at `next`.
    pub(super) buffer: Buffer,
    /// As long as nobody reads it: where in the buffer the line begins that is
    /// not whole.
    pub(super) line: u32,
    /// Some of the buffer nobody has looked at.
    pub(super) unlooked: bool,
    /// What came before its turn.
    pub(super) queue: Queue,
    /// Bytes from `next` on that the decoder does not want.
    pub(super) skip: u64,
    /// The decoder was offered its bytes later than those of the other side.
    pub(super) offered: bool,
    /// The decoder waits for the other side.
    pub(super) blocked: bool,
    /// How the stream begins.
    pub(super) opening: Opening,
    /// Who gets its bytes.
    pub(super) reader: Reader,
    /// Offset of the FIN.
    pub(super) fin: Maybe,
    /// The decoder was told of the FIN.
    pub(super) closed: bool,
    /// Offset that the other side has acknowledged.
    pub(super) acknowledged: u64,
    /// The ring's count of lost records when `next` last moved.
    pub(super) lost: Lost,
    /// The same, when the side's latest segment came.
    pub(super) latest_lost: Lost,
    /// Since when bytes are missing that others wait for.
    pub(super) hole_since: Maybe,
    /// Segments of the flow that came since then.
    pub(super) waited: u8,
    /// Bytes that no decoder got and that were not told of yet.
    pub(super) undecoded: u64,
    /// Why the latest gap came about.
    pub(super) cause: Option<GapCause>,
    /// Offset up to which the kernel side was told something, and up to which
    /// bytes may be missing for that.
    pub(super) told: u64,
    /// Offset up to which they are missing because of that.
    pub(super) shunted: u64,
    /// Segments that were copied since, though nobody wanted them.
    pub(super) gifts: u16,
}

impl Stream {
    /// Whether its bytes are those of another protocol inside.
    pub(super) fn is_opaque(&self) -> bool {
        self.reader == Reader::Nobody
    }

    /// Bytes of memory held.
    pub(super) fn held(&self) -> usize {
        self.buffer.held() + self.queue.held()
    }

    /// Offset up to which all was seen, in whatever order; a FIN takes one.
    pub(super) fn seen(&self) -> u64 {
        let mut seen = self.next;
        for (start, fragment) in self.queue.iter() {
            if start > seen {
                break;
            }
            seen = seen.max(fragment.end);
        }
        seen + u64::from(self.fin.get() == Some(seen))
    }

    /// Offset behind the bytes that the decoder does not want.
    const fn skip_end(&self) -> u64 {
        self.next.saturating_add(self.skip)
    }

    /// Moves on by bytes that are in order.
    pub(super) const fn advance(&mut self, bytes: u64, lost: Lost) {
        self.next = self.next.saturating_add(bytes);
        self.lost = lost;
        self.hole_since = Maybe::NONE;
        self.waited = 0;
    }

    /// Notes that a segment of the flow came, while bytes are missing.
    pub(super) const fn note_segment(&mut self) {
        if self.hole_since.is_some() {
            self.waited = self.waited.saturating_add(1);
        }
    }

    /// Whether a hole is to be given up now.
    pub(super) fn is_hopeless(&self, hole: Hole, now: Timestamp) -> bool {
        let waited = self.waited >= REORDER_SEGMENTS
            || self.hole_since.time().is_some_and(|since| now.since(since) >= REORDER_TIME);
        hole.certain || hole.acknowledged && waited
    }

    /// Until when the first hole is waited for, if there is one.
    pub(super) fn hole_deadline(&self) -> Option<Timestamp> {
        let since = self.hole_since.time()?;
        let acknowledged = self.hole().is_some_and(|hole| hole.acknowledged);
        let timeout = if acknowledged { REORDER_TIME } else { HOLE_TIMEOUT };
        Some(Timestamp(since.0.saturating_add(timeout)))
    }

    /// Begins one byte later. In mid-stream the first segment seen may have
    /// been a keep-alive, which stands one byte before what comes next.
    pub(super) fn forget_probe(&mut self) {
        if self.opening == Opening::Midstream && self.next == 0 && self.queue.first().is_none() {
            self.next = 1;
        }
    }

    /// Moves on by those of the next `bytes` bytes that the decoder does not
    /// want; returns how many those are.
    pub(super) fn pass(&mut self, bytes: u64, lost: Lost) -> u64 {
        let passed = self.skip.min(bytes);
        if passed > 0 {
            self.skip -= passed;
            self.advance(passed, lost);
        }
        passed
    }

    /// Keeps a piece that cannot be delivered yet, without the bytes that the
    /// decoder does not want; returns how many of its bytes were new.
    pub(super) fn keep(&mut self, piece: &Piece<'_>) -> u64 {
        let wanted_from = self.skip_end().clamp(piece.start, piece.end);
        let unwanted = Piece { end: wanted_from, bytes: None, ..*piece };
        let skipped = usize::try_from(wanted_from - piece.start).unwrap_or(usize::MAX);
        let bytes = piece.bytes.map(|bytes| bytes.get(skipped..).unwrap_or_default());
        let wanted = Piece { start: wanted_from, bytes, ..*piece };
        self.queue.insert(&unwanted) + self.queue.insert(&wanted)
    }

    /// What is missing at `next`, if something is there behind it: bytes to
    /// deliver, bytes that the decoder wants to pass, or the FIN.
    pub(super) fn hole(&self) -> Option<Hole> {
        let mut uncaptured_to = self.next;
        let mut behind = None;
        for (start, fragment) in self.queue.iter() {
            if fragment.has_bytes() || start < self.skip_end() {
                behind = Some((start, fragment.lost));
                break;
            }
            if start == uncaptured_to {
                uncaptured_to = fragment.end;
            }
        }
        let (end, lost) = behind.or_else(|| self.fin.get().map(|fin| (fin, self.latest_lost)))?;
        if end <= self.next {
            return None;
        }
        // The wire had all of them, the capture did not: no use to wait.
        let cut = uncaptured_to >= end;
        let cause = self.missing(lost, cut);
        let acknowledged = self.acknowledged >= end;
        let certain = cut || acknowledged && cause == GapCause::RingFull;
        Some(Hole { end, cause, certain, acknowledged })
    }

    /// What is left at the end of the flow: bytes that were seen to pass and
    /// behind which nothing stands.
    pub(super) fn tail(&self) -> Option<Hole> {
        let (_, last) = self.queue.iter().last()?;
        let cause = self.missing(last.lost, true);
        Some(Hole { end: last.end, cause, certain: true, acknowledged: false })
    }

    /// Why bytes before a segment are missing that came when the ring had lost
    /// `lost` records.
    const fn missing(&self, lost: Lost, cut: bool) -> GapCause {
        if !cut && lost.is_beyond(self.lost) { GapCause::RingFull } else { GapCause::NotCaptured }
    }

    /// Why bytes that the decoder could not decode were of no use: nothing can
    /// be recognised at first in mid-stream, or a gap has cost the step.
    pub(super) fn undecoded_cause(&self) -> GapCause {
        match self.cause {
            _ if self.reader == Reader::Lost => GapCause::UnknownProtocol,
            _ if self.opening != Opening::Known => GapCause::Midstream,
            cause => cause.unwrap_or(GapCause::NotCaptured),
        }
    }

    /// What was thrown away so far, for a call of the decoder.
    pub(super) fn discard(&self) -> Discard {
        Discard {
            bytes: self.undecoded,
            cause: self.undecoded_cause(),
            later: self.cause.unwrap_or(GapCause::NotCaptured),
            gaps: 0,
            gap_bytes: 0,
            spoke: false,
        }
    }

    /// Whether the FIN is next and the decoder may be told. What waits for the
    /// other side keeps its FIN waiting, unless that is `hopeless`.
    pub(super) fn at_end(&self, hopeless: bool) -> bool {
        let waits = self.blocked && !self.buffer.is_empty() && !hopeless;
        self.fin.get() == Some(self.next) && !self.closed && !waits
    }
}
