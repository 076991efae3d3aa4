//! Capture files, pcap and pcapng, as a source of segments.

mod endian;
mod error;
mod interfaces;
mod pcap;
mod pcapng;
mod reader;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, io::Read, mem, num::NonZeroU64, ops::Range};

use tracer_common::Outcome;

use self::{
    interfaces::{Interfaces, Known},
    pcap::Pcap,
    pcapng::Pcapng,
    reader::Reader,
};
use super::{
    Captured, Direction, Point, Segment, Source, Status,
    link::Frame,
    packet::Selection,
    unwrap::{Unwrapped, Unwrapper},
};
use crate::{event::Timestamp, selection::Directions, stats::Outcomes};

pub use error::{Damage, Error};

/// The longest packet that is believed: twice the kernel's largest
/// (`GSO_MAX_SIZE`, 512 KiB), four times what libpcap writes.
const MAX_PACKET: u32 = 1024 * 1024;

/// Marks the number of a point that is an interface index on the host that
/// captured, so that it differs from those that are numbers in the file.
const HOST_INDEX: u32 = 1 << 31;

/// The compressed format that is read (RFC 1952 section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Compressed formats that captures come in, too; gzip is one of them within
/// gzip.
const COMPRESSED: [(&[u8], &str, &str); 4] = [
    (GZIP, "gzip", "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstd"),
    (&[0xfd, b'7', b'z', b'X'], "xz", "xz"),
    (b"BZh", "bzip2", "bzip2"),
];

/// A packet of a file.
struct Packet {
    time: Timestamp,
    /// Index in the list of interfaces.
    interface: usize,
    direction: Direction,
    /// Bytes on the wire.
    wire_len: u32,
    /// Where the captured bytes stand in the reader's buffer.
    bytes: Range<usize>,
}

/// The captured length of a packet, if it can be.
fn packet_len(captured: u32) -> Result<usize, Damage> {
    usize::try_from(captured)
        .ok()
        .filter(|_| captured <= MAX_PACKET)
        .ok_or(Damage::PacketLength(captured))
}

/// Capture files, read one after the other as the parts of one capture: a flow
/// goes on from one to the next.
///
/// A file that is damaged, or whose link type is unknown, makes one call of
/// [`read`](Source::read) fail; the next call goes on with the next file.
pub struct FileSource {
    files: VecDeque<(String, Box<dyn Read + Send>)>,
    current: Option<Current>,
    /// What [`FileSource::begin`] has found.
    pending: Option<Result<Option<Packet>, Error>>,
    interfaces: Interfaces,
    unwrapper: Unwrapper,
    outcomes: Outcomes,
    /// Packets read so far.
    frames: u64,
}

/// The file that is being read.
struct Current {
    name: String,
    reader: Reader,
    format: Option<Format>,
    /// Interface that cannot be read, and packets of it and its like.
    left_out: Option<(u32, u32, u64)>,
}

enum Format {
    Pcap(Pcap, usize),
    Pcapng(Pcapng),
}

impl FileSource {
    /// Files with the names to use in messages. Nothing is read yet.
    pub fn new(
        files: impl IntoIterator<Item = (String, Box<dyn Read + Send>)>,
        selection: Selection,
    ) -> Self {
        Self {
            files: files.into_iter().collect(),
            current: None,
            pending: None,
            interfaces: Interfaces::default(),
            unwrapper: Unwrapper::new(selection),
            outcomes: Outcomes::default(),
            frames: 0,
        }
    }

    /// Packets of these directions only. A file with packets that do not say
    /// theirs fails at its end.
    #[must_use]
    pub fn with_directions(mut self, directions: Directions) -> Self {
        self.unwrapper.directions = directions;
        self
    }

    /// Reads up to the first packet, wanted or not, and returns its time.
    /// `None` if there is none; [`read`](Source::read) says why.
    pub fn begin(&mut self) -> Option<Timestamp> {
        let first = self.next();
        let time = first.as_ref().ok().and_then(|packet| Some(packet.as_ref()?.time));
        self.pending = Some(first);
        time
    }

