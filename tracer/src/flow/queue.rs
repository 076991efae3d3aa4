//! Segments that came before their turn.

use std::collections::BTreeMap;

use super::stream::Lost;
use crate::event::Timestamp;

/// What one fragment costs beside its bytes, as counted against the limits: a
/// map entry and an allocation, rounded up so that the stream limit also
/// bounds the number of fragments (1,024 at 256 KiB).
pub(super) const FRAGMENT_OVERHEAD: usize = 256;

/// A stretch of a stream that is waiting for what stands before it.
#[derive(Debug)]
pub(super) struct Fragment {
    /// Offset behind its last byte.
    pub(super) end: u64,
    /// Offset at which the segment began that brought it.
    origin: u64,
    /// The ring's count of lost records when it came.
    pub(super) lost: Lost,
    /// When it came.
    pub(super) time: Timestamp,
    /// Its bytes, which are the last ones in here; `None` when they passed on
    /// the wire but were not captured or are not wanted.
    data: Option<Box<[u8]>>,
}

impl Fragment {
    /// Whether there are bytes to deliver.
    pub(super) const fn has_bytes(&self) -> bool {
        self.data.is_some()
    }

    /// The bytes from offset `start` on.
    pub(super) fn bytes(&self, start: u64) -> &[u8] {
        let data = self.data.as_deref().unwrap_or_default();
        let len = usize::try_from(self.end.saturating_sub(start)).unwrap_or(usize::MAX);
        data.get(data.len().saturating_sub(len)..).unwrap_or_default()
    }

    fn held(&self) -> usize {
        FRAGMENT_OVERHEAD + self.data.as_ref().map_or(0, |data| data.len())
    }
}

/// A piece of a segment on its way into the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Offset behind its last byte.
    pub(super) end: u64,
    /// Offset at which its segment began.
    pub(super) origin: u64,
    /// Its bytes, all of them; `None` when they were not captured.
    pub(super) bytes: Option<&'a [u8]>,
    /// The ring's count of lost records.
    pub(super) lost: Lost,
    /// When it came.
    pub(super) time: Timestamp,
}

/// Out-of-order stretches by offset, none overlapping another.
///
/// Overlaps are settled as Linux does (`tcp_data_queue_ofo`, `tcp_ofo_queue`
/// in `net/ipv4/tcp_input.c`): the segment that begins earlier wins; of two that
/// begin together the one that covers the other. Captured bytes always win
/// over bytes that were only seen to pass.
///
/// Most streams have none at any time: then it is one word.
#[derive(Debug, Default)]
pub(super) struct Queue(Option<Box<Stretches>>);

impl Queue {
    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes held, bookkeeping included.
    pub(super) fn held(&self) -> usize {
        self.0.as_ref().map_or(0, |stretches| stretches.held)
    }

    /// The first stretch and its offset.
    pub(super) fn first(&self) -> Option<(u64, &Fragment)> {
        self.0.as_ref()?.first()
    }

    /// All stretches with their offsets, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Fragment)> {
        let all = self.0.iter().flat_map(|stretches| &stretches.fragments);
        all.map(|(start, fragment)| (*start, fragment))
    }

    /// Takes the first stretch out.
    pub(super) fn pop(&mut self) -> Option<(u64, Fragment)> {
        let first = self.0.as_mut()?.pop();
        self.forget();
        first
    }

    /// Drops what stands before `offset`, which was delivered by other means.
    pub(super) fn advance(&mut self, offset: u64) {
        if let Some(stretches) = &mut self.0 {
            stretches.advance(offset);
            self.forget();
        }
    }

    /// Puts a piece where it belongs; returns how many of its bytes were new.
    pub(super) fn insert(&mut self, piece: &Piece<'_>) -> u64 {
        if piece.start >= piece.end {
            return 0;
        }
        self.0.get_or_insert_default().insert(piece)
    }

    /// Holds no memory when nothing is left.
    fn forget(&mut self) {
        if self.0.as_ref().is_some_and(|stretches| stretches.fragments.is_empty()) {
            self.0 = None;
        }
    }
}

