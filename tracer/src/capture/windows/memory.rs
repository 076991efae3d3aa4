//! Memory that the kernel side and this one both write: slots and switches.
#![expect(unsafe_code, reason = "memory is shared with the kernel, by pointers")]

use std::{
    hint, io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use tracer_common::{
    MAX_PORTS, MAX_SHARDS,
    slot::{OPEN, SLOTS, Slot, Statement, Tag, reached},
};

use crate::capture::ring::Pages;

/// Looks at a slot that somebody writes; who is not done by then was interrupted.
const LOOKS: u32 = 64;

/// The mapped slots and switches.
pub struct SlotMemory {
    slots: Pages,
    switches: Pages,
}

impl SlotMemory {
    /// Maps both, which takes no privilege.
    ///
    /// # Errors
    ///
    /// When a descriptor is not of such a map.
    pub fn map(slots: &OwnedFd, switches: &OwnedFd) -> io::Result<Arc<Self>> {
        let slots = Pages::map(slots.as_fd(), 0, SLOTS * size_of::<Slot>(), true)?;
        let switches = Pages::map(switches.as_fd(), 0, MAX_PORTS * MAX_SHARDS, true)?;
        Ok(Arc::new(Self { slots, switches }))
    }

    pub(super) fn slot(&self, tag: Tag) -> SharedSlot<'_> {
        let at = tag.index() as usize % SLOTS;
        // SAFETY: the mapping holds SLOTS slots and lives as long as `self`; the
        // words are aligned, and the kernel reads and writes whole ones.
        SharedSlot(unsafe { self.slots.begin().cast::<[AtomicU64; 8]>().add(at).as_ref() })
    }

    /// Changes the switches of a port's number in a shard. The kernel reads their
    /// cache line for each packet, so it is written only when something changes.
    pub(super) fn throw(&self, shard: usize, number: u8, switches: impl FnOnce(u8) -> u8) {
        let at = shard % MAX_SHARDS * MAX_PORTS + usize::from(number);
        // SAFETY: within the rows of all shards, which the mapping holds for as
        // long as `self` lives.
        let switch = unsafe { self.switches.begin().cast::<AtomicU8>().add(at).as_ref() };
        let before = switch.load(Ordering::Relaxed);
        let after = switches(before);
        if after != before {
            switch.store(after, Ordering::Relaxed);
        }
    }
}

/// One slot, which the kernel may write at any time.
pub(super) struct SharedSlot<'a>(&'a [AtomicU64; 8]);

