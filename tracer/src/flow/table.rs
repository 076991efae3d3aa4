//! All flows of a shard.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    Settings,
    connection::{Flow, Verdict},
    ending::Ending,
    gate::Gate,
    index::Index,
    key::{self, Key},
    maybe::Maybe,
    owners::Owners,
    skip::Windows,
    slots::{Entry, Line, Place, Slot, Slots},
};
use crate::{
    capture::{Segment, TcpFlags},
    event::{Endpoint, Side, Sink, Timestamp},
    prefetch,
    stats::FlowCounters,
};

/// Nanoseconds of packet time for which an ended flow is remembered, so that
/// its last acknowledgement and repeated FINs do not look like a new one in
/// mid-stream. Longer than the first four retransmissions take on Linux
/// (0.2 s, doubled each time).
const LINGER: u64 = 5_000_000_000;

/// The same where rows tell of those segments, too: twice the longest life of a
/// segment (RFC 9293 section 3.4.2).
const ROWS_LINGER: u64 = 240_000_000_000;

/// Nanoseconds after which a flow with new segments goes to the end of its
/// line again. Not sooner, because that touches its neighbours, who are as good
/// as never in the cache where there are many.
const REQUEUE: u64 = 1_000_000_000;

/// Open flows beyond which one that is found is as good as never in the cache as
/// a whole: they take half a megabyte and more.
const CROWD: u64 = 512;

/// Bytes of a flow in the table: its place, its entry, and what the index has
/// of it.
const FLOW: usize = size_of::<Place>() + size_of::<Entry>() + Index::FLOW;

