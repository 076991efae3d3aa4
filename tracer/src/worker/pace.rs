//! When a shard looks at its ring again.
//!
//! A ring wakes its reader for every record at which the reader has caught up,
//! and one that keeps up is woken for each. So a shard that got something
//! looks again by itself after a pause, in which what comes piles up; only
//! when a pause has brought nothing does it sleep until it is woken, and then
//! for the very first record.

use std::time::Duration;

/// The longest pause, in nanoseconds: with a wake-up and what it takes to
/// write, less than 5 ms from a packet to its event.
const LONGEST: u64 = 4_000_000;

/// The shortest pause worth the call, in nanoseconds.
const SHORTEST: u64 = 50_000;

/// The part of the ring that is to be filled by the end of a pause: pauses get
/// longer than they were asked for, and what comes while the shard reads has to
/// find room as well.
const FILLED: u64 = 4;

/// Bytes a nanosecond (GB/s) that are reckoned with as long as nobody knows: a
/// burst of [`FILLED`] times as much, which is all that a core copies, still
/// finds room.
const BURST: u64 = 1;

/// What a shard does when it has emptied its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Looks again at once.
    Look,
    /// Looks again after a pause.
    Pause(Duration),
    /// Sleeps until the ring wakes it.
    Sleep,
}

/// Paces the looks of a shard at its ring.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes of the ring that may be filled by the end of a pause.
    room: u64,
    /// Nanoseconds of the longest pause, for the size of the ring.
    longest: u64,
    /// Up to where the ring had been read at the end of the last look.
    read: usize,
    /// When that was, in nanoseconds.
    looked: u64,
}

impl Pace {
    /// For a ring of `size` bytes, which has been read up to the position
    /// `read`.
    pub(super) fn new(size: usize, read: usize) -> Self {
        let room = size as u64 / FILLED;
        Self { room, longest: LONGEST.min(room / BURST), read, looked: 0 }
    }

    /// What to do after a look that ends at `now`, in nanoseconds of any clock,
    /// and has read up to the position `read`.
    pub(super) fn next(&mut self, read: usize, now: u64) -> Next {
        let bytes = read.wrapping_sub(self.read) as u64;
        let elapsed = now.saturating_sub(self.looked);
        (self.read, self.looked) = (read, now);
        if bytes == 0 {
            return Next::Sleep;
        }
        // As fast as since the last look.
        let filled = self.room.saturating_mul(elapsed) / bytes;
        match self.longest.min(filled) {
            pause if pause < SHORTEST => Next::Look,
            pause => Next::Pause(Duration::from_nanos(pause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn who_got_something_pauses_and_who_got_nothing_sleeps() {
        let mut pace = Pace::new(16 * MIB, 7);
        assert_eq!(pace.next(7, 1_000_000_000), Next::Sleep);
        let longest = Next::Pause(Duration::from_millis(4));
        assert_eq!(pace.next(207, 2_000_000_000), longest);
        assert_eq!(pace.next(407, 2_004_100_000), longest);
        assert_eq!(pace.next(407, 2_008_200_000), Next::Sleep);
    }

    #[test]
    fn a_ring_that_fills_quickly_is_looked_at_sooner() {
        let mut pace = Pace::new(16 * MIB, 0);
        assert_eq!(pace.next(MIB, 10_000_000), Next::Pause(Duration::from_millis(4)));
        // 4 MiB in 2 ms: a quarter of the ring again.
        assert_eq!(pace.next(5 * MIB, 12_000_000), Next::Pause(Duration::from_millis(2)));
        // 40 MiB in 1 ms.
        let Next::Pause(pause) = pace.next(45 * MIB, 13_000_000) else { panic!() };
        assert_eq!(pause, Duration::from_micros(100));
        assert_eq!(pace.next(145 * MIB, 14_000_000), Next::Look);
    }

    #[test]
    fn a_small_ring_is_looked_at_before_a_burst_fills_it() {
        let mut pace = Pace::new(MIB, 0);
        let Next::Pause(pause) = pace.next(200, 1_000_000_000) else { panic!() };
        assert_eq!(pause, Duration::from_nanos(262_144));
        assert!(matches!(Pace::new(MIB / 4, 0).next(200, 1_000_000_000), Next::Pause(_)));
    }

    #[test]
    fn positions_wrap() {
        let mut pace = Pace::new(16 * MIB, usize::MAX - 99);
        assert_ne!(pace.next(100, 1_000_000_000), Next::Sleep);
        assert_eq!(pace.next(100, 1_004_000_000), Next::Sleep);
    }
}
