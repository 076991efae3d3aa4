//! Counters of the whole way of a byte, and the page they make at the end.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracer_common::Outcome;

/// What became of the packets that were seen. Every packet has exactly one
/// outcome, so their sum is the number of packets seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcomes {
    /// Not TCP, or on no traced port.
    pub not_selected: u64,
    /// Bare acknowledgements that no view asked for.
    pub pure_ack: u64,
    /// The same packet at a second capture point.
    pub duplicate: u64,
    /// Fragments of IP packets that carry TCP.
    pub fragment: u64,
    /// Headers that contradict themselves or end too early.
    pub malformed: u64,
    /// Bodies that nobody asked for: counted, not copied.
    pub shunted: u64,
    /// Copied whole.
    pub copied: u64,
    /// Copied in part.
    pub truncated: u64,
    /// Of flows that are not followed, because the tracer could not keep up.
    pub shed: u64,
    /// Not copied, by cause.
    pub lost: Lost,
}

/// Packets that should have been copied and were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// The ring had no room.
    pub ring_full: u64,
    /// The kernel could not read the packet's bytes.
    pub unreadable: u64,
}

impl Outcomes {
    /// Counts packets of an outcome as the kernel side names it.
    pub const fn count(&mut self, outcome: Outcome, packets: u64) {
        let counter = match outcome {
            Outcome::NotSelected => &mut self.not_selected,
            Outcome::PureAck => &mut self.pure_ack,
            Outcome::Fragment => &mut self.fragment,
            Outcome::Malformed => &mut self.malformed,
            Outcome::Shunted => &mut self.shunted,
            Outcome::Copied => &mut self.copied,
            Outcome::Truncated => &mut self.truncated,
            Outcome::LostRing => &mut self.lost.ring_full,
            Outcome::LostCopy => &mut self.lost.unreadable,
            Outcome::Shed => &mut self.shed,
        };
        *counter += packets;
    }

    /// Packets seen: the sum of the outcomes.
    pub const fn seen(&self) -> u64 {
        self.not_selected
            + self.pure_ack
            + self.duplicate
            + self.fragment
            + self.malformed
            + self.shunted
            + self.copied
            + self.truncated
            + self.shed
            + self.lost.ring_full
            + self.lost.unreadable
    }
}

/// What the flow table counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowCounters {
    /// Flows that are open.
    pub open: u64,
    /// Flows seen so far.
    pub total: u64,
    /// Packets that a second capture point showed again, by what the source
    /// counted them as.
    pub duplicate: u64,
    /// Gaps told of.
    pub gaps: u64,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Bytes held for streams, decoders and flows.
    pub memory: u64,
    /// New flows that were not followed, because the tracer could not keep up.
    pub shed: u64,
    /// Flows that were given up for the same reason.
    pub given_up: u64,
    /// Packets of flows that are not followed, by what the source counted them
    /// as.
    #[serde(skip)]
    pub unfollowed: u64,
}

impl FlowCounters {
    /// What two flow tables count together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let Self { open, total, duplicate, gaps, gap_bytes, memory, shed, given_up, unfollowed } =
            other;
        Self {
            open: self.open + open,
            total: self.total + total,
            duplicate: self.duplicate + duplicate,
            gaps: self.gaps + gaps,
            gap_bytes: self.gap_bytes + gap_bytes,
            memory: self.memory + memory,
            shed: self.shed + shed,
            given_up: self.given_up + given_up,
            unfollowed: self.unfollowed + unfollowed,
        }
    }
}

/// The counters of the whole way: the object `tracer` of a `stats` event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// Packets seen.
    pub seen: u64,
    /// What became of them.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// What the flow table counts.
    pub flows: FlowCounters,
    /// Events that went out.
    pub events: u64,
    /// Events that did not, because the output was too slow.
    pub events_lost: u64,
}

impl Stats {
    /// Puts the counters of the parts together: what the flow table took for
    /// duplicates or did not follow, the source had counted as copied.
    pub fn new(mut outcomes: Outcomes, flows: FlowCounters, events: u64) -> Self {
        let duplicate = flows.duplicate.min(outcomes.copied);
        outcomes.copied -= duplicate;
        outcomes.duplicate += duplicate;
        let unfollowed = flows.unfollowed.min(outcomes.copied);
        outcomes.copied -= unfollowed;
        outcomes.shed += unfollowed;
        Self { seen: outcomes.seen(), outcomes, flows, events, events_lost: 0 }
    }
}

impl Stats {
    /// So many of the events were not written.
    #[must_use]
    pub const fn without(self, lost: u64) -> Self {
        Self { events: self.events.saturating_sub(lost), events_lost: lost, ..self }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, outcomes, flows, events, events_lost } = self;
        let Outcomes {
            not_selected,
            pure_ack,
            duplicate,
            fragment,
            malformed,
            shunted,
            copied,
            truncated,
            shed,
            lost,
        } = outcomes;
        writeln!(
            formatter,
            "{seen} packets seen = {copied} copied + {truncated} truncated + {duplicate} duplicate \
             + {pure_ack} pure ACK + {not_selected} not selected + {fragment} fragment \
             + {malformed} malformed + {shunted} shunted + {shed} shed + {} lost",
            lost.ring_full + lost.unreadable
        )?;
        writeln!(
            formatter,
            "lost: {} ring full, {} unreadable; {} gaps of {} bytes",
            lost.ring_full, lost.unreadable, flows.gaps, flows.gap_bytes
        )?;
        write!(formatter, "{} flows, {} still open; {events} events", flows.total, flows.open)?;
        if *events_lost > 0 {
            write!(formatter, ", {events_lost} not written: the output was too slow")?;
        }
        if flows.shed > 0 || flows.given_up > 0 {
            write!(
                formatter,
                "\noverload: {} flows not followed, {} given up",
                flows.shed, flows.given_up
            )?;
        }
        Ok(())
    }
}