impl SharedSlot<'_> {
    fn words(&self) -> [u64; 3] {
        let [window, state, seal, ..] = self.0;
        [window, state, seal].map(|word| word.load(Ordering::Acquire))
    }

    /// The words, and what they say of a flow, once nobody writes them; `None`
    /// when that does not end. Words that are read while they change fit nobody,
    /// and to take the slot for free then would put what the kernel knew back to
    /// what this side has read of.
    pub(super) fn settled(&self, tag: Tag) -> Option<([u64; 3], Option<Statement>)> {
        let mut words = self.words();
        for _ in 0..LOOKS {
            let said = Statement::unsealed(words, tag);
            if said.is_some() {
                return Some((words, said));
            }
            let again = self.words();
            let is_open = again[2] == OPEN && again != [0; 3];
            if again == words && !is_open {
                return Some((words, None));
            }
            words = again;
            hint::spin_loop();
        }
        None
    }

    pub(super) fn claims(&self) -> &AtomicU64 {
        let [_, _, _, _, claims, ..] = self.0;
        claims
    }

    /// The number behind the last byte that stayed uncopied.
    pub(super) fn reach(&self) -> Option<u32> {
        let [_, _, _, reach, ..] = self.0;
        reached(reach.load(Ordering::Acquire))
    }

    /// Writes a statement in the place of the `old` words, of the `same` flow or
    /// another; not when somebody has written since. When the kernel writes at
    /// the same time, what stands there then may fit nobody.
    pub(super) fn write(&self, old: [u64; 3], same: bool, statement: Statement, tag: Tag) {
        let [window, state, seal] = statement.sealed(tag);
        let [at_window, at_state, at_seal, reach, ..] = self.0;
        let seals = |old, new| {
            at_seal.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        if !seals(old[2], OPEN) {
            return;
        }
        if !same {
            reach.store(0, Ordering::Release);
        }
        at_window.store(window, Ordering::Release);
        at_state.store(state, Ordering::Release);
        if seals(OPEN, seal) {
            self.claims().store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tracer_common::{
        NO_VLAN,
        slot::{Kind, Place, reaching},
    };

    use super::*;

    fn tag() -> Tag {
        let place = Place { interface: 3, egress: true, vlans: [NO_VLAN; 2] };
        Tag::new(7, place, &[1_u32, 2], 80, 40_000)
    }

    fn chunk(begin: u32) -> Statement {
        Statement::about(Kind::Chunk, begin, begin + 9, Some(5))
    }

    /// Writes as the kernel side does.
    fn kernel_writes(words: &[AtomicU64; 8], statement: Statement) {
        let sealed = statement.sealed(tag());
        words[2].store(OPEN, Ordering::Release);
        for (word, value) in words.iter().zip(sealed) {
            word.store(value, Ordering::Release);
        }
    }

    #[test]
    fn a_slot_is_settled_when_nobody_writes_it() {
        let words: [AtomicU64; 8] = Default::default();
        let slot = SharedSlot(&words);
        assert_eq!(slot.settled(tag()), Some(([0; 3], None)));
        kernel_writes(&words, chunk(100));
        let sealed = chunk(100).sealed(tag());
        assert_eq!(slot.settled(tag()), Some((sealed, Some(chunk(100)))));
        // The kernel was interrupted before it has sealed the next statement.
        words[2].store(OPEN, Ordering::Release);
        words[0].store(chunk(200).sealed(tag())[0], Ordering::Release);
        assert_eq!(slot.settled(tag()), None);
        // What fits nobody, and stays so, is free for who asks.
        words[2].store(77, Ordering::Release);
        assert!(slot.settled(tag()).is_some_and(|(_, said)| said.is_none()));
    }

    #[test]
    fn a_slot_that_was_written_since_is_left_as_it_is() {
        let words: [AtomicU64; 8] = Default::default();
        let slot = SharedSlot(&words);
        kernel_writes(&words, chunk(100));
        let (old, _) = slot.settled(tag()).unwrap();
        kernel_writes(&words, chunk(200));
        words[3].store(reaching(0, 150), Ordering::Release);
        slot.write(old, false, chunk(50), tag());
        assert_eq!(slot.settled(tag()).unwrap().1, Some(chunk(200)));
        assert_eq!(slot.reach(), Some(150));
        let (old, _) = slot.settled(tag()).unwrap();
        slot.write(old, true, chunk(300), tag());
        assert_eq!(slot.settled(tag()).unwrap().1, Some(chunk(300)));
    }

    #[test]
    fn a_reader_that_is_behind_always_finds_what_a_writer_said() {
        const LAST: u32 = 200_000;
        let words: [AtomicU64; 8] = Default::default();
        let slot = SharedSlot(&words);
        kernel_writes(&words, chunk(0));
        thread::scope(|scope| {
            scope.spawn(|| (1..=LAST).for_each(|begin| kernel_writes(&words, chunk(begin))));
            let mut begin = 0;
            while begin < LAST {
                // While the writer is held up, nothing is said.
                let Some((_, said)) = slot.settled(tag()) else { continue };
                let said = said.expect("a slot that is written fits nobody");
                assert!(said.begin >= begin, "{} behind {begin}", said.begin);
                begin = said.begin;
            }
        });
    }
}
