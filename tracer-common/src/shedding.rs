//! Which new flows are not followed, because the user side cannot keep up.
//!
//! A flow is decided on once, at its client's SYN, by the number of the flow
//! and the level that the user side has set, or by the ring being nearly full.
//! What is admitted is followed whole; of what is shed, no packet is copied.
//! The decision is remembered in two tables of [`entry`]s, and the same SYN
//! again, of another hook or sent again, is decided the same way:
//!
//! - `STOPPED` has lines of [`WAYS`] entries, of flows that are not followed.
//!   Both sides write it: where the kernel side has had to forget a flow, its
//!   packets are copied, and the user side stops them again.
//! - `ADMITTED` has an entry for each flow that began lately. What stands in
//!   both goes on: it was admitted after somebody has stopped its forerunner.

use core::mem::{offset_of, size_of};

use crate::FlowHash;

/// An element of the `SHEDDING` map, which has one for each shard. It has a
/// cache line for itself.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shedding {
    /// How many of [`LEVELS`] parts of all new flows are shed; written by the
    /// user side.
    pub level: u32,
    /// Bytes waiting in the ring beyond which every new flow is shed: room for
    /// those that are followed. With 0 nothing is ever shed. Written by the
    /// user side.
    pub brake: u32,
    /// Part of the tags of entries: by another number, all are forgotten.
    /// Written by the user side.
    pub epoch: u32,
    /// Nonzero while `STOPPED` counts. Set by who writes an entry; only the
    /// user side says that it is over.
    pub active: u32,
    /// New flows that were shed; written by the kernel side.
    pub flows: u64,
    /// Fills the cache line; zero.
    pub reserved: [u64; 5],
}

/// What a level counts to: all new flows are shed.
pub const LEVELS: u32 = 256;

/// Lines of the `STOPPED` map.
pub const STOPPED_LINES: usize = 8192;
/// Entries of a line, which is a cache line.
pub const WAYS: usize = 8;
/// Elements of the `ADMITTED` map.
pub const ADMITTED_LEN: usize = 65_536;

/// A line of the `STOPPED` map; 0 is no entry.
pub type Line = [u64; WAYS];

/// A flow in a table, with the sequence number of its SYN (0 if nobody knows).
#[must_use]
pub const fn entry(tag: u32, sequence: u32) -> u64 {
    (tag as u64) << 32 | sequence as u64
}

/// Whether an entry is of a flow with that tag.
#[must_use]
pub const fn is_of(entry: u64, tag: u32) -> bool {
    entry >> 32 == tag as u64
}

/// Which entry of a full line gives way to a new one.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "masked to three bits")]
pub const fn victim(new: u64) -> u32 {
    ((new ^ new >> 32 ^ new >> 17) & (WAYS as u64 - 1)) as u32
}

// The lowest bits choose the shard; each part below takes others.
#[expect(clippy::cast_possible_truncation, reason = "some of the bits are what is wanted")]
impl FlowHash {
    /// Among how many of [`LEVELS`] parts of all flows this one is shed: at each
    /// level beyond this number.
    #[must_use]
    pub const fn share(self) -> u32 {
        (self.0 >> 56) as u32
    }

    /// Its line of `STOPPED`.
    #[must_use]
    pub const fn line(self) -> u32 {
        (self.0 >> 8) as u32 & (STOPPED_LINES as u32 - 1)
    }

    /// Its element of `ADMITTED`.
    #[must_use]
    pub const fn place(self) -> u32 {
        (self.0 >> 8) as u32 & (ADMITTED_LEN as u32 - 1)
    }

    /// What tells it from others at the same place; never 0.
    #[must_use]
    pub const fn tag(self, epoch: u32) -> u32 {
        ((self.0 >> 24) as u32 ^ epoch.wrapping_mul(0x9e37_79b1)) | 1
    }
}

const _: () = assert!(size_of::<Shedding>() == 64);
const _: () = assert!(offset_of!(Shedding, brake) == 4);
const _: () = assert!(offset_of!(Shedding, epoch) == 8);
const _: () = assert!(offset_of!(Shedding, active) == 12);
const _: () = assert!(offset_of!(Shedding, flows) == 16);
const _: () = assert!(STOPPED_LINES.is_power_of_two() && ADMITTED_LEN.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_found_by_its_tag_until_the_epoch_changes() {
        let flow = FlowHash(0x1234_5678_9abc_def0);
        let stopped = entry(flow.tag(3), 0xffff_ffff);
        assert!(is_of(stopped, flow.tag(3)) && !is_of(stopped, flow.tag(4)));
        assert!(!is_of(0, flow.tag(3)) && !is_of(0, FlowHash(0).tag(0)));
        assert!((victim(stopped) as usize) < WAYS);
    }

    #[test]
    fn all_places_and_shares_are_within_their_tables() {
        for flow in [FlowHash(0), FlowHash(u64::MAX)] {
            assert!((flow.line() as usize) < STOPPED_LINES);
            assert!((flow.place() as usize) < ADMITTED_LEN);
            assert!(flow.share() < LEVELS);
        }
    }
}
