//! Requests that wait for their responses.

use std::collections::VecDeque;

use super::framing::Asked;
use crate::event::Timestamp;

/// Requests that take no memory of their own: clients that do not pipeline
/// never have more.
const NEAR: usize = 7;

/// What was asked and not answered, oldest first. Holds no memory when few.
#[derive(Debug)]
pub(super) struct Waiting {
    near: [Asked; NEAR],
    /// How many of them there are.
    count: u8,
    /// When the oldest began, if it was alone when it came; else 0. For those
    /// that pipeline nobody is told how long each of them took.
    began: Timestamp,
    /// Those behind.
    far: VecDeque<Asked>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { near: [Asked::Plain; NEAR], count: 0, began: Timestamp(0), far: VecDeque::new() }
    }
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        usize::from(self.count) + self.far.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<Asked> {
        self.near.first().copied().filter(|_| self.count > 0)
    }

    /// Nanoseconds from the oldest to `time`, where that is known.
    pub(super) fn waited(&self, time: Timestamp) -> Option<u64> {
        let is_known = self.count > 0 && self.began.0 > 0 && time >= self.began;
        is_known.then(|| time.since(self.began))
    }

    /// Adds one that began at a time.
    pub(super) fn push_back(&mut self, asked: Asked, began: Timestamp) {
        if self.count == 0 {
            self.began = began;
        }
        match self.near.get_mut(usize::from(self.count)) {
            Some(place) => {
                *place = asked;
                self.count += 1;
            }
            None => self.far.push_back(asked),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Asked> {
        let front = self.front()?;
        self.near.rotate_left(1);
        self.began = Timestamp(0);
        match (self.far.pop_front(), self.near.last_mut()) {
            (Some(next), Some(last)) => *last = next,
            _ => self.count -= 1,
        }
        if self.far.is_empty() {
            self.far = VecDeque::new();
        }
        Some(front)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.far.capacity()
    }
}

const _: () = assert!(size_of::<Asked>() == 1, "so that capacities are bytes");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_out_in_the_order_they_went_in() {
        let kinds = [Asked::Plain, Asked::Head, Asked::Connect, Asked::Upgrade, Asked::Simple];
        for many in 0..30 {
            let mut waiting = Waiting::default();
            let asked: Vec<_> = kinds.iter().copied().cycle().take(many).collect();
            for (number, kind) in asked.iter().enumerate() {
                assert_eq!(waiting.len(), number);
                waiting.push_back(*kind, Timestamp(5));
            }
            for kind in &asked {
                assert_eq!(waiting.front(), Some(*kind));
                assert_eq!(waiting.pop_front(), Some(*kind));
            }
            assert_eq!((waiting.pop_front(), waiting.is_empty(), waiting.held()), (None, true, 0));
        }
    }

    #[test]
    fn of_one_that_is_alone_it_is_known_how_long_it_waits() {
        let mut waiting = Waiting::default();
        for began in [10, 20] {
            waiting.push_back(Asked::Plain, Timestamp(began));
            assert_eq!(waiting.waited(Timestamp(began + 7)), Some(7));
            assert_eq!(waiting.waited(Timestamp(began - 1)), None, "the clock was stepped");
            waiting.pop_front();
            assert_eq!(waiting.waited(Timestamp(began + 7)), None);
        }
        waiting.push_back(Asked::Plain, Timestamp(30));
        waiting.push_back(Asked::Plain, Timestamp(31));
        assert_eq!(waiting.waited(Timestamp(40)), Some(10));
        waiting.pop_front();
        assert_eq!(waiting.waited(Timestamp(40)), None);
    }
}