/// The stretches of a queue that has some.
#[derive(Debug, Default)]
struct Stretches {
    fragments: BTreeMap<u64, Fragment>,
    held: usize,
}

impl Stretches {
    fn first(&self) -> Option<(u64, &Fragment)> {
        self.fragments.first_key_value().map(|(start, fragment)| (*start, fragment))
    }

    fn pop(&mut self) -> Option<(u64, Fragment)> {
        let (start, fragment) = self.fragments.pop_first()?;
        self.held -= fragment.held();
        Some((start, fragment))
    }

    fn advance(&mut self, offset: u64) {
        while let Some((start, fragment)) = self.first() {
            if start >= offset {
                return;
            }
            let keep = fragment.end > offset;
            if let Some((_, fragment)) = self.pop()
                && keep
            {
                self.put(offset, fragment);
            }
        }
    }

    fn insert(&mut self, piece: &Piece<'_>) -> u64 {
        let mut at = piece.start;
        let mut new = 0_u64;
        while at < piece.end {
            let Some((start, wins)) = self.meets(at, piece) else {
                new += self.add(at, piece.end, piece);
                break;
            };
            if wins {
                new = new.saturating_sub(self.give_way(start, at, piece));
                continue;
            }
            if start > at {
                new += self.add(at, start, piece);
            }
            at = self.fragments.get(&start).map_or(piece.end, |fragment| fragment.end);
        }
        new
    }

