//! The user side of the slots: says in mapped memory what the kernel side need
//! not copy.

mod memory;

use std::{
    mem,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use tracer_common::{
    ANY, LOOK, SCAN,
    scan::chunk_from,
    slot::{Kind, MAX_SPAN, Place, Statement, Tag, is_held},
    window::STRIDE,
};

pub use self::memory::SlotMemory;
use super::Direction;
use crate::{
    decode::Behind,
    flow::{Heading, Known, Windows},
};

/// Large bodies of a port's servers, in units of the threshold, from which on
/// the kernel side scans their heads, each of which counts one less.
const SCAN_FROM: u32 = 32;

/// The most that is counted, so that a port on which bodies have become small
/// is not scanned for much longer.
const MOST: u32 = 512;

/// Heads that are scanned on a port of which nothing is known yet, so that a
/// large body is followed from a connection's first response on.
const CREDIT: u32 = 64;

/// Ticks after which statements about a port's bytes are held for used up: the
/// kernel side stops looking for them.
const QUIET_TICKS: u8 = 30;

/// What is known of a traced port.
#[derive(Clone, Copy)]
struct Port {
    number: u8,
    /// See [`SCAN_FROM`].
    score: u32,
    /// Ticks since bytes were said to stay uncopied, or as many as it takes.
    quiet: u8,
}

impl Port {
    /// A port of which nothing was said.
    const fn new(number: u8) -> Self {
        Self { number, score: 0, quiet: QUIET_TICKS }
    }

    /// The port's switches, which stood at `before`.
    const fn switches(self, before: u8) -> u8 {
        if self.score >= SCAN_FROM || before & SCAN != 0 && self.score > 0 {
            LOOK | SCAN
        } else if self.score > 0 || self.quiet < QUIET_TICKS {
            LOOK
        } else {
            0
        }
    }
}

/// What a shard tells of its flows.
pub struct MappedWindows {
    memory: Arc<SlotMemory>,
    shard: usize,
    seed: u64,
    threshold: u32,
    /// Traced ports and what is known of them.
    ports: Vec<(u16, Port)>,
}

impl MappedWindows {
    /// For the flows of a shard. `ports` are the traced ports with their
    /// numbers, and bodies are told of from `threshold` bytes on.
    pub fn new(
        memory: Arc<SlotMemory>,
        shard: usize,
        seed: u64,
        threshold: u32,
        ports: impl IntoIterator<Item = (u16, u8)>,
    ) -> Self {
        let ports = ports.into_iter();
        let ports = ports.map(|(port, number)| (port, Port::new(number)));
        Self { memory, shard, seed, threshold, ports: ports.collect() }
    }

    /// Has the kernel side scan the first responses on these ports, before it is
    /// known whether their bodies are large.
    #[must_use]
    pub fn scanning(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        for port in ports {
            self.scan(port);
        }
        self
    }

    fn scan(&mut self, number: u16) {
        if let Some((_, port)) = self.ports.iter_mut().find(|(of, _)| *of == number) {
            port.score = CREDIT;
            let port = *port;
            self.throw(port);
        }
    }

    /// Throws the switches of a port, and of all.
    fn throw(&self, port: Port) {
        self.memory.throw(self.shard, 0, |_| ANY);
        self.memory.throw(self.shard, port.number, |before| port.switches(before));
    }

    /// Counts what a port's servers send, and throws its switches.
    fn note(&mut self, heading: &Heading, known: Known) {
        let threshold = u64::from(self.threshold);
        let port = self.ports.iter_mut().find(|(of, _)| *of == heading.port);
        let Some((_, port)) = port else { return };
        if !matches!(known, Known::Message { .. }) {
            port.quiet = 0;
        }
        match known {
            Known::Skip { bytes, .. } if heading.source.port == heading.port => {
                let worth = u32::try_from(bytes / threshold.max(1)).unwrap_or(u32::MAX);
                port.score = port.score.saturating_add(16).saturating_add(worth).min(MOST);
            }
            Known::Message { .. } => port.score = port.score.saturating_sub(1),
            Known::Skip { .. } | Known::Stop { .. } => {}
        }
        let port = *port;
        self.throw(port);
    }

    fn tag(&self, heading: &Heading) -> Tag {
        let Heading { point, source, destination, .. } = *heading;
        let place = Place {
            interface: point.interface,
            egress: point.direction == Direction::Egress,
            vlans: point.vlans,
        };
        let ports = (source.port, destination.port);
        let word = |bytes: &[u8], at: usize| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            u32::from_ne_bytes(word.unwrap_or_default())
        };
        match (source.ip, destination.ip) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let words = [from, to].map(|address| u32::from_ne_bytes(address.octets()));
                Tag::new(self.seed, place, &words, ports.0, ports.1)
            }
            (from, to) => {
                let octets = [from, to].map(|address| match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                    IpAddr::V6(address) => address.octets(),
                });
                let mut words = [0; 8];
                for (at, word_of) in words.iter_mut().enumerate() {
                    *word_of = word(octets.as_flattened(), at * 4);
                }
                Tag::new(self.seed, place, &words, ports.0, ports.1)
            }
        }
    }
}

