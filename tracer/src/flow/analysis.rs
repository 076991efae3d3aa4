//! The words of the segments view: what the numbers of a segment say beside
//! those of the segments before it.
//!
//! They are those of Wireshark's TCP analysis as far as the numbers decide. Time
//! tells one thing only: whether what fills a hole was sent again or came late
//! ([`Arrival`]).

use super::{half::Arrival, pair::Pair, seq};
use crate::{
    capture::{Segment, TcpFlags},
    event::{
        Side,
        tcp::{Analysis, DuplicateAck, Word},
    },
};

/// What no keep-alive, window update or repeated acknowledgement carries.
const OPENS_OR_CLOSES: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0);

/// What the segments of a flow have shown so far.
#[derive(Debug, Default)]
pub(super) struct History {
    sides: Pair<Shown>,
    /// Segments seen.
    segments: u64,
    /// The flow's ports have been those of another one.
    reused: bool,
}

/// What those of one side have shown.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// Sequence number of what comes next; a SYN and a FIN have one.
    next: Option<u32>,
    /// Offset that the other side has acknowledged.
    told: u64,
    latest: Latest,
    /// Number of the packet that said `latest.acknowledgement` first.
    original: u64,
    /// How often that was repeated.
    repeated: u32,
}

/// The latest segment of a side.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    acknowledgement: u32,
    /// In bytes; `None` before any segment.
    window: Option<u32>,
    /// Its words.
    words: Analysis,
}

/// What is to be known of a segment.
pub(super) struct Look<'a> {
    pub(super) segment: &'a Segment<'a>,
    pub(super) side: Side,
    pub(super) arrival: Arrival,
    /// Its window in bytes.
    pub(super) window: u32,
    /// Whether windows are known in bytes.
    pub(super) scaled: bool,
    /// Whether it acknowledges bytes that were not seen.
    pub(super) unseen: bool,
}

impl History {
    /// That of a flow; `reused` if its ports have been those of another one.
    pub(super) fn new(reused: bool) -> Self {
        Self { reused, ..Self::default() }
    }

    /// Whether an acknowledgement reaches beyond `seen`, the offset up to which
    /// all bytes of the other side came, and beyond those before it.
    pub(super) fn is_unseen(&mut self, of: Side, acknowledged: u64, seen: u64) -> bool {
        let shown = self.sides.of_mut(of);
        let unseen = acknowledged > seen.max(shown.told);
        shown.told = shown.told.max(acknowledged);
        unseen
    }

    /// The words for a segment.
    pub(super) fn look(&mut self, look: &Look<'_>) -> (Analysis, Option<DuplicateAck>) {
        let Look { segment, side, arrival, window, .. } = *look;
        self.segments += 1;
        let number = segment.frame.map_or(self.segments, std::num::NonZeroU64::get);
        let (me, peer) = (*self.sides.of(side), *self.sides.of(side.other()));
        let mut words = Analysis::default();
        if std::mem::take(&mut self.reused) {
            words.add(Word::PortsReused);
        }
        if look.unseen {
            words.add(Word::AckedUnseen);
        }
        match arrival {
            Arrival::Forward => {}
            Arrival::Late => words.add(Word::OutOfOrder),
            Arrival::Again if peer.has_acknowledged(segment) => {
                words.add(Word::SpuriousRetransmission);
            }
            Arrival::Again => words.add(Word::Retransmission),
        }
        let mut duplicate = None;
        if let Some(word) = me.word(&peer, look) {
            words.add(word);
            if word == Word::DuplicateAck {
                duplicate = Some(DuplicateAck { of: me.original, number: me.repeated + 1 });
            }
        }
        let ahead = me.next.map(|next| seq::distance(next, segment.tcp.sequence));
        if ahead.is_some_and(|ahead| ahead > 0) && !segment.tcp.flags.has(TcpFlags::RST) {
            words.add(Word::PreviousNotCaptured);
        }
        if peer.is_full(look) {
            words.add(Word::WindowFull);
        }
        if segment.tcp.window == 0 && !segment.tcp.flags.has(OPENS_OR_CLOSES) {
            words.add(Word::ZeroWindow);
        }
        self.sides.of_mut(side.other()).note_answer(segment);
        let me = self.sides.of_mut(side);
        me.repeated = duplicate.map_or(me.repeated, |duplicate| duplicate.number);
        me.note(
            segment,
            number,
            Latest { acknowledgement: segment.tcp.acknowledgement, window: Some(window), words },
        );
        (words, duplicate)
    }
}

