//! The slot: what is known of the next bytes of one direction of a flow at one
//! capture point, so that the kernel side need not copy all of them.
//!
//! A slot holds one [`Statement`], sealed for the flow that it is about. Both
//! sides write it, on any CPU, without a lock: a reader takes a statement only
//! when its seal fits, so what is torn, of another flow or never written says
//! nothing, and then everything is copied.

#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "the kernel side calls functions of its own at a cost; words are cut on purpose"
)]

use core::mem::{offset_of, size_of};

/// Slots of the `SLOTS` map. A flow's place is given by its [`Tag`].
pub const SLOTS: usize = 65_536;

/// How far a statement may reach, in bytes of sequence space: so far from the
/// whole circle that what is ahead is never taken for what is behind.
pub const MAX_SPAN: u32 = 1 << 30;

/// Failed attempts to take a slot after which its statement is held for that of
/// a flow that is gone.
pub const PATIENCE: u64 = 4;

/// [`Slot::seal`] while somebody writes the words before it. Who finds it so has
/// to come again: what stands there is neither one statement nor the other, and
/// must not be taken for a flow's that is gone.
pub const OPEN: u64 = 0;

/// One element of the `SLOTS` map: a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// First and one-past-last sequence number: `begin | end << 32`.
    pub window: u64,
    /// Kind, and the connection's initial sequence number, if that is known.
    pub state: u64,
    /// The flow's [`Tag`] mixed with both, or [`OPEN`].
    pub seal: u64,
    /// The number behind the farthest byte of the flow that stayed uncopied, and
    /// `1 << 32` when there is one.
    pub reach: u64,
    /// Times that another flow wanted this slot since the last of those.
    pub claims: u64,
    /// Fills the cache line; zero.
    pub reserved: [u64; 3],
}

/// What a flow's direction is called at a capture point. Two of them share one
/// with a probability of 2^-64, and nobody who does not know the run's seed can
/// aim at that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u64);

/// Which capture point, and which link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the interface.
    pub interface: u32,
    /// Whether packets go out there.
    pub egress: bool,
    /// VLAN ids that the frames have there, or [`crate::NO_VLAN`].
    pub vlans: [u16; 2],
}

impl Tag {
    /// The tag of what goes from one port to another; `addresses` are source
    /// and destination as they stand in the IP header, four bytes a word: two
    /// words of IPv4, eight of IPv6.
    #[inline(always)]
    pub fn new<const WORDS: usize>(
        seed: u64,
        place: Place,
        addresses: &[u32; WORDS],
        source: u16,
        destination: u16,
    ) -> Self {
        let factor = seed.rotate_left(32) ^ 0x5851_f42d_4c95_7f2d | 1;
        // Each step can be undone, so keys that differ in one word never meet.
        let step = |hash: u64, high: u32, low: u32| {
            let word = u64::from(high) << 32 | u64::from(low);
            let hash = (hash ^ word).wrapping_mul(factor);
            hash ^ (hash >> 32)
        };
        let mut hash = seed;
        for pair in addresses.chunks_exact(2) {
            if let [high, low] = *pair {
                hash = step(hash, high, low);
            }
        }
        let ports = u32::from(source) << 16 | u32::from(destination);
        let vlans = u32::from(place.vlans[0]) << 16 | u32::from(place.vlans[1]);
        hash = step(hash, ports, vlans);
        hash = step(hash, place.interface, u32::from(place.egress) << 8 | WORDS as u32);
        // Once more, so that the low bits depend on all.
        Self(step(hash, 0, 0))
    }

    /// Index of the flow's slot.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> u32 {
        (self.0 as u32) & (SLOTS as u32 - 1)
    }

    /// The word that shows two words of a slot to be about the flow, and
    /// written at one time.
    #[inline(always)]
    #[must_use]
    pub const fn seal(self, window: u64, state: u64) -> u64 {
        // Of window, state and result no one can change alone.
        let mixed = (window ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        (mixed ^ state).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ self.0
    }
}

/// What a [`Statement`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Nothing,
    /// A message of the protocol that [`crate::scan`] knows begins at `begin`.
    Message,
    /// Bytes in `[begin, end)` are a body, if there is one: what a server sends
    /// in answer to HEAD announces one that does not come.
    Announced,
    /// Bytes in `[begin, end)` are a body that nobody asked for, and a message
    /// begins at `end`.
    Body,
    /// Bytes in `[begin, end)` are such that nobody asked for.
    Window,
    /// Nothing of this direction is wanted but its end. A header goes through
    /// at `end`, and the statement moves on by itself.
    Stop,
    /// At `begin` stands what [`crate::scan`] knows to go on with.
    Within,
    /// Bytes in `[begin, end)` are those of a chunk, and nobody asked for them.
    /// The line's end behind them, and the next chunk, stand at `end`.
    Chunk,
}

