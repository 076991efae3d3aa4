//! Requests that wait for their responses.

use std::collections::VecDeque;

use super::framing::Asked;

/// Requests that take no memory of their own: clients that do not pipeline
/// never have more.
const NEAR: usize = 7;

/// What was asked and not answered, oldest first. Holds no memory when few.
#[derive(Debug)]
pub(super) struct Waiting {
    near: [Asked; NEAR],
    /// How many of them there are.
    count: u8,
    /// Those behind.
    far: VecDeque<Asked>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { near: [Asked::Plain; NEAR], count: 0, far: VecDeque::new() }
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

    pub(super) fn push_back(&mut self, asked: Asked) {
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
                waiting.push_back(*kind);
            }
            for kind in &asked {
                assert_eq!(waiting.front(), Some(*kind));
                assert_eq!(waiting.pop_front(), Some(*kind));
            }
            assert_eq!((waiting.pop_front(), waiting.is_empty(), waiting.held()), (None, true, 0));
        }
    }
}
