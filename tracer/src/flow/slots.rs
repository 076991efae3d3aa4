//! Where flows stand: numbered places, in the order of their latest segment.

use std::ops::Range;

use super::{connection::Flow, maybe::Maybe};
use crate::event::Timestamp;

/// Number of a place.
pub(super) type Slot = u32;

/// A flow and what the table knows of it.
pub(super) struct Entry {
    /// The flow.
    pub(super) flow: Flow,
    /// Bytes that are in the table's account for it.
    pub(super) held: u32,
    /// For when the next timer for its holes is set.
    pub(super) scheduled: Maybe,
    /// When it was put at the end of its line.
    pub(super) queued: Timestamp,
    /// Number of its latest segment among all of the table, as it wraps.
    pub(super) turn: u32,
}

/// A queue that flows stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Flows that go on; the longest silent first.
    Live,
    /// Flows that ended; the first to end first.
    Ended,
}

impl Line {
    /// The place that closes the ring of a line; no flow stands there.
    const fn anchor(self) -> Slot {
        match self {
            Self::Live => 0,
            Self::Ended => 1,
        }
    }
}

/// A numbered place.
pub(super) struct Place {
    before: Slot,
    behind: Slot,
    /// Raised when a flow leaves, so that an old timer does not mean the next.
    generation: u32,
    entry: Option<Box<Entry>>,
}

/// All flows. The lines are rings linked through the places, so that joining,
/// leaving and moving to the end take the same short time in any crowd.
pub(super) struct Slots {
    places: Vec<Place>,
    free: Vec<Slot>,
}

impl Slots {
    /// No flows.
    pub(super) fn new() -> Self {
        let anchor = |line: Line| Place {
            before: line.anchor(),
            behind: line.anchor(),
            generation: 0,
            entry: None,
        };
        Self { places: vec![anchor(Line::Live), anchor(Line::Ended)], free: Vec::new() }
    }

    /// Gives a flow a place at the end of the live line.
    pub(super) fn insert(&mut self, entry: Entry) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { before: 0, behind: 0, generation: 0, entry: None });
            Slot::try_from(self.places.len() - 1).unwrap_or(Slot::MAX)
        });
        self.place(slot).entry = Some(Box::new(entry));
        self.join(slot, Line::Live);
        slot
    }

    /// The numbers of all places, taken or not.
    pub(super) fn numbers(&self) -> Range<Slot> {
        0..Slot::try_from(self.places.len()).unwrap_or(Slot::MAX)
    }

    /// The flow at a place.
    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.places.get_mut(slot as usize)?.entry.as_deref_mut()
    }

    /// Takes a flow out.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Box<Entry>> {
        let entry = self.places.get_mut(slot as usize)?.entry.take()?;
        self.leave(slot);
        let place = self.place(slot);
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        Some(entry)
    }

    /// Moves a flow to the end of a line.
    pub(super) fn requeue(&mut self, slot: Slot, line: Line) {
        if self.place(line.anchor()).before != slot {
            self.leave(slot);
            self.join(slot, line);
        }
    }

    /// The first of a line.
    pub(super) fn first(&mut self, line: Line) -> Option<Slot> {
        let slot = self.place(line.anchor()).behind;
        (slot != line.anchor()).then_some(slot)
    }

    /// The one behind a flow in its line.
    pub(super) fn next(&mut self, slot: Slot, line: Line) -> Option<Slot> {
        let next = self.place(slot).behind;
        (next != line.anchor()).then_some(next)
    }

    /// How many flows have had this place before.
    pub(super) fn generation(&self, slot: Slot) -> u32 {
        self.places.get(slot as usize).map_or(0, |place| place.generation)
    }

    fn join(&mut self, slot: Slot, line: Line) {
        let anchor = line.anchor();
        let last = std::mem::replace(&mut self.place(anchor).before, slot);
        self.place(last).behind = slot;
        let place = self.place(slot);
        (place.before, place.behind) = (last, anchor);
    }

    fn leave(&mut self, slot: Slot) {
        let Place { before, behind, .. } = *self.place(slot);
        self.place(before).behind = behind;
        self.place(behind).before = before;
    }

    #[expect(clippy::indexing_slicing, reason = "slots come from `insert` and places never go")]
    fn place(&mut self, slot: Slot) -> &mut Place {
        &mut self.places[slot as usize]
    }
}