/// How far `to` lies ahead of `from`.
const fn ahead(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// What a slot is to say that says `known` of the flow; `None` when that says
/// as much, or is of another connection.
fn better(known: Option<Statement>, connection: Option<u32>, told: Known) -> Option<Statement> {
    let connection = match known {
        Some(Statement { connection: Some(known), .. }) if connection == Some(known) => connection,
        // The kernel has seen a SYN that the flow did not come from.
        Some(Statement { connection: Some(_), .. }) => return None,
        _ => connection,
    };
    let new = match told {
        Known::Skip { begin, end, behind, .. } => {
            let kind = match behind {
                Behind::Unknown => Kind::Window,
                Behind::Message => Kind::Body,
                Behind::Chunk => Kind::Chunk,
            };
            Statement::about(kind, begin, end, connection)
        }
        Known::Stop { begin } => {
            Statement::about(Kind::Stop, begin, begin.wrapping_add(STRIDE), connection)
        }
        Known::Message { begin } => Statement::message(begin, connection),
    };
    let Some(known) = known else { return Some(new) };
    let same_end = known.end == new.end;
    match (known.kind, new.kind) {
        (Kind::Nothing, _) => Some(new),
        (Kind::Stop, Kind::Stop) => None,
        // There is a body after all, or it is now known what follows it.
        (Kind::Announced, Kind::Window | Kind::Body) | (Kind::Window, Kind::Body) if same_end => {
            Some(Statement { kind: Kind::Body, ..known })
        }
        (Kind::Window, Kind::Chunk) if same_end => Some(Statement { kind: new.kind, ..known }),
        (Kind::Body | Kind::Window | Kind::Chunk, Kind::Body | Kind::Window | Kind::Chunk)
            if same_end =>
        {
            None
        }
        // The kernel is farther than the records of it that were read.
        (_, Kind::Window | Kind::Body | Kind::Chunk | Kind::Message)
            if ahead(new.begin, known.begin) > 0 =>
        {
            None
        }
        (Kind::Message, Kind::Message) if same_end => None,
        (Kind::Body | Kind::Window | Kind::Chunk, Kind::Message)
            if ahead(new.begin, known.end) > 0 =>
        {
            None
        }
        _ => Some(new),
    }
}

impl Windows for MappedWindows {
    fn threshold(&self, behind: Behind) -> u64 {
        u64::from(match behind {
            Behind::Chunk => chunk_from(self.threshold),
            Behind::Message | Behind::Unknown => self.threshold,
        })
    }

    fn reach(&self) -> u32 {
        MAX_SPAN
    }

    fn follows(&self, port: u16) -> bool {
        let known = self.ports.iter().find(|(of, _)| *of == port);
        known.is_some_and(|(_, port)| port.score > 0)
    }

    fn tell(&mut self, heading: &Heading, known: Known) {
        self.note(heading, known);
        let tag = self.tag(heading);
        let slot = self.memory.slot(tag);
        let Some((words, said)) = slot.settled(tag) else { return };
        let claims = slot.claims();
        if said.is_none() && is_held(words[1], claims.load(Ordering::Relaxed)) {
            claims.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some(statement) = better(said, heading.connection, known) {
            slot.write(words, said.is_some(), statement, tag);
        }
    }

    fn hidden(&self, heading: &Heading) -> Option<u32> {
        let tag = self.tag(heading);
        let slot = self.memory.slot(tag);
        let (_, said) = slot.settled(tag)?;
        let said = said?;
        let same = said.connection == heading.connection || said.connection.is_none();
        slot.reach().filter(|_| same)
    }

    fn tick(&mut self) {
        for (_, port) in &mut self.ports {
            port.quiet = port.quiet.saturating_add(1);
            if port.quiet == QUIET_TICKS {
                port.score = 0;
                self.memory.throw(self.shard, port.number, |_| 0);
            }
        }
    }

    fn trace(&mut self, ports: &[(u16, u8)], responding: &[u16]) {
        let before = mem::take(&mut self.ports);
        for (_, port) in &before {
            if !ports.iter().any(|(_, number)| *number == port.number) {
                self.memory.throw(self.shard, port.number, |_| 0);
            }
        }
        for &(port, number) in ports {
            let known = before.iter().find(|(of, known)| *of == port && known.number == number);
            self.ports.push((port, known.map_or_else(|| Port::new(number), |(_, known)| *known)));
            if known.is_none() && responding.contains(&port) {
                self.scan(port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKIP: Known =
        Known::Skip { begin: 1000, end: 9000, bytes: 8000, behind: Behind::Unknown };
    const BODY: Known =
        Known::Skip { begin: 1000, end: 9000, bytes: 8000, behind: Behind::Message };
    const CHUNK: Known = Known::Skip { begin: 1000, end: 9000, bytes: 8000, behind: Behind::Chunk };
    const MESSAGE: Known = Known::Message { begin: 1000 };

    fn said(kind: Kind, begin: u32, end: u32) -> Statement {
        Statement::about(kind, begin, end, Some(7))
    }

    /// What is said in the place of what was said of the same connection.
    fn instead(known: Statement, told: Known) -> Option<Statement> {
        better(Some(known), Some(7), told)
    }

    #[test]
    fn what_is_told_is_said_of_the_connection_that_it_is_about_alone() {
        let window = Some(said(Kind::Window, 1000, 9000));
        assert_eq!(better(Some(Statement::nothing(Some(7))), Some(7), SKIP), window);
        assert_eq!(better(None, Some(7), SKIP), window);
        // The ports were taken by another connection while the record waited.
        assert_eq!(better(Some(Statement::nothing(Some(8))), Some(7), SKIP), None);
        assert_eq!(better(Some(said(Kind::Message, 1000, 1000)), None, SKIP), None);
    }

    #[test]
    fn who_knows_more_is_not_contradicted() {
        // The kernel knows the same body, and that a message follows.
        assert_eq!(instead(said(Kind::Body, 900, 9000), SKIP), None);
        assert_eq!(
            instead(said(Kind::Announced, 900, 9000), SKIP),
            Some(said(Kind::Body, 900, 9000))
        );
        let body = Some(said(Kind::Body, 900, 9000));
        assert_eq!(instead(said(Kind::Announced, 900, 9000), BODY), body);
        assert_eq!(instead(said(Kind::Window, 900, 9000), BODY), body);
        assert_eq!(instead(said(Kind::Body, 900, 9000), BODY), None);
        let behind = Some(said(Kind::Body, 1000, 9000));
        assert_eq!(instead(said(Kind::Message, 500, 500), BODY), behind);
        // It is farther than the reader.
        for kind in [Kind::Body, Kind::Message, Kind::Announced, Kind::Window] {
            assert_eq!(instead(said(kind, 9100, 9900), SKIP), None, "{kind:?}");
            assert_eq!(instead(said(kind, 9100, 9900), BODY), None, "{kind:?}");
            assert_eq!(instead(said(kind, 9100, 9900), MESSAGE), None, "{kind:?}");
        }
        for kind in [Kind::Chunk, Kind::Within] {
            assert_eq!(instead(said(kind, 9100, 9900), CHUNK), None, "{kind:?}");
        }
        assert_eq!(instead(said(Kind::Chunk, 900, 9000), CHUNK), None);
        let chunk = Some(said(Kind::Chunk, 900, 9000));
        assert_eq!(instead(said(Kind::Window, 900, 9000), CHUNK), chunk);
        assert_eq!(instead(said(Kind::Chunk, 900, 9000), MESSAGE), None);
        let chunk = Some(said(Kind::Chunk, 1000, 9000));
        assert_eq!(instead(said(Kind::Within, 500, 500), CHUNK), chunk);
        // Or has lost its way behind.
        assert_eq!(
            instead(said(Kind::Message, 500, 500), SKIP),
            Some(said(Kind::Window, 1000, 9000))
        );
        let message = said(Kind::Message, 1000, 1000);
        assert_eq!(instead(said(Kind::Window, 500, 900), MESSAGE), Some(message));
        assert_eq!(instead(message, MESSAGE), None);
        let stop = Known::Stop { begin: 1000 };
        assert_eq!(instead(message, stop).unwrap().kind, Kind::Stop);
        assert_eq!(instead(said(Kind::Stop, 500, 500 + STRIDE), stop), None);
    }
}