    /// The next packet of the files; `None` behind the last.
    fn next(&mut self) -> Result<Option<Packet>, Error> {
        loop {
            if self.current.is_none() {
                self.current = self.files.pop_front().map(|(name, input)| Current {
                    name,
                    reader: Reader::new(input),
                    format: None,
                    left_out: None,
                });
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let ended = match current.next(&mut self.interfaces) {
                Ok(Some(packet)) => return Ok(Some(packet)),
                Ok(None) => Ok(()),
                Err(damage) => Err(damage),
            };
            let undirected = mem::take(&mut self.unwrapper.undirected);
            let ended = ended.and_then(|()| current.complete(undirected));
            let error = ended.err().map(|damage| current.error(damage));
            self.current = None;
            if let Some(error) = error {
                return Err(error);
            }
        }
    }

    /// Hands over a packet's segment, or counts why there is none.
    fn packet(&mut self, packet: &Packet, each: &mut dyn FnMut(&Segment<'_>)) {
        let Self { current: Some(current), interfaces, unwrapper, outcomes, frames, .. } = self
        else {
            return;
        };
        *frames += 1;
        let Some(known) = interfaces.get(packet.interface) else { return };
        let Some(link_type) = known.link_type else {
            let (.., packets) =
                current.left_out.get_or_insert((known.number, known.link_number, 0));
            *packets += 1;
            outcomes.count(Outcome::NotSelected, 1);
            return;
        };
        let bytes = current.reader.bytes(packet.bytes.clone());
        let seen = Seen { packet, known, bytes, frame: NonZeroU64::new(*frames) };
        let told = (packet.time, packet.direction);
        let outcome = match unwrapper.usual(link_type, bytes, packet.wire_len, told.1) {
            Some(Ok(unwrapped)) => {
                each(&seen.segment(&unwrapped));
                unwrapped.outcome()
            }
            Some(Err(outcome)) => outcome,
            None => unwrapper.frame(link_type, bytes, packet.wire_len, told, &mut |unwrapped| {
                each(&seen.segment(unwrapped));
            }),
        };
        outcomes.count(outcome, 1);
    }
}

/// A packet and what is known of it.
struct Seen<'a> {
    packet: &'a Packet,
    known: &'a Known,
    /// The frame.
    bytes: &'a [u8],
    frame: Option<NonZeroU64>,
}

impl<'a> Seen<'a> {
    /// The segment that was found in it.
    #[inline]
    fn segment<'s>(&self, unwrapped: &Unwrapped<'s>) -> Segment<'s>
    where
        'a: 's,
    {
        let Self { packet, known, bytes, frame: number } = *self;
        let Unwrapped { frame, headers, payload, rebuilt, tunnel } = unwrapped;
        Segment {
            time: packet.time,
            point: point(packet, frame, *tunnel),
            interface: interface(known, frame.loopback),
            vlan: frame.vlan,
            source: headers.source,
            destination: headers.destination,
            tcp: headers.tcp,
            len: headers.payload_len,
            offset: 0,
            bytes: payload,
            more: false,
            lost: 0,
            captured: captured(packet, known, bytes, *rebuilt),
            shunted: false,
            frame: number,
        }
    }
}

/// Where a packet was seen; each tunnel is a point of its own.
fn point(packet: &Packet, frame: &Frame<'_>, tunnel: u32) -> Point {
    let interface = match frame.interface {
        Some(index) => index | HOST_INDEX,
        None => u32::try_from(packet.interface).unwrap_or(HOST_INDEX - 1),
    };
    Point { interface: interface ^ tunnel, direction: frame.direction, vlans: [0; 2] }
}

/// What there is to write down of a packet: its frame, or what its fragments
/// made.
fn captured<'a>(
    packet: &Packet,
    known: &Known,
    frame: &'a [u8],
    rebuilt: Option<&'a [u8]>,
) -> Captured<'a> {
    let interface = u32::try_from(packet.interface).unwrap_or(u32::MAX);
    match rebuilt {
        Some(bytes) => Captured {
            interface,
            link_type: None,
            bytes,
            wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        },
        None => Captured {
            interface,
            link_type: Some(known.link_number),
            bytes: frame,
            wire_len: packet.wire_len,
        },
    }
}

