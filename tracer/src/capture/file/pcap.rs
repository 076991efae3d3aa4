//! The classic format: one header, then packets
//! (draft-ietf-opsawg-pcap).

use std::ops::Range;

use super::{Packet, endian::Endian, error::Damage, reader::Reader};
use crate::{capture::Direction, event::Timestamp};

/// Microseconds.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// Kuznetzov's format: interface, protocol and packet type behind each packet
/// header.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;
/// IXIA's two, of its hardware and its software: the length of all packets
/// behind the file header.
const MAGIC_IXIA: [u32; 2] = [0x1c00_01ac, 0x1c00_01ab];

/// Length of the file header.
const FILE_HEADER: usize = 24;
/// Length of the file header of IXIA's kinds.
const IXIA_FILE_HEADER: usize = 28;
/// Length of a packet header.
const PACKET_HEADER: usize = 16;
/// What Kuznetzov's format adds to it.
const MODIFIED_FIELDS: usize = 8;

/// Bits of the link type field that are the link type; above them stands how
/// long a frame check sequence is, which the IP length leaves out anyway.
const LINK_TYPE: u32 = 0x03ff_ffff;

/// A classic file, behind its header.
pub(super) struct Pcap {
    endian: Endian,
    /// Nanoseconds in the unit of the time stamps' second half.
    unit: u64,
    /// Length of a packet's header.
    packet_header: usize,
    /// Number of the link type.
    pub(super) link_type: u32,
}

/// How the file with this magic is written: byte order, nanoseconds in a unit,
/// lengths of the file header and of packet headers. `None` if it is not a
/// classic one.
fn recognise(magic: [u8; 4]) -> Option<(Endian, u64, usize, usize)> {
    [Endian::Big, Endian::Little].into_iter().find_map(|endian| {
        let (unit, file_header, packet_header) = match endian.u32(magic) {
            MAGIC => (1000, FILE_HEADER, PACKET_HEADER),
            MAGIC_NANO => (1, FILE_HEADER, PACKET_HEADER),
            MAGIC_MODIFIED => (1000, FILE_HEADER, PACKET_HEADER + MODIFIED_FIELDS),
            magic if MAGIC_IXIA.contains(&magic) => (1000, IXIA_FILE_HEADER, PACKET_HEADER),
            _ => return None,
        };
        Some((endian, unit, file_header, packet_header))
    })
}

impl Pcap {
    /// Reads the file header if the magic is one of this format's.
    pub(super) fn open(magic: [u8; 4], reader: &mut Reader) -> Option<Result<Self, Damage>> {
        let (endian, unit, file_header, packet_header) = recognise(magic)?;
        Some(reader.take(file_header).and_then(|header| {
            let [_, _, _, _, a0, a1, i0, i1, .., l0, l1, l2, l3] =
                reader.bytes(header).first_chunk::<FILE_HEADER>().copied().unwrap_or_default();
            let (major, minor) = (endian.u16([a0, a1]), endian.u16([i0, i1]));
            if major != 2 {
                return Err(Damage::Version { major, minor });
            }
            let link_type = endian.u32([l0, l1, l2, l3]) & LINK_TYPE;
            Ok(Self { endian, unit, packet_header, link_type })
        }))
    }

    /// Length of the packet at the front, if that much can be seen.
    pub(super) fn record_len(&self, bytes: &[u8]) -> Option<usize> {
        let [_, _, _, _, _, _, _, _, c0, c1, c2, c3, ..] = *bytes else { return None };
        usize::try_from(self.endian.u32([c0, c1, c2, c3])).ok()?.checked_add(self.packet_header)
    }

    /// The next packet; `None` at the end of the file.
    pub(super) fn next(
        &self,
        reader: &mut Reader,
        interface: usize,
    ) -> Result<Option<Packet>, Damage> {
        let Some(header) = reader.header::<PACKET_HEADER>()? else { return Ok(None) };
        let [_, _, _, _, _, _, _, _, c0, c1, c2, c3, ..] = header;
        let len = super::packet_len(self.endian.u32([c0, c1, c2, c3]))?;
        let range = reader.take(self.packet_header + len)?;
        Ok(Some(self.packet(header, range, interface)))
    }

    /// The next packet, if all of it was read from the input.
    pub(super) fn at_hand(&self, reader: &mut Reader, interface: usize) -> Option<Packet> {
        let header = *reader.buffered().first_chunk::<PACKET_HEADER>()?;
        let [_, _, _, _, _, _, _, _, c0, c1, c2, c3, ..] = header;
        let len = super::packet_len(self.endian.u32([c0, c1, c2, c3])).ok()?;
        let range = reader.take_buffered(self.packet_header + len)?;
        Some(self.packet(header, range, interface))
    }

    /// The packet with that header, which stands with it in that range.
    fn packet(&self, header: [u8; PACKET_HEADER], range: Range<usize>, interface: usize) -> Packet {
        let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, o0, o1, o2, o3] = header;
        let captured = self.endian.u32([c0, c1, c2, c3]);
        let seconds = u64::from(self.endian.u32([s0, s1, s2, s3]));
        let fraction = u64::from(self.endian.u32([f0, f1, f2, f3]));
        Packet {
            time: Timestamp(seconds * 1_000_000_000 + fraction * self.unit),
            interface,
            direction: Direction::Unknown,
            wire_len: self.endian.u32([o0, o1, o2, o3]).max(captured),
            bytes: range.start + self.packet_header..range.end,
        }
    }
}
