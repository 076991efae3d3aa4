//! What the segments of one direction show of its TCP, whatever they carry.

use super::{pair::Pair, seq};
use crate::{
    capture::{Point, Segment, TcpFlags},
    event::{Side, Timestamp},
};

/// Nanoseconds without a segment at the owning capture point after which
/// another point's bare acknowledgements and resets are believed.
pub(super) const OWNER_SILENCE: u64 = 1_000_000_000;

/// The largest shift of a window (RFC 7323 section 2.3).
const MAX_SHIFT: u8 = 14;

/// Bytes of the largest window (RFC 7323 section 2.3): what lies farther from
/// the latest byte is not of the same connection.
const MAX_WINDOW: i64 = 1 << 30;

/// Nanoseconds after which a segment that fills a hole was sent again, not held
/// up on its way, where no handshake shows a longer round trip. That is the
/// limit of Wireshark's TCP analysis.
const REORDERING: u64 = 3_000_000;

/// Which sequence numbers of a direction are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Numbers {
    /// None.
    #[default]
    Neither,
    /// What rows count from, by what the other side has acknowledged.
    Row,
    /// That of offset 0 as well: a segment was seen.
    Both,
}

/// The shift of a window, or none: one more than it is, or 0, in the room of the
/// shift.
#[derive(Clone, Copy, Debug, Default)]
struct Scale(u8);

impl Scale {
    fn of(shift: Option<u8>) -> Self {
        Self(shift.map_or(0, |shift| shift.min(MAX_SHIFT) + 1))
    }

    const fn shift(self) -> Option<u8> {
        self.0.checked_sub(1)
    }
}

// A line of cache: most segments of a flow touch both of its halves.
const _: () = assert!(size_of::<Half>() == 64);

/// One direction of a connection: what its sender has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Half {
    /// The capture point that this direction belongs to.
    owner: Option<Point>,
    /// When the owner last showed a segment.
    seen: Timestamp,
    /// Which of the next two are known.
    known: Numbers,
    /// Sequence number of stream offset 0.
    base: u32,
    /// Sequence number that a row shows as 0.
    row_base: u32,
    /// Number of the SYN.
    syn: u32,
    /// The SYN was shown.
    pub(super) has_syn: bool,
    /// Window scale option of the SYN.
    scale: Scale,
    /// Bytes that the sender's latest window allows the other side.
    pub(super) window: u32,
    /// Offset behind the last payload byte shown.
    pub(super) end: u64,
    /// When that was shown.
    advanced: Timestamp,
    /// A FIN was shown.
    pub(super) fin: bool,
    /// Segments that were sent again.
    pub(super) retransmissions: u32,
    /// Segments that came behind one that they stand before.
    pub(super) out_of_order: u32,
}

impl Half {
    /// Whether any segment was seen.
    pub(super) const fn is_known(&self) -> bool {
        matches!(self.known, Numbers::Both)
    }

    const fn base(&self) -> Option<u32> {
        if self.is_known() { Some(self.base) } else { None }
    }

    /// Window scale option of the SYN.
    pub(super) const fn scale(&self) -> Option<u8> {
        self.scale.shift()
    }

    /// Number of the SYN, if it was shown.
    pub(super) const fn syn(&self) -> Option<u32> {
        if self.has_syn { Some(self.syn) } else { None }
    }

    /// Stream offset of a sequence number: 0 before any segment was seen.
    pub(super) fn offset(&self, sequence: u32) -> i64 {
        self.base().map_or(0, |base| seq::offset(base, self.end, sequence))
    }

    /// Sequence number of a stream offset, if any segment was seen.
    pub(super) fn sequence(&self, offset: u64) -> Option<u32> {
        self.base().map(|base| seq::number(base, offset))
    }

    /// The capture point that the direction belongs to.
    pub(super) const fn owner(&self) -> Option<Point> {
        self.owner
    }

    /// Stream offset of a segment's first payload byte.
    pub(super) fn start(&self, segment: &Segment<'_>) -> i64 {
        self.offset(first_byte(segment))
    }

    /// Stream offset that an acknowledgement of the other side has reached; 0
    /// for one that no window explains.
    pub(super) fn acknowledged(&self, acknowledgement: u32) -> u64 {
        let offset = self.offset(acknowledgement);
        if offset - self.end.cast_signed() > MAX_WINDOW {
            return 0;
        }
        u64::try_from(offset).unwrap_or(0)
    }