    /// The first stretch at or behind `at` that the piece meets, and whether
    /// the piece wins over it.
    fn meets(&self, at: u64, piece: &Piece<'_>) -> Option<(u64, bool)> {
        let before = self.fragments.range(..=at).next_back().filter(|(_, old)| old.end > at);
        let (start, old) = before.or_else(|| self.fragments.range(at..piece.end).next())?;
        let wins = match (piece.bytes, &old.data) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some(_)) => {
                piece.origin < old.origin || piece.origin == old.origin && piece.end > old.end
            }
        };
        Some((*start, wins))
    }

    /// Takes out of the stretch at `start` what the piece covers from `at` on;
    /// returns how many captured bytes that were.
    fn give_way(&mut self, start: u64, at: u64, piece: &Piece<'_>) -> u64 {
        let Some(old) = self.fragments.remove(&start) else { return 0 };
        self.held -= old.held();
        let covered = old.end.min(piece.end) - start.max(at);
        let captured = if old.has_bytes() { covered } else { 0 };
        let Fragment { end, origin, lost, time, .. } = old;
        if start < at {
            // Only what was not captured can begin before the piece and lose.
            self.put(start, Fragment { end: at, origin, lost, time, data: None });
        }
        if end > piece.end {
            self.put(piece.end, old);
        }
        captured
    }

    fn add(&mut self, start: u64, end: u64, piece: &Piece<'_>) -> u64 {
        let Piece { origin, lost, time, .. } = *piece;
        if piece.bytes.is_none()
            && let Some((_, before)) = self.fragments.range_mut(..start).next_back()
            && before.end == start
            && !before.has_bytes()
        {
            before.end = end;
            return end - start;
        }
        let data = piece.bytes.map(|bytes| {
            let place = |offset: u64| usize::try_from(offset - piece.start).unwrap_or(usize::MAX);
            bytes.get(place(start)..place(end)).unwrap_or_default().into()
        });
        self.put(start, Fragment { end, origin, lost, time, data });
        end - start
    }

    fn put(&mut self, start: u64, fragment: Fragment) {
        self.held += fragment.held();
        self.fragments.insert(start, fragment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inserts pieces of equal letters and shows what the queue holds:
    /// `start:bytes`, dots for bytes that were not captured.
    fn held(pieces: &[(u64, &str)]) -> Vec<String> {
        let mut queue = Queue::default();
        for (start, bytes) in pieces {
            let captured = !bytes.starts_with('.');
            queue.insert(&Piece {
                start: *start,
                end: start + bytes.len() as u64,
                origin: *start,
                bytes: captured.then_some(bytes.as_bytes()),
                lost: Lost::default(),
                time: Timestamp(0),
            });
        }
        let mut shown = Vec::new();
        let mut sum = 0;
        for (start, fragment) in queue.iter() {
            let len = usize::try_from(fragment.end - start).expect("short");
            let bytes = if fragment.has_bytes() {
                String::from_utf8(fragment.bytes(start).to_vec()).expect("letters")
            } else {
                ".".repeat(len)
            };
            assert_eq!(bytes.len(), len);
            sum += fragment.held();
            shown.push(format!("{start}:{bytes}"));
        }
        assert_eq!(queue.held(), sum);
        shown
    }

    #[test]
    fn stretches_apart_stand_in_order() {
        assert_eq!(held(&[(20, "bb"), (10, "aa"), (30, "cc")]), ["10:aa", "20:bb", "30:cc"]);
    }

    #[test]
    fn a_segment_that_is_covered_is_dropped() {
        assert_eq!(held(&[(10, "aaaa"), (11, "bb")]), ["10:aaaa"]);
        assert_eq!(held(&[(10, "aaaa"), (10, "bb")]), ["10:aaaa"]);
        assert_eq!(held(&[(10, "aaaa"), (10, "bbbb")]), ["10:aaaa"]);
    }

    #[test]
    fn a_segment_that_covers_others_from_their_start_or_before_replaces_them() {
        assert_eq!(held(&[(10, "aa"), (10, "bbbb")]), ["10:bbbb"]);
        assert_eq!(held(&[(10, "aa"), (14, "cc"), (9, "bbbbbbbb")]), ["9:bbbbbbbb"]);
    }

    #[test]
    fn of_two_that_overlap_the_one_that_begins_earlier_wins() {
        assert_eq!(held(&[(10, "aaaa"), (12, "bbbb")]), ["10:aaaa", "14:bb"]);
        assert_eq!(held(&[(12, "bbbb"), (10, "aaaa")]), ["10:aaaa", "14:bb"]);
    }

    #[test]
    fn where_a_trimmed_segment_began_still_counts() {
        assert_eq!(
            held(&[(10, "aaaa"), (12, "bbbb"), (13, "cccccc")]),
            ["10:aaaa", "14:bb", "16:ccc"]
        );
        assert_eq!(held(&[(10, "aaaa"), (12, "bbbb"), (11, "cccccc")]), ["10:aaaa", "14:ccc"]);
    }

    #[test]
    fn a_segment_fills_the_holes_between_others() {
        assert_eq!(
            held(&[(10, "aa"), (9, "xx"), (15, "cc"), (9, "dddddd")]),
            ["9:dddddd", "15:cc"]
        );
    }

    #[test]
    fn captured_bytes_win_over_those_that_only_passed() {
        assert_eq!(held(&[(10, "......"), (12, "bb")]), ["10:..", "12:bb", "14:.."]);
        assert_eq!(held(&[(12, "bb"), (10, "......")]), ["10:..", "12:bb", "14:.."]);
    }

    #[test]
    fn what_passed_side_by_side_is_one_stretch() {
        assert_eq!(held(&[(10, ".."), (12, "..."), (17, ".")]), ["10:.....", "17:."]);
    }

    #[test]
    fn advancing_drops_and_cuts() {
        let mut queue = Queue::default();
        for start in [10, 20, 30] {
            let (end, bytes) = (start + 4, Some(&b"abcd"[..]));
            let time = Timestamp(0);
            queue.insert(&Piece { start, end, origin: start, bytes, lost: Lost::default(), time });
        }
        queue.advance(22);
        let (start, fragment) = queue.pop().expect("the second");
        assert_eq!((start, fragment.bytes(start)), (22, &b"cd"[..]));
        assert_eq!(queue.pop().map(|(start, _)| start), Some(30));
        assert_eq!(queue.held(), 0);
    }
}