/// What is known of a direction of a connection. A true statement stays true
/// for as long as the connection lives, whoever makes it and however late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it says.
    pub kind: Kind,
    /// First sequence number that it is about.
    pub begin: u32,
    /// The number behind the last; at most [`MAX_SPAN`] ahead. Of what goes on
    /// within something, a length.
    pub end: u32,
    /// Of what goes on within something, where in it; [`MARK_BITS`] of them.
    pub mark: u32,
    /// Initial sequence number of the connection; `None` when its SYN was not
    /// seen.
    pub connection: Option<u32>,
}

impl Kind {
    #[inline(always)]
    const fn number(self) -> u64 {
        match self {
            Self::Nothing => 1,
            Self::Message => 2,
            Self::Announced => 3,
            Self::Body => 4,
            Self::Window => 5,
            Self::Stop => 6,
            Self::Within => 7,
            Self::Chunk => 8,
        }
    }

    #[inline(always)]
    const fn of(number: u64) -> Self {
        match number & 0xff {
            2 => Self::Message,
            3 => Self::Announced,
            4 => Self::Body,
            5 => Self::Window,
            6 => Self::Stop,
            7 => Self::Within,
            8 => Self::Chunk,
            _ => Self::Nothing,
        }
    }

    /// Whether bytes stay uncopied for it, so that it is not given up for the
    /// first flow that shares its slot.
    #[inline(always)]
    #[must_use]
    pub const fn hides(self) -> bool {
        matches!(self, Self::Announced | Self::Body | Self::Window | Self::Stop | Self::Chunk)
    }
}

/// Set in [`Slot::state`] when it holds a connection's number.
const KNOWN: u64 = 1 << 8;

/// Bits of [`Statement::mark`].
pub const MARK_BITS: u32 = 23;

/// Where they stand in [`Slot::state`].
const MARK_AT: u32 = 32 - MARK_BITS;

impl Statement {
    /// Nothing is known but the connection.
    #[inline(always)]
    #[must_use]
    pub const fn nothing(connection: Option<u32>) -> Self {
        Self::about(Kind::Nothing, 0, 0, connection)
    }

    /// A message begins at a sequence number.
    #[inline(always)]
    #[must_use]
    pub const fn message(at: u32, connection: Option<u32>) -> Self {
        Self::about(Kind::Message, at, at, connection)
    }

    /// The statement about the bytes from `begin` to `end`.
    #[inline(always)]
    #[must_use]
    pub const fn about(kind: Kind, begin: u32, end: u32, connection: Option<u32>) -> Self {
        Self { kind, begin, end, mark: 0, connection }
    }

    /// The statement in two plain words.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> [u64; 2] {
        let window = u64::from(self.begin) | u64::from(self.end) << 32;
        let state = self.kind.number()
            | u64::from(self.mark) << MARK_AT
            | self.connection.map_or(0, |number| KNOWN | u64::from(number) << 32);
        [window, state]
    }

    /// The statement that two words say.
    #[inline(always)]
    #[must_use]
    pub fn of([window, state]: [u64; 2]) -> Self {
        Self {
            kind: Kind::of(state),
            begin: window as u32,
            end: (window >> 32) as u32,
            mark: (state as u32) >> MARK_AT,
            connection: (state & KNOWN != 0).then_some((state >> 32) as u32),
        }
    }

    /// The three words of a slot that says this of a flow.
    #[inline(always)]
    #[must_use]
    pub fn sealed(&self, tag: Tag) -> [u64; 3] {
        let [window, state] = self.words();
        [window, state, tag.seal(window, state)]
    }

    /// What three words of a slot say of a flow; `None` when they are not about
    /// it, or not written at one time.
    #[inline(always)]
    #[must_use]
    pub fn unsealed([window, state, seal]: [u64; 3], tag: Tag) -> Option<Self> {
        (tag.seal(window, state) == seal).then(|| Self::of([window, state]))
    }
}

/// What [`Slot::reach`] says.
#[inline(always)]
#[must_use]
pub const fn reached(reach: u64) -> Option<u32> {
    if reach >> 32 == 0 { None } else { Some(reach as u32) }
}

/// What [`Slot::reach`] says when one more segment that ends at `end` stays
/// uncopied.
#[inline(always)]
#[must_use]
pub const fn reaching(reach: u64, end: u32) -> u64 {
    match reached(reach) {
        Some(known) if end.wrapping_sub(known).cast_signed() <= 0 => reach,
        _ => 1 << 32 | end as u64,
    }
}

