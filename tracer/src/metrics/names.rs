//! Values of labels, of which there are only so many.

use std::sync::{Arc, Mutex, PoisonError};

/// Names in the order in which they came, the same for all shards.
#[derive(Debug)]
pub(super) struct Names<K> {
    all: Mutex<Vec<K>>,
    limit: usize,
}

impl<K: Copy + PartialEq> Names<K> {
    /// At most `limit`.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { all: Mutex::default(), limit })
    }

    /// All that have come so far.
    pub(super) fn all(&self) -> Vec<K> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The names as one shard knows them.
#[derive(Debug)]
pub(super) struct Known<K> {
    names: Arc<Names<K>>,
    known: Vec<K>,
}

impl<K: Copy + PartialEq> Known<K> {
    /// None as yet.
    pub(super) fn new(names: &Arc<Names<K>>) -> Self {
        Self { names: Arc::clone(names), known: Vec::new() }
    }

    /// The place of a name; `None` where others have come first and there is
    /// room for no more.
    pub(super) fn place(&mut self, name: K) -> Option<usize> {
        let known = self.known.iter().position(|known| *known == name);
        if known.is_some() || self.known.len() >= self.names.limit {
            return known;
        }
        let mut all = self.names.all.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&name) && all.len() < self.names.limit {
            all.push(name);
        }
        self.known.clone_from(&all);
        self.known.iter().position(|known| *known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shards_give_a_name_the_same_place_and_later_ones_none() {
        let names = Names::new(3);
        let (mut one, mut other) = (Known::new(&names), Known::new(&names));
        assert_eq!((one.place(80), other.place(25), one.place(143)), (Some(0), Some(1), Some(2)));
        assert_eq!((other.place(80), one.place(25), other.place(143)), (Some(0), Some(1), Some(2)));
        for port in 1000..2000 {
            assert_eq!((one.place(port), other.place(port)), (None, None));
        }
        assert_eq!(names.all(), [80, 25, 143]);
    }
}