impl Shown {
    /// What a segment is, if it is no more than one of these.
    fn word(&self, peer: &Self, look: &Look<'_>) -> Option<Word> {
        let Look { segment, window, .. } = *look;
        let ahead = seq::distance(self.next?, segment.tcp.sequence);
        if segment.len > 1 || segment.tcp.flags.has(OPENS_OR_CLOSES) {
            return None;
        }
        if segment.len == 1 && ahead == 0 && peer.latest.window == Some(0) {
            return Some(Word::ZeroWindowProbe);
        }
        if ahead == -1 {
            return Some(Word::KeepAlive);
        }
        let acknowledgement = segment.tcp.acknowledgement;
        let repeats = acknowledgement == self.latest.acknowledgement;
        if segment.len == 1 || ahead != 0 || !segment.tcp.flags.has(TcpFlags::ACK) {
            return None;
        }
        if self.latest.window != Some(window) {
            return (repeats && window > 0).then_some(Word::WindowUpdate);
        }
        let probed = peer.latest.words.has(Word::ZeroWindowProbe);
        let took_the_probe = acknowledgement == self.latest.acknowledgement.wrapping_add(1);
        if window == 0 {
            let answers = probed && (repeats || took_the_probe);
            return answers.then_some(Word::ZeroWindowProbeAck);
        }
        let asked = peer.latest.words.has(Word::KeepAlive);
        repeats.then_some(if asked { Word::KeepAliveAck } else { Word::DuplicateAck })
    }

    /// Whether this side's latest acknowledgement covers all that a segment of
    /// the other side brings.
    fn has_acknowledged(&self, segment: &Segment<'_>) -> bool {
        let end = segment.tcp.sequence.wrapping_add(segment.len);
        let known = self.latest.window.is_some() && self.latest.acknowledgement != 0;
        segment.len > 0 && known && seq::distance(end, self.latest.acknowledgement) >= 0
    }

    /// Whether a segment of the other side reaches the end of this one's window.
    fn is_full(&self, look: &Look<'_>) -> bool {
        let tcp = &look.segment.tcp;
        let end = tcp.sequence.wrapping_add(look.segment.len);
        let edge =
            self.latest.window.map(|window| self.latest.acknowledgement.wrapping_add(window));
        let plain = look.segment.len > 0 && !tcp.flags.has(OPENS_OR_CLOSES);
        look.scaled && plain && edge == Some(end)
    }

    /// Counts the byte of a probe that the other side has acknowledged.
    fn note_answer(&mut self, segment: &Segment<'_>) {
        let behind = self.next.map(|next| next.wrapping_add(1));
        if self.latest.words.has(Word::ZeroWindowProbe)
            && behind == Some(segment.tcp.acknowledgement)
        {
            self.next = behind;
        }
    }

    fn note(&mut self, segment: &Segment<'_>, number: u64, latest: Latest) {
        let tcp = &segment.tcp;
        if self.latest.window.is_none() || tcp.acknowledgement != self.latest.acknowledgement {
            self.original = number;
            self.repeated = 0;
        }
        self.latest = latest;
        let taken =
            u32::from(tcp.flags.has(TcpFlags::SYN)) + u32::from(tcp.flags.has(TcpFlags::FIN));
        let end = tcp.sequence.wrapping_add(segment.len).wrapping_add(taken);
        // The byte of a probe counts when it was taken.
        let probe = latest.words.has(Word::ZeroWindowProbe);
        if self.next.is_none_or(|next| seq::distance(next, end) > 0) && !probe {
            self.next = Some(end);
        }
    }
}