/// Whether the flow that a slot belongs to now would lose something by giving
/// it up.
#[inline(always)]
#[must_use]
pub const fn is_held(state: u64, claims: u64) -> bool {
    Kind::of(state).hides() && claims < PATIENCE
}

const _: () = assert!(size_of::<Slot>() == 64);
const _: () = assert!(offset_of!(Slot, state) == 8);
const _: () = assert!(offset_of!(Slot, seal) == 16);
const _: () = assert!(offset_of!(Slot, reach) == 24);
const _: () = assert!(offset_of!(Slot, claims) == 32);
const _: () = assert!(offset_of!(Slot, reserved) == 40);
const _: () = assert!(SLOTS.is_power_of_two());

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    const SEED: u64 = 0x0123_4567_89ab_cdef;
    const PLACE: Place = Place { interface: 3, egress: false, vlans: [0xffff; 2] };

    fn tag(source: u16) -> Tag {
        Tag::new(SEED, PLACE, &[0x0100_000a, 0x0200_000a], source, 80)
    }

    #[test]
    fn what_was_said_of_a_flow_is_read_of_it_and_of_no_other() {
        let kinds = [
            Kind::Nothing,
            Kind::Message,
            Kind::Announced,
            Kind::Body,
            Kind::Window,
            Kind::Stop,
            Kind::Within,
            Kind::Chunk,
        ];
        for kind in kinds {
            for connection in [None, Some(0), Some(u32::MAX)] {
                let mark = if kind == Kind::Within { (1 << MARK_BITS) - 1 } else { 0 };
                let said = Statement { kind, begin: u32::MAX - 5, end: 77, mark, connection };
                let words = said.sealed(tag(40_000));
                assert_eq!(Statement::unsealed(words, tag(40_000)), Some(said));
                assert_eq!(Statement::unsealed(words, tag(40_001)), None);
            }
        }
        assert_eq!(Statement::unsealed([0; 3], tag(40_000)), None);
    }

    #[test]
    fn a_torn_statement_says_nothing() {
        let all: Vec<_> = (0..6_u32)
            .flat_map(|at| {
                let body = Statement::about(Kind::Body, at, at + 9, Some(at / 2));
                [body, Statement::message(at, Some(7)), Statement::nothing(Some(at))]
            })
            .map(|said| said.sealed(tag(1)))
            .collect();
        for a in &all {
            for b in &all {
                for c in &all {
                    let torn = [a[0], b[1], c[2]];
                    if !all.contains(&torn) {
                        assert_eq!(Statement::unsealed(torn, tag(1)), None);
                    }
                }
            }
        }
    }

    #[test]
    fn a_tag_depends_on_all_that_tells_directions_apart() {
        let v4 = [1_u32, 2];
        let new = |place, addresses: &[u32; 2], ports: (u16, u16)| {
            Tag::new(SEED, place, addresses, ports.0, ports.1)
        };
        let tags = [
            new(PLACE, &v4, (1, 2)),
            new(PLACE, &[2, 1], (1, 2)),
            new(PLACE, &v4, (2, 1)),
            new(Place { interface: 4, ..PLACE }, &v4, (1, 2)),
            new(Place { egress: true, ..PLACE }, &v4, (1, 2)),
            new(Place { vlans: [10, 0xffff], ..PLACE }, &v4, (1, 2)),
            new(Place { vlans: [0xffff, 10], ..PLACE }, &v4, (1, 2)),
            Tag::new(SEED, PLACE, &[1, 2, 0, 0, 0, 0, 0, 0], 1, 2),
            Tag::new(SEED + 1, PLACE, &v4, 1, 2),
        ];
        for (at, tag) in tags.iter().enumerate() {
            assert!(!tags[..at].contains(tag), "{at}");
        }
    }

    #[test]
    fn flows_that_differ_in_a_port_are_spread_over_the_slots() {
        let mut slots: Vec<u32> = (0..8192).map(|port| tag(port).index()).collect();
        slots.sort_unstable();
        slots.dedup();
        // Of 8,192 balls in 65,536 urns about 490 fall on another.
        assert!((7500..7900).contains(&slots.len()), "{}", slots.len());
    }

    #[test]
    fn a_slot_is_kept_for_who_hides_bytes_until_others_have_asked_often() {
        let state = |kind| Statement::about(kind, 0, 9, None).sealed(tag(1))[1];
        assert!(is_held(state(Kind::Window), 0));
        assert!(!is_held(state(Kind::Window), PATIENCE));
        assert!(!is_held(state(Kind::Message), 0));
        assert!(!is_held(0, 0));
    }
}