    /// Whether the segment is too far away to be of this connection, so that
    /// another one has taken its ports unseen.
    pub(super) fn is_foreign(&self, segment: &Segment<'_>) -> bool {
        let distance = self.start(segment) - self.end.cast_signed();
        self.is_known() && distance.abs() > MAX_WINDOW
    }

    /// Whether a segment begins with bytes that were seen.
    pub(super) fn is_before(&self, segment: &Segment<'_>) -> bool {
        self.start(segment) < self.end.cast_signed()
    }

    /// Whether a segment with SYN is of the connection that this half knows:
    /// the SYN again, or one that comes after the bytes that it numbers.
    pub(super) fn same_handshake(&self, segment: &Segment<'_>) -> bool {
        match (self.syn(), self.base()) {
            (Some(syn), _) => syn == segment.tcp.sequence,
            (None, Some(base)) => base == first_byte(segment),
            (None, None) => true,
        }
    }

    /// Whether the capture point may speak for this direction. It may when it
    /// owns it, or shows what the owner has not shown; then it owns it.
    pub(super) fn admit(&mut self, segment: &Segment<'_>) -> bool {
        if let Some(owner) = self.owner
            && owner != segment.point
        {
            let start = self.start(segment);
            let beyond =
                |end: u64| start.saturating_add(i64::from(segment.len)) > end.cast_signed();
            let fin = segment.tcp.flags.has(TcpFlags::FIN) && !self.fin;
            let bare = segment.len == 0 && !segment.tcp.flags.has(TcpFlags(0x3));
            let silent = segment.time.since(self.seen) > OWNER_SILENCE;
            if !(segment.len > 0 && beyond(self.end) || fin || bare && silent) {
                return false;
            }
        }
        self.owner = Some(segment.point);
        self.seen = segment.time;
        true
    }

    /// Whether the other side has acknowledged a SYN with this number before
    /// this side was seen at all.
    pub(super) fn answered(&self, syn: u32) -> bool {
        self.known == Numbers::Row && self.row_base == syn
    }

    /// Takes down what a segment shows. Returns whether it is the first.
    pub(super) fn note(&mut self, segment: &Segment<'_>) -> bool {
        let sequence = segment.tcp.sequence;
        let first = !self.is_known();
        if segment.tcp.flags.has(TcpFlags::SYN) {
            (self.syn, self.has_syn) = (sequence, true);
            self.scale = Scale::of(segment.tcp.options.window_scale());
            self.row_base = sequence;
        } else if self.known == Numbers::Neither {
            self.row_base = sequence.wrapping_sub(1);
        }
        if first {
            (self.base, self.known) = (first_byte(segment), Numbers::Both);
        }
        first
    }

    /// Lets rows count from an acknowledgement of the other side, as long as
    /// this side has shown nothing.
    pub(super) fn note_acknowledged(&mut self, acknowledgement: u32) {
        if self.known == Numbers::Neither {
            (self.row_base, self.known) = (acknowledgement.wrapping_sub(1), Numbers::Row);
        }
    }

    /// A sequence number as a row shows it.
    pub(super) fn relative(&self, sequence: u32) -> u32 {
        sequence.wrapping_sub(self.row_base)
    }

    /// Stream offset behind all that was shown; a FIN takes one itself.
    pub(super) fn next(&self) -> u64 {
        self.end + u64::from(self.fin)
    }

    /// Takes down how far the payload went.
    pub(super) fn note_payload(&mut self, segment: &Segment<'_>, start: i64) {
        let end = u64::try_from(start.saturating_add(i64::from(shown(segment)))).unwrap_or(0);
        if end > self.end {
            self.end = end;
            self.advanced = segment.time;
        }
    }

    /// Whether a segment of the direction's owner stands right behind all that
    /// was shown.
    pub(super) fn goes_on(&self, segment: &Segment<'_>) -> bool {
        self.owner == Some(segment.point)
            && self.sequence(self.end) == Some(segment.tcp.sequence)
            && !self.fin
    }

    /// Takes down all that such a segment shows that has no flags beside ACK.
    pub(super) fn go_on(&mut self, segment: &Segment<'_>) {
        self.seen = segment.time;
        self.window = self.window_of(segment);
        self.end += u64::from(segment.len);
        self.advanced = segment.time;
    }

