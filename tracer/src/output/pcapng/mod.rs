//! Writes the captured packets down, for other analysers: `-w FILE`.
//!
//! Packets of a capture file keep their link type and all bytes that they have
//! there. Packets of the ring begin with the IP header and get a "cooked" one in
//! front, which says what is known of the frame: interface, direction, VLAN
//! tags, and whether it crossed the loopback.

mod block;
mod cooked;
mod file;
mod parts;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use hashbrown::HashMap;
use nix::sys::{signal::Signal, utsname::uname};

pub use self::file::{Error, PacketFile};
use self::{
    block::Statistics,
    cooked::{Cooked, LINKTYPE_LINUX_SLL2},
    parts::Parts,
};
use crate::{
    capture::{Direction, Segment},
    event::Timestamp,
    signals,
    stats::Outcomes,
};

/// The longest packet that is written: a longer one makes analysers take the
/// file for damaged. It is the limit of libpcap and of Wireshark; only packets
/// of BIG TCP exceed it, and are cut there.
const MAX_PACKET: usize = 256 * 1024;

/// Bytes after which blocks are written even when nobody flushes.
const BUFFER: usize = 256 * 1024;

/// A packet as it is written.
struct Packet<'a> {
    time: Timestamp,
    /// Number of its interface in the file.
    interface: u32,
    direction: Direction,
    /// What stands before the bytes.
    cooked: Option<Cooked>,
    bytes: Cow<'a, [u8]>,
    /// Bytes on the wire, from the first of `bytes` on.
    wire_len: u32,
}

/// An interface that the file describes.
struct Described {
    name: Arc<str>,
    packets: u64,
}

/// Writes packets into a file.
///
/// It never stops the tracing: after an error, which is logged at once, nothing
/// more is written, and [`Recorder::finish`] says so.
pub struct Recorder {
    file: PacketFile,
    buffer: Vec<u8>,
    interfaces: Vec<Described>,
    /// Numbers in the file, by number in the source and link type.
    numbers: HashMap<(u32, u32), u32>,
    parts: Parts,
    last: Timestamp,
    /// What is added to the times of packets.
    step: u64,
    is_broken: bool,
}

impl Recorder {
    /// Empties the file and begins to write.
    pub fn new(file: PacketFile) -> Self {
        let mut buffer = Vec::with_capacity(BUFFER + BUFFER / 4);
        let name = uname();
        let release = name.as_ref().map(|name| name.release().to_string_lossy());
        let release = release.unwrap_or_default();
        block::section(&mut buffer, format!("Linux {release}").trim_end());
        // Beyond a limit of the shell, a write fails as on a full disk.
        let begun = signals::ignore(Signal::SIGXFSZ).and_then(|()| file.begin());
        let mut recorder = Self {
            file,
            buffer,
            interfaces: Vec::new(),
            numbers: HashMap::new(),
            parts: Parts::default(),
            last: Timestamp::default(),
            step: 0,
            is_broken: false,
        };
        if let Err(error) = begun {
            recorder.break_off(&error);
        }
        recorder
    }

    /// Tells what is added to the times of packets from now on, because the
    /// clock was stepped; nanoseconds, which wrap.
    pub(crate) const fn set_clock_step(&mut self, nanoseconds: u64) {
        self.step = nanoseconds;
    }

    /// Takes the packet of a segment, or a part of it.
    pub fn segment(&mut self, segment: &Segment<'_>) {
        if self.is_broken {
            return;
        }
        let captured = &segment.captured;
        let packet = Packet {
            time: Timestamp(segment.time.0.wrapping_add(self.step)),
            interface: self.interface(segment),
            direction: segment.point.direction,
            cooked: captured.link_type.is_none().then(|| Cooked::new(segment)),
            bytes: captured.bytes.into(),
            wire_len: captured.wire_len,
        };
        if !segment.more && segment.offset == 0 {
            self.packet(&packet);
        } else if let Some(whole) = self.parts.add(packet, segment) {
            self.packet(&whole);
        }
    }

    /// The number in the file of a segment's interface, which is described when
    /// it is new or has another name.
    fn interface(&mut self, segment: &Segment<'_>) -> u32 {
        let link_type = segment.captured.link_type.unwrap_or(LINKTYPE_LINUX_SLL2);
        let key = (segment.captured.interface, link_type);
        let name = &segment.interface.name;
        let known = self.numbers.get(&key).copied().filter(|number| {
            let described = usize::try_from(*number).ok().and_then(|at| self.interfaces.get(at));
            described.is_some_and(|described| described.name == *name)
        });
        known.unwrap_or_else(|| {
            let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
            block::interface(&mut self.buffer, name, link_type);
            self.interfaces.push(Described { name: Arc::clone(name), packets: 0 });
            self.numbers.insert(key, number);
            number
        })
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        block::packet(&mut self.buffer, packet);
        let described = usize::try_from(packet.interface).ok();
        if let Some(described) = described.and_then(|at| self.interfaces.get_mut(at)) {
            described.packets += 1;
        }
        self.last = self.last.max(packet.time);
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    /// Writes what was taken so far, so that who follows the file sees it.
    pub fn flush(&mut self) {
        if self.is_broken || self.buffer.is_empty() {
            return;
        }
        let written = self.file.append(&self.buffer);
        self.buffer.clear();
        if let Err(error) = written {
            self.break_off(&error);
        }
    }

    /// Ends the file with what is known of its interfaces. False when it does
    /// not hold all packets.
    pub fn finish(&mut self, outcomes: &Outcomes) -> bool {
        if self.is_broken {
            return false;
        }
        while let Some(packet) = self.parts.left() {
            self.packet(&packet);
        }
        let lost = outcomes.lost;
        let comment = format!(
            "lost on all interfaces: {} ring full, {} unreadable",
            lost.ring_full, lost.unreadable
        );
        let is_only = self.interfaces.len() == 1;
        for (interface, described) in (0..).zip(&self.interfaces) {
            block::statistics(
                &mut self.buffer,
                &Statistics {
                    interface,
                    packets: described.packets,
                    end: self.last,
                    lost: is_only.then_some(lost.ring_full + lost.unreadable),
                    comment: &comment,
                },
            );
        }
        self.flush();
        if !self.is_broken {
            let packets: u64 = self.interfaces.iter().map(|described| described.packets).sum();
            log::info!("{packets} packets written to {}", self.file.path().display());
        }
        !self.is_broken
    }

    fn break_off(&mut self, error: &std::io::Error) {
        self.is_broken = true;
        self.buffer = Vec::new();
        let path = self.file.path().display();
        log::error!("writing {path}: {error}; it gets no more packets, and tracing goes on");
    }
}
