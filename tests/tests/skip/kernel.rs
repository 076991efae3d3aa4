//! What the kernel side does with slots, by the same rule and over the same
//! memory.

use std::{fs::File, os::unix::fs::FileExt as _};

use tracer::capture::{Segment, TcpFlags};
use tracer_common::{
    LOOK, SCAN,
    pieces::{MAX_LOOKS, Pieces},
    scan::Scanner,
    slot::{Place, Statement, Tag, is_held, reaching},
    window::{NOWHERE, Passing, plan},
};

/// The programs at one capture point, and what they have seen.
pub(crate) struct Kernel {
    slots: File,
    switches: File,
    seed: u64,
    threshold: u32,
    /// Segments after which another flow takes the slot, and until then.
    evicted_after: u64,
    until_evicted: u64,
    /// Payload bytes that were copied, and that were there.
    pub(crate) copied: u64,
    pub(crate) seen: u64,
}

/// What is copied of a segment: from where to where, and whether the reader is
/// told that what stands before it was not.
pub(crate) type Part = (u32, u32, bool);

impl Kernel {
    pub(crate) fn new(
        slots: File,
        switches: File,
        seed: u64,
        threshold: u32,
        evicted_after: u64,
    ) -> Self {
        let until_evicted = evicted_after;
        Self { slots, switches, seed, threshold, evicted_after, until_evicted, copied: 0, seen: 0 }
    }

    fn read(&self, tag: Tag) -> [u64; 5] {
        let mut bytes = [0; 40];
        self.slots.read_exact_at(&mut bytes, u64::from(tag.index()) * 64).unwrap();
        let mut words = bytes.chunks_exact(8);
        [(); 5].map(|()| u64::from_ne_bytes(words.next().unwrap().try_into().unwrap()))
    }

    fn write(&self, tag: Tag, word: u64, value: u64) {
        let at = u64::from(tag.index()) * 64 + word * 8;
        self.slots.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    fn say(&self, tag: Tag, statement: Statement) {
        for (word, value) in (0..).zip(statement.sealed(tag)) {
            self.write(tag, word, value);
        }
        self.write(tag, 4, 0);
    }

    /// The switches of shard 0's port number 1.
    fn switches(&self) -> u8 {
        let mut byte = [0];
        self.switches.read_exact_at(&mut byte, 1).unwrap();
        byte[0]
    }

    /// What is copied of a segment; nothing when not even its headers are.
    pub(crate) fn pass(&mut self, segment: &Segment<'_>, server_port: u16) -> Vec<Part> {
        if self.evicted_after > 0 {
            self.until_evicted -= 1;
            if self.until_evicted == 0 {
                self.until_evicted = self.evicted_after;
                self.evict(self.tag(segment));
            }
        }
        let parts = self.parts(segment, server_port);
        self.seen += u64::from(segment.len);
        self.copied += parts.iter().map(|(from, to, _)| u64::from(to - from)).sum::<u64>();
        parts
    }

    /// Another flow begins, whose slot this is, too.
    fn evict(&self, tag: Tag) {
        let place = Place { interface: 2, egress: false, vlans: [0xffff; 2] };
        let other = Tag::new(self.seed, place, &[1, 2], 3, 4);
        let words = Statement::message(78, Some(77)).sealed(other);
        for (word, value) in (0..).zip(words) {
            self.write(tag, word, value);
        }
        self.write(tag, 3, 0);
        self.write(tag, 4, 0);
    }

    fn tag(&self, segment: &Segment<'_>) -> Tag {
        let word = |ip| match ip {
            std::net::IpAddr::V4(ip) => u32::from_ne_bytes(ip.octets()),
            std::net::IpAddr::V6(_) => unreachable!("the dialogues are between IPv4 ends"),
        };
        let addresses = [word(segment.source.ip), word(segment.destination.ip)];
        let place =
            Place { interface: segment.point.interface, egress: true, vlans: segment.point.vlans };
        Tag::new(self.seed, place, &addresses, segment.source.port, segment.destination.port)
    }

    fn parts(&self, segment: &Segment<'_>, server_port: u16) -> Vec<Part> {
        let all = vec![(0, segment.len, false)];
        let flags = segment.tcp.flags.0.to_be_bytes()[1];
        let tag = self.tag(segment);
        let [window, state, seal, reach, claims] = self.read(tag);
        let passing = Passing { sequence: segment.tcp.sequence, len: segment.len, flags };
        let ends = segment.tcp.flags.has(TcpFlags(7));
        if !ends && self.switches() & LOOK == 0 {
            return all;
        }
        let Some(known) = Statement::unsealed([window, state, seal], tag) else {
            if segment.tcp.flags.has(TcpFlags::SYN) && !is_held(state, claims) {
                let sequence = passing.sequence;
                self.say(tag, Statement::message(sequence.wrapping_add(1), Some(sequence)));
                self.write(tag, 3, 0);
            }
            return all;
        };
        let plan = plan(&known, &passing);
        let mut next = plan.next;
        let mut parts = vec![(plan.from, segment.len)];
        if segment.tcp.flags.has(TcpFlags::SYN) {
            self.write(tag, 3, 0);
        }
        if plan.shunted {
            let end = passing.sequence.wrapping_add(passing.len);
            self.write(tag, 3, reaching(reach, end));
        }
        if plan.look != NOWHERE {
            next = Statement::nothing(known.connection);
            if self.switches() & SCAN != 0 && segment.source.port == server_port {
                let pieces = Pieces::new(plan.from, plan.look);
                (next, parts) = self.look(&known, &passing, pieces, segment.bytes);
            }
        }
        if next != known {
            self.say(tag, next);
        }
        if plan.shunted {
            return Vec::new();
        }
        let mut told = plan.told;
        let told =
            parts.into_iter().map(|(from, to)| (from, to, std::mem::replace(&mut told, true)));
        told.collect()
    }

    fn look(
        &self,
        known: &Statement,
        passing: &Passing,
        mut pieces: Pieces,
        payload: &[u8],
    ) -> (Statement, Vec<(u32, u32)>) {
        let mut scanner = Scanner::new(known);
        let mut next = Statement::nothing(known.connection);
        let mut parts = Vec::new();
        for _ in 0..MAX_LOOKS {
            if pieces.look == NOWHERE {
                break;
            }
            let look = pieces.look;
            let bytes = &payload[look as usize..];
            for &byte in bytes.iter().take(scanner.reach() as usize) {
                if scanner.is_done() {
                    break;
                }
                scanner.step(byte);
            }
            let begin = passing.sequence.wrapping_add(look);
            let outlook =
                scanner.found(begin, self.threshold, known.connection).outlook(look, passing);
            if let Some(piece) = pieces.note(&outlook) {
                parts.push((piece.from, piece.from + piece.len));
            }
            next = outlook.next;
            scanner.restart(&next);
        }
        if pieces.look != NOWHERE {
            next = Statement::nothing(known.connection);
        }
        pieces.rest(passing.len);
        parts.extend(pieces.tail());
        (next, parts)
    }
}
