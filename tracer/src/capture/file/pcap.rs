//! The classic format: one header, then packets
//! (draft-ietf-opsawg-pcap).

use std::ops::Range;

use super::{Packet, endian::Endian, error::Damage, reader::Reader};
use crate::{capture::Direction, event::Timestamp};

/// Microseconds.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// Kuznetzov's format: longer packet headers.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;
/// IXIA's two: the length of the whole behind the header.
const MAGIC_IXIA: [u32; 2] = [0x1c00_01ac, 0x1c00_01ab];

/// Length of the file header.
const FILE_HEADER: usize = 24;
/// Length of a packet header.
const PACKET_HEADER: usize = 16;

/// Bits of the link type field that are the link type; above them stands how
/// long a frame check sequence is, which the IP length leaves out anyway.
const LINK_TYPE: u32 = 0x03ff_ffff;

/// A classic file, behind its header.
pub(super) struct Pcap {
    endian: Endian,
    /// Nanoseconds in the unit of the time stamps' second half.
    unit: u64,
    /// Number of the link type.
    pub(super) link_type: u32,
}

/// Whether a file with this magic is a classic one, and how it is written.
fn recognise(magic: [u8; 4]) -> Option<Result<(Endian, u64), Damage>> {
    [Endian::Big, Endian::Little].into_iter().find_map(|endian| match endian.u32(magic) {
        MAGIC => Some(Ok((endian, 1000))),
        MAGIC_NANO => Some(Ok((endian, 1))),
        MAGIC_MODIFIED => Some(Err(Damage::Variant("a pcap file of the modified kind"))),
        magic if MAGIC_IXIA.contains(&magic) => {
            Some(Err(Damage::Variant("a pcap file of IXIA's kind")))
        }
        _ => None,
    })
}

impl Pcap {
    /// Reads the file header if the magic is one of this format's.
    pub(super) fn open(magic: [u8; 4], reader: &mut Reader) -> Option<Result<Self, Damage>> {
        let recognised = recognise(magic)?;
        Some(recognised.and_then(|(endian, unit)| {
            let header = reader.take(FILE_HEADER)?;
            let [_, _, _, _, a0, a1, i0, i1, .., l0, l1, l2, l3] =
                reader.bytes(header).first_chunk::<FILE_HEADER>().copied().unwrap_or_default();
            let (major, minor) = (endian.u16([a0, a1]), endian.u16([i0, i1]));
            if major != 2 {
                return Err(Damage::Version { major, minor });
            }
            Ok(Self { endian, unit, link_type: endian.u32([l0, l1, l2, l3]) & LINK_TYPE })
        }))
    }

    /// Length of the packet at the front, if that much can be seen.
    pub(super) fn record_len(&self, bytes: &[u8]) -> Option<usize> {
        let [_, _, _, _, _, _, _, _, c0, c1, c2, c3, ..] = *bytes else { return None };
        usize::try_from(self.endian.u32([c0, c1, c2, c3])).ok()?.checked_add(PACKET_HEADER)
    }

    /// The next packet; `None` at the end of the file.
    pub(super) fn next(
        &self,
        reader: &mut Reader,
        interface: usize,
    ) -> Result<Option<Packet>, Damage> {
        let Some(header) = reader.header::<PACKET_HEADER>()? else { return Ok(None) };
        let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, o0, o1, o2, o3] = header;
        let captured = self.endian.u32([c0, c1, c2, c3]);
        let len = super::packet_len(captured)?;
        let Range { start, end } = reader.take(PACKET_HEADER + len)?;
        let seconds = u64::from(self.endian.u32([s0, s1, s2, s3]));
        let fraction = u64::from(self.endian.u32([f0, f1, f2, f3]));
        Ok(Some(Packet {
            time: Timestamp(seconds * 1_000_000_000 + fraction * self.unit),
            interface,
            direction: Direction::Unknown,
            wire_len: self.endian.u32([o0, o1, o2, o3]).max(captured),
            bytes: start + PACKET_HEADER..end,
        }))
    }
}