const fn interface(known: &Known, loopback: bool) -> &super::Interface {
    if loopback { &known.looped } else { &known.interface }
}

impl Current {
    /// Whether all packets could be looked at, of which so many did not say
    /// their direction although that was asked for.
    fn complete(&self, undirected: u64) -> Result<(), Damage> {
        match self.left_out {
            Some((interface, number, packets)) => {
                Err(Damage::LeftOut { interface, number, packets })
            }
            None if undirected > 0 => Err(Damage::Undirected(undirected)),
            None => Ok(()),
        }
    }

    fn next(&mut self, interfaces: &mut Interfaces) -> Result<Option<Packet>, Damage> {
        let Self { reader, format, .. } = self;
        reader.mark();
        let format = match format {
            Some(format) => format,
            None => format.insert(open(reader, interfaces)?),
        };
        reader.mark();
        match format {
            Format::Pcap(pcap, interface) => pcap.next(reader, *interface),
            Format::Pcapng(pcapng) => pcapng.next(reader, interfaces),
        }
    }

    /// The next packet, where it is in the buffer and nothing else stands before
    /// it: nearly all of them.
    #[inline]
    fn at_hand(&mut self) -> Option<Packet> {
        match &mut self.format {
            Some(Format::Pcap(pcap, interface)) => pcap.at_hand(&mut self.reader, *interface),
            Some(Format::Pcapng(pcapng)) => pcapng.at_hand(&mut self.reader),
            None => None,
        }
    }

    /// Whether the next packet can be had without waiting for the input.
    fn is_ready(&self) -> bool {
        let buffered = self.reader.buffered();
        let len = match &self.format {
            None => None,
            Some(Format::Pcap(pcap, _)) => pcap.record_len(buffered),
            Some(Format::Pcapng(pcapng)) => pcapng.record_len(buffered),
        };
        len.is_some_and(|len| len <= buffered.len())
    }

    fn error(&self, damage: Damage) -> Error {
        let offset = match damage {
            Damage::LeftOut { .. } | Damage::Undirected(_) => 0,
            _ => self.reader.marked(),
        };
        Error { file: self.name.clone(), offset, damage }
    }
}

/// Recognises the format and reads the header of the file.
fn open(reader: &mut Reader, interfaces: &mut Interfaces) -> Result<Format, Damage> {
    if reader.peek(GZIP.len())?.starts_with(GZIP) {
        reader.decompress();
    }
    let begin = reader.peek(4)?;
    if begin.is_empty() {
        return Err(Damage::Empty);
    }
    for (magic, name, tool) in COMPRESSED {
        if begin.starts_with(magic) {
            return Err(Damage::Compressed { name, tool });
        }
    }
    let magic = *begin.first_chunk().ok_or(Damage::Unknown)?;
    if let Some(pcapng) = Pcapng::open(magic) {
        return Ok(Format::Pcapng(pcapng));
    }
    let pcap = Pcap::open(magic, reader).ok_or(Damage::Unknown)??;
    let index = interfaces.add(0, None, pcap.link_type)?;
    match interfaces.get(index) {
        Some(known) if known.link_type.is_some() => Ok(Format::Pcap(pcap, index)),
        _ => Err(Damage::LinkType(pcap.link_type)),
    }
}

impl Source for FileSource {
    type Error = Error;

    /// A batch ends where the input would have to be waited for, so that what
    /// came through a pipe is told of at once.
    fn read(&mut self, each: &mut dyn FnMut(&Segment<'_>)) -> Result<Status, Error> {
        let mut next = match self.pending.take() {
            Some(pending) => pending,
            None => self.next(),
        };
        loop {
            match next? {
                Some(packet) => self.packet(&packet, each),
                None => return Ok(Status::End),
            }
            while let Some(packet) = self.current.as_mut().and_then(Current::at_hand) {
                self.packet(&packet, each);
            }
            if !self.current.as_ref().is_some_and(Current::is_ready) {
                return Ok(Status::More);
            }
            next = self.next();
        }
    }

    fn outcomes(&self) -> Outcomes {
        self.outcomes
    }
}