/// Bytes of a flow as its account takes them: its limits are far below.
fn counted(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// All flows of one shard.
pub struct Table {
    settings: Settings,
    index: Index,
    slots: Slots,
    /// When to look at flows that miss bytes: time, place, its generation.
    holes: BinaryHeap<Reverse<(Timestamp, Slot, u32)>>,
    counters: FlowCounters,
    /// Bytes held by all flows.
    held: usize,
    /// Keeps flows out that are not to be followed.
    gate: Option<Box<dyn Gate>>,
    /// Segments so far, as far as it takes to say which of two came later.
    turn: u32,
    /// Who wants to know which bytes nobody wants.
    windows: Option<Box<dyn Windows>>,
    /// Who is asked which processes have the ends of flows.
    owners: Option<Box<dyn Owners>>,
}

/// Says of a flow by its ends, the client first, and the sequence number of its
/// SYN, if that was seen, whether it is meant.
pub(crate) type Picks<'a> = dyn FnMut(&Endpoint, &Endpoint, Option<u32>) -> bool + 'a;

/// Says of a flow by its ends, the client first, whether it goes on.
pub(crate) type Keeps<'a> = dyn FnMut(&Endpoint, &Endpoint) -> bool + 'a;

impl Table {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            index: Index::default(),
            slots: Slots::new(),
            holes: BinaryHeap::new(),
            counters: FlowCounters::default(),
            held: 0,
            gate: None,
            turn: 0,
            windows: None,
            owners: None,
        }
    }

    /// Tells the kernel side which bytes nobody wants.
    #[must_use]
    pub fn with_windows(mut self, windows: Option<Box<dyn Windows>>) -> Self {
        self.windows = windows;
        self
    }

    /// Asks which processes have the ends of flows.
    #[must_use]
    pub fn with_owners(mut self, owners: Option<Box<dyn Owners>>) -> Self {
        self.owners = owners;
        self
    }

    /// Asks a gate before a flow is followed that shows first in mid-stream.
    pub fn set_gate(&mut self, gate: Box<dyn Gate>) {
        self.gate = Some(gate);
    }

    /// Goes on by other settings, with the traced ports' numbers. Flows that are
    /// not `kept` end, and so do as many as it takes to hold the limits; the
    /// others keep their decoders.
    pub(crate) fn choose(
        &mut self,
        settings: Settings,
        numbers: &[(u16, u8)],
        kept: &mut Keeps<'_>,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) {
        for slot in self.slots.numbers() {
            let Some(entry) = self.slots.get(slot) else { continue };
            let (client, server, _) = entry.flow.ends();
            if entry.flow.is_open() && !kept(client, server) {
                self.remove(slot, Ending::Deselected, now, sink);
            }
        }
        if let Some(windows) = &mut self.windows {
            windows.trace(numbers, &settings.responding().collect::<Vec<_>>());
        }
        self.settings = settings;
        self.make_room(0, now, sink);
    }

    /// Takes the next segment and pushes what became known by it.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut dyn Sink) {
        let hash = self.index.hash(&Key::new(segment));
        let is_crowd = self.counters.open > CROWD;
        let (slots, mut sender) = (&mut self.slots, None);
        let found = self.index.find(hash, |slot| {
            let Some(entry) = slots.get(slot) else { return false };
            if is_crowd {
                prefetch::all(entry);
            }
            sender = entry.flow.sender_if_its(segment);
            sender.is_some()
        });
        if let (Some(slot), Some(side)) = (found, sender) {
            // A SYN may be of another connection, between the same ends.
            if !segment.tcp.flags.has(TcpFlags::SYN) {
                self.attribute(slot, segment);
            }
            if self.straight(slot, side, segment, sink) {
                return;
            }
        }
        let (known, reused) = self.known(found, segment, sink);
        let Some(slot) = known.or_else(|| self.create(hash, segment, reused, sink)) else { return };
        self.attribute(slot, segment);
        if segment.tcp.flags.has(TcpFlags::RST) {
            self.hear(slot, segment.time, sink);
        }
        let mut verdict = Verdict::Duplicate;
        self.account(slot, |flow, settings| verdict = flow.segment(segment, settings, sink));
        if verdict == Verdict::Duplicate {
            self.counters.duplicate += u64::from(!segment.more);
        }
        if self.held > self.settings.total_limit {
            self.account(slot, |flow, settings| flow.relieve(segment.time, settings, sink));
        }
        if verdict == Verdict::Taken {
            if let (Some(windows), Some(entry)) = (&mut self.windows, self.slots.get(slot)) {
                entry.flow.tell_windows(&mut **windows, segment);
            }
            self.queue(slot);
        } else {
            self.linger(slot);
            self.schedule(slot);
        }
    }

    /// Lets go of flows that have been silent for the idle time-out, and of
    /// bytes that will not come any more. Cheap when there is nothing to do;
    /// called every second or so of packet time.
    pub fn expire(&mut self, now: Timestamp, sink: &mut dyn Sink) {
        if let Some(windows) = &mut self.windows {
            windows.tick();
        }
        let linger = if self.settings.rows { ROWS_LINGER } else { LINGER };
        while let Some(slot) = self.slots.first(Line::Ended) {
            let ended = self.slots.get(slot).and_then(|entry| entry.flow.ended.time());
            if ended.is_some_and(|ended| now.since(ended) < linger) {
                break;
            }
            self.remove(slot, Ending::Idle, now, sink);
        }
        let timeout = self.settings.idle_timeout;
        for slot in self.longest_silent(|time| now.since(time) >= timeout) {
            self.hear(slot, now, sink);
            if let Some(entry) = self.slots.get(slot)
                && entry.flow.seen >= now
            {
                entry.queued = now;
                self.slots.requeue(slot, Line::Live);
                continue;
            }
            self.remove(slot, Ending::Idle, now, sink);
        }
        while let Some(Reverse((deadline, slot, generation))) = self.holes.peek().copied() {
            if deadline > now {
                break;
            }
            self.holes.pop();
            if self.slots.generation(slot) == generation {
                self.account(slot, |flow, settings| flow.expire_holes(now, settings, sink));
                if let Some(entry) = self.slots.get(slot)
                    && entry.scheduled == Maybe::at(deadline)
                {
                    entry.scheduled = Maybe::NONE;
                }
                self.schedule(slot);
                self.linger(slot);
            }
        }
    }

    /// Ends all flows, because the source ended.
    pub fn finish(&mut self, now: Timestamp, sink: &mut dyn Sink) {
        for slot in self.longest_silent(|_| true) {
            self.remove(slot, Ending::End, now, sink);
        }
        while let Some(slot) = self.slots.first(Line::Ended) {
            self.remove(slot, Ending::End, now, sink);
        }
        self.holes.clear();
    }

    /// Gives up the flows that are picked, and says how many those were.
    pub(crate) fn give_up(
        &mut self,
        picks: &mut Picks<'_>,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) -> u64 {
        let before = self.counters.given_up;
        for slot in self.slots.numbers() {
            let Some(entry) = self.slots.get(slot) else { continue };
            let (client, server, syn) = entry.flow.ends();
            if entry.flow.is_open() && picks(client, server, syn) {
                self.remove(slot, Ending::Shed, now, sink);
                self.counters.given_up += 1;
            }
        }
        self.counters.given_up - before
    }

    /// The flows of the live line that have been silent since a time that is
    /// `due`, the longest silent first.
    fn longest_silent(&mut self, due: impl Fn(Timestamp) -> bool) -> Vec<Slot> {
        let mut found = Vec::new();
        let mut next = self.slots.first(Line::Live);
        while let Some(slot) = next {
            let Some(entry) = self.slots.get(slot) else { break };
            // Who stands behind it was queued later, and seen later still.
            if !due(entry.queued) {
                break;
            }
            if due(entry.flow.seen) {
                found.push((self.turn.wrapping_sub(entry.turn), slot));
            }
            next = self.slots.next(slot, Line::Live);
        }
        found.sort_by_key(|(ago, _)| Reverse(*ago));
        found.into_iter().map(|(_, slot)| slot).collect()
    }

    /// What happened so far.
    pub fn counters(&self) -> FlowCounters {
        let shed = self.gate.as_ref().map_or(0, |gate| gate.shed());
        FlowCounters { memory: self.held as u64, shed, ..self.counters }
    }

    /// Takes a segment the straight way, if it can go it.
    fn straight(
        &mut self,
        slot: Slot,
        side: Side,
        segment: &Segment<'_>,
        sink: &mut dyn Sink,
    ) -> bool {
        let is_crowd = self.counters.open > CROWD;
        let Some(entry) = self.slots.get(slot) else { return false };
        if is_crowd {
            entry.flow.prefetch();
        }
        let tally = entry.flow.tally();
        let Some(held) = entry.flow.straight(segment, side, &self.settings, sink) else {
            return false;
        };
        let after = entry.flow.tally();
        self.counters.gaps += after.gaps - tally.gaps;
        self.counters.gap_bytes += after.lost_bytes - tally.lost_bytes;
        let held = counted(FLOW + held);
        let before = std::mem::replace(&mut entry.held, held);
        self.held = (self.held + held as usize).saturating_sub(before as usize);
        if self.held > self.settings.total_limit {
            self.account(slot, |flow, settings| flow.relieve(segment.time, settings, sink));
            self.linger(slot);
        }
        self.turn = self.turn.wrapping_add(1);
        let Some(entry) = self.slots.get(slot) else { return true };
        entry.turn = self.turn;
        if let Some(windows) = &mut self.windows {
            entry.flow.tell_windows(&mut **windows, segment);
        }
        let seen = entry.flow.seen;
        if seen.since(entry.queued) >= REQUEUE {
            entry.queued = seen;
            if !entry.flow.lingers {
                self.slots.requeue(slot, Line::Live);
            }
        }
        true
    }

    /// The flow that a segment belongs to, of which one was `found` with its ends, and
    /// whether it had to let go of that because another connection has taken its
    /// ports.
    fn known(
        &mut self,
        found: Option<Slot>,
        segment: &Segment<'_>,
        sink: &mut dyn Sink,
    ) -> (Option<Slot>, bool) {
        let Some(slot) = found else { return (None, false) };
        if !self.slots.get(slot).is_some_and(|entry| entry.flow.is_another(segment)) {
            return (Some(slot), false);
        }
        self.remove(slot, Ending::Reused, segment.time, sink);
        (None, segment.tcp.flags.has(TcpFlags::SYN))
    }

    /// Makes the flow that a segment begins, if it begins one: a connection
    /// shows by its SYN or by payload. Rows and explanations need a flow for
    /// anything.
    fn create(
        &mut self,
        hash: u32,
        segment: &Segment<'_>,
        reused: bool,
        sink: &mut dyn Sink,
    ) -> Option<Slot> {
        let shows = segment.tcp.flags.has(TcpFlags::SYN) || segment.len > 0;
        if !shows && !self.settings.rows && !self.settings.explain {
            return None;
        }
        let opens = segment.tcp.flags.has(TcpFlags::SYN) && !segment.tcp.flags.has(TcpFlags::ACK);
        if !opens && self.gate.as_mut().is_some_and(|gate| !gate.admits(segment)) {
            self.counters.unfollowed += u64::from(!segment.more);
            return None;
        }
        let side = key::sender(segment, |port| self.settings.traces(port));
        let (client, server) = match side {
            Side::Client => (segment.source.port, segment.destination.port),
            Side::Server => (segment.destination.port, segment.source.port),
        };
        let port = [server, client].into_iter().find(|port| self.settings.traces(*port))?;
        let protocol = self.settings.protocol(port);
        let mut flow = Flow::new(segment, protocol, side);
        if self.settings.rows {
            flow.keep_history(reused);
        }
        if self.settings.explain {
            flow.explain();
        }
        let held = FLOW + flow.held();
        self.make_room(held, segment.time, sink);
        let held = counted(held);
        self.held += held as usize;
        let (scheduled, queued) = (Maybe::NONE, segment.time);
        let turn = self.turn;
        let slot = self.slots.insert(Entry { flow, held, scheduled, queued, turn });
        self.index.insert(hash, slot);
        Some(slot)
    }

    /// Lets go of flows until `bytes` fit: the ended first, then the longest
    /// silent.
    fn make_room(&mut self, bytes: usize, now: Timestamp, sink: &mut dyn Sink) {
        while self.held.saturating_add(bytes) > self.settings.total_limit {
            let first = self.slots.first(Line::Ended);
            let Some(slot) = first.or_else(|| self.slots.first(Line::Live)) else { return };
            if !self.goes_on(slot, now) {
                self.remove(slot, Ending::Evicted, now, sink);
            }
        }
    }

    /// Whether the first of the live line has been silent for less than half of
    /// the time that it stood there: then it goes to the end, once for each time
    /// that it comes to the front. A flood may have filled the line behind it
    /// before it was due to move by itself.
    fn goes_on(&mut self, slot: Slot, now: Timestamp) -> bool {
        let Some(entry) = self.slots.get(slot) else { return false };
        let stood = now.since(entry.queued);
        if entry.flow.lingers || now.since(entry.flow.seen) >= stood / 2 {
            return false;
        }
        entry.queued = now;
        self.slots.requeue(slot, Line::Live);
        true
    }

    /// Takes a flow out, and ends it if it has not ended.
    fn remove(&mut self, slot: Slot, ending: Ending, now: Timestamp, sink: &mut dyn Sink) {
        self.hear(slot, now, sink);
        self.account(slot, |flow, settings| flow.end(ending, now, settings, sink));
        if let Some(entry) = self.slots.remove(slot) {
            self.held = self.held.saturating_sub(entry.held as usize);
            self.index.remove(self.index.hash(&entry.flow.key()), slot);
        }
    }

    /// Asks which processes have the ends of a flow, if a segment is a moment to.
    fn attribute(&mut self, slot: Slot, segment: &Segment<'_>) {
        if let (Some(owners), Some(entry)) = (&mut self.owners, self.slots.get(slot))
            && !entry.flow.is_over()
        {
            let side = entry.flow.sender(segment);
            entry.flow.attribute(segment, side, &mut **owners);
        }
    }

    /// Asks how far the bytes of a flow that nobody wants have passed unseen.
    fn hear(&mut self, slot: Slot, now: Timestamp, sink: &mut dyn Sink) {
        let (Some(windows), Some(entry)) = (&self.windows, self.slots.get(slot)) else { return };
        let hidden = entry.flow.hidden(&**windows);
        if hidden.client.is_some() || hidden.server.is_some() {
            self.account(slot, |flow, settings| flow.pass_hidden(&hidden, now, settings, sink));
        }
    }

    /// Lets a flow change and keeps the table's accounts of it.
    fn account(&mut self, slot: Slot, change: impl FnOnce(&mut Flow, &Settings)) {
        let Some(entry) = self.slots.get(slot) else { return };
        let (tally, opened, open) =
            (entry.flow.tally(), entry.flow.was_opened(), entry.flow.is_open());
        change(&mut entry.flow, &self.settings);
        let after = entry.flow.tally();
        let counters = &mut self.counters;
        counters.gaps += after.gaps - tally.gaps;
        counters.gap_bytes += after.lost_bytes - tally.lost_bytes;
        counters.total += u64::from(entry.flow.was_opened() && !opened);
        counters.open += u64::from(entry.flow.is_open());
        counters.open -= u64::from(open);
        let held = counted(FLOW + entry.flow.held());
        let before = std::mem::replace(&mut entry.held, held);
        self.held = (self.held + held as usize).saturating_sub(before as usize);
    }

    /// Puts a flow that has just taken a segment where it belongs.
    fn queue(&mut self, slot: Slot) {
        self.turn = self.turn.wrapping_add(1);
        let Some(entry) = self.slots.get(slot) else { return };
        entry.turn = self.turn;
        if entry.flow.is_over() {
            self.linger(slot);
        } else {
            let seen = entry.flow.seen;
            if seen.since(entry.queued) >= REQUEUE {
                entry.queued = seen;
                self.slots.requeue(slot, Line::Live);
            }
            self.schedule(slot);
        }
    }

    /// Lets a flow that has ended wait for late segments.
    fn linger(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get(slot) else { return };
        if entry.flow.is_over() && !std::mem::replace(&mut entry.flow.lingers, true) {
            self.slots.requeue(slot, Line::Ended);
        }
    }

    /// Sets a timer for a flow's holes, if there are any and none is set for
    /// so early.
    fn schedule(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get(slot) else { return };
        if let Some(deadline) = entry.flow.hole_deadline()
            && entry.scheduled.time().is_none_or(|scheduled| deadline < scheduled)
        {
            entry.scheduled = Maybe::at(deadline);
            self.holes.push(Reverse((deadline, slot, self.slots.generation(slot))));
        }
    }
}
