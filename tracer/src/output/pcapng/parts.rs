//! Packets that were too large for one record of the ring, put together.

use std::{borrow::Cow, collections::VecDeque};

use super::{MAX_PACKET, Packet};
use crate::{
    capture::{Point, Segment},
    event::{Endpoint, Timestamp},
};

/// Packets that may be incomplete at once: as many CPUs may be writing records
/// between each other's. Beyond, the oldest lost its rest.
const BEGUN: usize = 16;

/// What the parts of a packet have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    time: Timestamp,
    point: Point,
    source: Endpoint,
    destination: Endpoint,
    sequence: u32,
}

impl Key {
    fn new(segment: &Segment<'_>) -> Self {
        Self {
            time: segment.time,
            point: segment.point,
            source: segment.source,
            destination: segment.destination,
            sequence: segment.tcp.sequence,
        }
    }
}

struct Begun {
    key: Key,
    packet: Packet<'static>,
    /// Offset into the payload of the part that comes next.
    next: u32,
}

/// Packets of which not all parts have come.
#[derive(Default)]
pub(super) struct Parts {
    begun: VecDeque<Begun>,
}

impl Parts {
    /// Takes a part. Returns a packet that is to be written: the one that this
    /// part completes, or one whose rest was lost.
    ///
    /// A part whose predecessor was lost cannot be put anywhere: the packet ends
    /// before it, which its length tells.
    pub(super) fn add(
        &mut self,
        packet: Packet<'_>,
        segment: &Segment<'_>,
    ) -> Option<Packet<'static>> {
        let key = Key::new(segment);
        let len = u32::try_from(segment.bytes.len()).unwrap_or(u32::MAX);
        let next = segment.offset.saturating_add(len);
        if segment.offset == 0 {
            let oldest = if self.begun.len() < BEGUN { None } else { self.begun.pop_front() };
            self.begun.push_back(Begun { key, packet: packet.into_owned(), next });
            return oldest.map(|begun| begun.packet);
        }
        let at = self.begun.iter().position(|begun| begun.key == key)?;
        let begun = self.begun.get_mut(at)?;
        if begun.next == segment.offset {
            begun.next = next;
            let bytes = begun.packet.bytes.to_mut();
            let room = MAX_PACKET.saturating_sub(bytes.len());
            bytes.extend_from_slice(segment.bytes.get(..room).unwrap_or(segment.bytes));
        }
        if segment.more { None } else { self.begun.remove(at).map(|begun| begun.packet) }
    }

    /// A packet whose rest did not come.
    pub(super) fn left(&mut self) -> Option<Packet<'static>> {
        self.begun.pop_front().map(|begun| begun.packet)
    }
}

impl Packet<'_> {
    fn into_owned(self) -> Packet<'static> {
        Packet { bytes: Cow::Owned(self.bytes.into_owned()), ..self }
    }
}
