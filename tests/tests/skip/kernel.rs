//! What the kernel side does with slots, by the same rule and over the same
//! memory.

use std::{fs::File, os::unix::fs::FileExt as _};

use tracer::capture::{Segment, TcpFlags};
use tracer_common::{
    LOOK, SCAN,
    scan::{SCAN_LEN, Scanner},
    slot::{Kind, Place, Statement, Tag, is_held, reaching},
    window::{NOWHERE, Passing, plan},
};

/// The programs at one capture point, and what they have seen.
pub(crate) struct Kernel {
    slots: File,
    switches: File,
    seed: u64,
    threshold: u32,
    /// Payload bytes that were copied, and that were there.
    pub(crate) copied: u64,
    pub(crate) seen: u64,
}

/// What is copied of a segment: from where to where, and whether the reader is
/// told that what stands before it was not.
pub(crate) type Part = (u32, u32, bool);

impl Kernel {
    pub(crate) fn new(slots: File, switches: File, seed: u64, threshold: u32) -> Self {
        Self { slots, switches, seed, threshold, copied: 0, seen: 0 }
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

    /// What becomes of a segment; `None` when nothing of it is copied.
    pub(crate) fn pass(&mut self, segment: &Segment<'_>, server_port: u16) -> Option<Part> {
        let part = self.part(segment, server_port);
        self.seen += u64::from(segment.len);
        self.copied += part.map_or(0, |(from, to, _)| u64::from(to - from));
        part
    }

    fn part(&self, segment: &Segment<'_>, server_port: u16) -> Option<Part> {
        let all = Some((0, segment.len, false));
        let flags = segment.tcp.flags.0.to_be_bytes()[1];
        let word = |ip| match ip {
            std::net::IpAddr::V4(ip) => u32::from_ne_bytes(ip.octets()),
            std::net::IpAddr::V6(_) => unreachable!("the dialogues are between IPv4 ends"),
        };
        let addresses = [word(segment.source.ip), word(segment.destination.ip)];
        let place =
            Place { interface: segment.point.interface, egress: true, vlans: segment.point.vlans };
        let ports = (segment.source.port, segment.destination.port);
        let tag = Tag::new(self.seed, place, &addresses, ports.0, ports.1);
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
        let (mut next, mut to) = (plan.next, segment.len);
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
                (next, to) = self.look(&known, &passing, plan.look, segment.bytes);
            }
        }
        if next != known {
            self.say(tag, next);
        }
        (!plan.shunted).then_some((plan.from.min(to), to, plan.told))
    }

    fn look(
        &self,
        known: &Statement,
        passing: &Passing,
        mut look: u32,
        payload: &[u8],
    ) -> (Statement, u32) {
        let mut scanner = Scanner::message();
        if known.kind == Kind::Announced {
            scanner = Scanner::announced(known.end.wrapping_sub(known.begin));
        }
        let mut found = (Statement::nothing(known.connection), passing.len);
        for _ in 0..4 {
            if look == NOWHERE {
                break;
            }
            found = (Statement::nothing(known.connection), passing.len);
            let bytes = payload.get(look as usize..).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            for &byte in bytes.iter().take(SCAN_LEN) {
                if scanner.is_done() {
                    break;
                }
                scanner.step(byte);
            }
            let begin = passing.sequence.wrapping_add(look);
            let outlook =
                scanner.found(begin, self.threshold, known.connection).outlook(look, passing);
            found = (outlook.next, outlook.to);
            look = outlook.look;
            scanner.restart(None);
        }
        found
    }
}