    /// Bytes that a segment's window allows; the scale of one that was not seen
    /// may be any.
    pub(super) fn window_of(&self, segment: &Segment<'_>) -> u32 {
        u32::from(segment.tcp.window) << self.scale().unwrap_or(MAX_SHIFT)
    }

    /// Counts how a packet came.
    pub(super) fn count(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Forward => {}
            Arrival::Again => self.retransmissions = self.retransmissions.saturating_add(1),
            Arrival::Late => self.out_of_order = self.out_of_order.saturating_add(1),
        }
    }
}

/// How a segment stands to those of its side that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Behind them, or with nothing that has a place in the stream.
    Forward,
    /// Sent again: something of it was seen before, or it fills a hole so late
    /// that its sender must have missed an acknowledgement.
    Again,
    /// Before them, all of it new, and soon after them.
    Late,
}

impl Arrival {
    /// How a segment came that brought `new` bytes, when `half` was what its
    /// side had shown until then and `round_trip` nanoseconds what the handshake
    /// took. Of a packet in several records, how the record came.
    pub(super) fn of(segment: &Segment<'_>, half: &Half, new: u64, round_trip: u64) -> Self {
        let flags = segment.tcp.flags;
        let (syn, fin) = (flags.has(TcpFlags::SYN), flags.has(TcpFlags::FIN) && !segment.more);
        let start = half.start(segment);
        let from = start - i64::from(syn) + i64::from(segment.offset);
        let next = half.next().cast_signed();
        let takes_place = (syn || fin || segment.len > 0) && !flags.has(TcpFlags::RST);
        // What begins with the last byte repeats that of a probe.
        let probe = is_probe(segment, start, half) || segment.len > 1 && from == next - 1;
        if !half.is_known() || !takes_place || from >= next || probe {
            return Self::Forward;
        }
        let bytes = shown(segment).saturating_sub(segment.offset);
        let known = new < u64::from(bytes) || syn && half.has_syn || fin && half.fin;
        let late = segment.time.since(half.advanced) >= round_trip.max(REORDERING);
        if known || late { Self::Again } else { Self::Late }
    }
}

/// Whether a segment asks for an acknowledgement only: it repeats the last
/// byte, or none (RFC 9293 section 3.8.4).
pub(super) fn is_probe(segment: &Segment<'_>, start: i64, half: &Half) -> bool {
    let flags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0);
    let last = half.end.cast_signed() - 1;
    segment.len == 1 && !segment.tcp.flags.has(flags) && start == last
}

/// Payload bytes up to the end of the record.
fn shown(segment: &Segment<'_>) -> u32 {
    let captured = u32::try_from(segment.bytes.len()).unwrap_or(u32::MAX);
    if segment.more { segment.offset.saturating_add(captured) } else { segment.len }
}

/// Number of a segment's first payload byte: a SYN takes one number itself.
pub(super) fn first_byte(segment: &Segment<'_>) -> u32 {
    let syn = segment.tcp.flags.has(TcpFlags::SYN);
    segment.tcp.sequence.wrapping_add(u32::from(syn))
}

impl Pair<Half> {
    /// Whether a segment with SYN belongs to another handshake than the one
    /// that the halves know.
    pub(super) fn is_another_handshake(&self, side: Side, segment: &Segment<'_>) -> bool {
        let (half, peer) = (self.of(side), self.of(side.other()));
        if segment.tcp.flags.has(TcpFlags::ACK) {
            let answers = peer.syn().is_some_and(|syn| {
                syn.wrapping_add(1) == segment.tcp.acknowledgement && !half.has_syn
            });
            return !answers && half.is_known() && !half.same_handshake(segment);
        }
        // A SYN that comes behind its answer, which acknowledges it.
        let answered = peer.has_syn && half.answered(segment.tcp.sequence);
        let again = half.is_known() && half.same_handshake(segment);
        !(answered || again)
    }

    /// Whether a reset at offset `start` may be believed: not before what the
    /// other side has acknowledged, and within its window.
    pub(super) fn plausible_reset(&self, side: Side, start: i64, acknowledged: u64) -> bool {
        let (half, peer) = (self.of(side), self.of(side.other()));
        let from = acknowledged.min(half.end).cast_signed();
        // At least an unscaled window, because windows are only known from
        // the segments that were copied.
        let window = i64::from(peer.window.max(0xffff));
        (from..=half.end.cast_signed().saturating_add(window)).contains(&start)
    }
}
