//! Which place a flow has, by what tells it from others.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{key::Key, slots::Slot};

/// Number of a place, and the hash of its flow's key. The key itself is not
/// here: the flow has it, and is wanted next.
type Found = (u32, Slot);

/// All flows of a table by the hash of their keys.
#[derive(Default)]
pub(super) struct Index {
    table: HashTable<Found>,
    /// Has keys of this process, so that nobody can choose flows that meet.
    hasher: DefaultHashBuilder,
}

impl Index {
    /// Bytes of a flow in here: the table is about half empty after it has
    /// grown, and has one more byte for each flow.
    pub(super) const FLOW: usize = 2 * (size_of::<Found>() + 1);

    /// The hash of a key.
    pub(super) fn hash(&self, key: &Key) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    /// The place of the flow of that hash for which `is_its` holds.
    pub(super) fn find(&self, hash: u32, mut is_its: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let is = |found: &Found| found.0 == hash && is_its(found.1);
        self.table.find(spread(hash), is).map(|(_, slot)| *slot)
    }

    /// Adds a flow.
    pub(super) fn insert(&mut self, hash: u32, slot: Slot) {
        self.table.insert_unique(spread(hash), (hash, slot), |(hash, _)| spread(*hash));
    }

    /// Takes the flow at a place out.
    pub(super) fn remove(&mut self, hash: u32, slot: Slot) {
        if let Ok(entry) = self.table.find_entry(spread(hash), |found| *found == (hash, slot)) {
            entry.remove();
        }
    }
}

/// The table looks at both ends of a wide hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
