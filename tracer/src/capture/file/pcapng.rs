//! The block format (draft-ietf-opsawg-pcapng): sections, interfaces, packets,
//! and blocks that are passed over.

use std::ops::Range;

use super::{
    MAX_PACKET, Packet,
    endian::Endian,
    error::Damage,
    interfaces::{Interfaces, MAX_INTERFACES},
    reader::Reader,
};
use crate::{capture::Direction, event::Timestamp};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// Obsolete, but written by old programs.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Block type and total length; the total length again stands behind.
const BLOCK_HEADER: usize = 8;
const BLOCK_TRAILER: usize = 4;
const BLOCK_FRAME: u32 = 12;
/// Magic, version and section length behind a section's block header.
const SECTION_FIELDS: usize = 16;

/// The largest block that is held: a packet with options, each of which has at
/// most 64 KiB. Blocks of other types are never held and may have any length.
const MAX_BLOCK: u32 = MAX_PACKET + 256 * 1024;

const OPTION_IF_NAME: u16 = 2;
const OPTION_IF_TSRESOL: u16 = 9;
const OPTION_IF_TSOFFSET: u16 = 14;
/// `epb_flags`, and `pack_flags` of the obsolete block.
const OPTION_FLAGS: u16 = 2;

/// A file of sections.
pub(super) struct Pcapng {
    /// Byte order of the section.
    endian: Endian,
    /// What the section has described.
    interfaces: Vec<Described>,
    /// Time of the newest packet, for those that bear none.
    last: Timestamp,
}

/// An interface of the section.
struct Described {
    /// Index in the list of all interfaces.
    index: usize,
    /// Longest capture; 0 for no limit.
    snap_len: u32,
    clock: Clock,
}

/// How an interface counts time.
struct Clock {
    /// Nanoseconds in a unit: this over that.
    nanoseconds: u128,
    divisor: u128,
    /// Seconds to be added.
    offset: i64,
}

impl Pcapng {
    /// Recognises the format by the first four bytes.
    pub(super) fn open(magic: [u8; 4]) -> Option<Self> {
        (u32::from_be_bytes(magic) == SECTION_HEADER).then(|| Self {
            endian: Endian::Big,
            interfaces: Vec::new(),
            last: Timestamp::default(),
        })
    }

    /// Length of the block at the front, if that much can be seen.
    pub(super) fn record_len(&self, bytes: &[u8]) -> Option<usize> {
        let [_, _, _, _, l0, l1, l2, l3, ..] = *bytes else { return None };
        usize::try_from(self.endian.u32([l0, l1, l2, l3])).ok()
    }

    /// The next packet; `None` at the end of the file.
    pub(super) fn next(
        &mut self,
        reader: &mut Reader,
        interfaces: &mut Interfaces,
    ) -> Result<Option<Packet>, Damage> {
        loop {
            reader.mark();
            let Some(header) = reader.header::<BLOCK_HEADER>()? else { return Ok(None) };
            let [k0, k1, k2, k3, l0, l1, l2, l3] = header;
            let kind = self.endian.u32([k0, k1, k2, k3]);
            if kind == SECTION_HEADER {
                self.section(reader, [l0, l1, l2, l3])?;
                continue;
            }
            let len = self.endian.u32([l0, l1, l2, l3]);
            if len < BLOCK_FRAME {
                return Err(Damage::BlockLength { kind, len });
            }
            if !matches!(kind, INTERFACE_DESCRIPTION | PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                self.pass_over(reader, kind, len, 0)?;
                continue;
            }
            if len > MAX_BLOCK {
                return Err(Damage::BlockLength { kind, len });
            }
            let body = self.body(reader, len)?;
            let mut fields =
                Fields { endian: self.endian, at: body.start, rest: reader.bytes(body) };
            let read = match kind {
                INTERFACE_DESCRIPTION => {
                    self.interface(&mut fields, interfaces)?;
                    continue;
                }
                SIMPLE_PACKET => self.simple(&mut fields),
                _ => self.enhanced(&mut fields, kind),
            };
            match read {
                Some(Ok(packet)) => {
                    self.last = packet.time;
                    return Ok(Some(packet));
                }
                Some(Err(damage)) => return Err(damage),
                None => return Err(Damage::BlockLength { kind, len }),
            }
        }
    }

    /// The next packet, if all of it was read from the input and its block comes
    /// next.
    #[inline]
    pub(super) fn at_hand(&mut self, reader: &mut Reader) -> Option<Packet> {
        let buffered = reader.buffered();
        let [k0, k1, k2, k3, l0, l1, l2, l3, ..] = *buffered else { return None };
        let (kind, len) = (self.endian.u32([k0, k1, k2, k3]), self.endian.u32([l0, l1, l2, l3]));
        if kind != ENHANCED_PACKET || !(BLOCK_FRAME..=MAX_BLOCK).contains(&len) {
            return None;
        }
        let block = buffered.get(..len as usize)?;
        let (rest, trailer) = block.split_last_chunk::<BLOCK_TRAILER>()?;
        if self.endian.u32(*trailer) != len {
            return None;
        }
        let (at, rest) = (reader.at() + BLOCK_HEADER, rest.get(BLOCK_HEADER..)?);
        let packet = self.enhanced(&mut Fields { endian: self.endian, at, rest }, kind)?.ok()?;
        reader.take_buffered(len as usize)?;
        self.last = packet.time;
        Some(packet)
    }

    /// Begins a section: its byte order holds from here on, and nothing that
    /// was described before.
    fn section(&mut self, reader: &mut Reader, len: [u8; 4]) -> Result<(), Damage> {
        let fields = reader.take(BLOCK_HEADER + SECTION_FIELDS)?;
        let [_, _, _, _, _, _, _, _, magic @ .., a0, a1, i0, i1, _, _, _, _, _, _, _, _] =
            *reader.bytes(fields).first_chunk::<24>().ok_or(Damage::ByteOrder)?;
        self.endian = [Endian::Big, Endian::Little]
            .into_iter()
            .find(|endian| endian.u32(magic) == BYTE_ORDER_MAGIC)
            .ok_or(Damage::ByteOrder)?;
        let (major, minor) = (self.endian.u16([a0, a1]), self.endian.u16([i0, i1]));
        if major != 1 {
            return Err(Damage::Version { major, minor });
        }
        self.interfaces.clear();
        let len = self.endian.u32(len);
        self.pass_over(reader, SECTION_HEADER, len, BLOCK_HEADER + SECTION_FIELDS)
    }

    /// Passes over the rest of a block of which `taken` bytes were taken.
    fn pass_over(
        &self,
        reader: &mut Reader,
        kind: u32,
        len: u32,
        taken: usize,
    ) -> Result<(), Damage> {
        let rest = u64::from(len).checked_sub((taken + BLOCK_TRAILER) as u64);
        reader.skip(rest.ok_or(Damage::BlockLength { kind, len })?)?;
        let trailer = reader.take(BLOCK_TRAILER)?;
        self.same_len(len, reader.bytes(trailer))
    }

    /// Takes a block and returns where its body stands.
    fn body(&self, reader: &mut Reader, len: u32) -> Result<Range<usize>, Damage> {
        let Range { start, end } = reader.take(len as usize)?;
        let body = start + BLOCK_HEADER..end - BLOCK_TRAILER;
        self.same_len(len, reader.bytes(body.end..end))?;
        Ok(body)
    }

    fn same_len(&self, len: u32, trailer: &[u8]) -> Result<(), Damage> {
        let trailer = self.endian.u32(trailer.first_chunk().copied().unwrap_or_default());
        if trailer == len { Ok(()) } else { Err(Damage::BlockTrailer { len, trailer }) }
    }

    /// An Interface Description Block (section 4.2).
    fn interface(
        &mut self,
        fields: &mut Fields<'_>,
        interfaces: &mut Interfaces,
    ) -> Result<(), Damage> {
        let too_short = Damage::BlockLength { kind: INTERFACE_DESCRIPTION, len: BLOCK_FRAME };
        let (Some(link_type), Some(_reserved), Some(snap_len)) =
            (fields.u16(), fields.u16(), fields.u32())
        else {
            return Err(too_short);
        };
        let (mut name, mut resolution, mut offset) = (None, MICROSECONDS, 0);
        while let Some((code, value)) = fields.option() {
            match (code, value) {
                (OPTION_IF_NAME, name_bytes) => name = Some(String::from_utf8_lossy(name_bytes)),
                (OPTION_IF_TSRESOL, [value, ..]) => resolution = *value,
                (OPTION_IF_TSOFFSET, value) => {
                    let value = value.first_chunk().copied().unwrap_or_default();
                    offset = self.endian.u64(value).cast_signed();
                }
                _ => {}
            }
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Damage::Interfaces(MAX_INTERFACES));
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let index = interfaces.add(number, name.as_deref(), link_type.into())?;
        let clock = Clock::new(resolution, offset)?;
        self.interfaces.push(Described { index, snap_len, clock });
        Ok(())
    }

    /// An Enhanced Packet Block (section 4.3) or the obsolete Packet Block
    /// (appendix A); `None` when it is shorter than its fields.
    fn enhanced(&self, fields: &mut Fields<'_>, kind: u32) -> Option<Result<Packet, Damage>> {
        let number = if kind == PACKET {
            let number = fields.u16()?;
            let _dropped = fields.u16()?;
            u32::from(number)
        } else {
            fields.u32()?
        };
        let ticks = u64::from(fields.u32()?) << 32 | u64::from(fields.u32()?);
        let (captured, wire_len) = (fields.u32()?, fields.u32()?);
        let len = match super::packet_len(captured) {
            Ok(len) => len,
            Err(damage) => return Some(Err(damage)),
        };
        let bytes = fields.padded(len)?;
        let Some(described) = self.described(number) else {
            return Some(Err(Damage::Interface(number)));
        };
        let mut direction = Direction::Unknown;
        while let Some((code, value)) = fields.option() {
            if let (OPTION_FLAGS, Some(flags)) = (code, value.first_chunk()) {
                direction = match self.endian.u32(*flags) & 0b11 {
                    1 => Direction::Ingress,
                    2 => Direction::Egress,
                    _ => Direction::Unknown,
                };
            }
        }
        Some(Ok(Packet {
            time: described.clock.time(ticks),
            interface: described.index,
            direction,
            wire_len: wire_len.max(captured),
            bytes,
        }))
    }

    /// A Simple Packet Block (section 4.4): of the first interface, without a
    /// time; `None` when it is shorter than its fields.
    fn simple(&self, fields: &mut Fields<'_>) -> Option<Result<Packet, Damage>> {
        let wire_len = fields.u32()?;
        let Some(described) = self.described(0) else {
            return Some(Err(Damage::Interface(0)));
        };
        let limit = if described.snap_len == 0 { u32::MAX } else { described.snap_len };
        let len = match super::packet_len(wire_len.min(limit)) {
            Ok(len) => len,
            Err(damage) => return Some(Err(damage)),
        };
        let bytes = fields.padded(len)?;
        let (time, interface, direction) = (self.last, described.index, Direction::Unknown);
        Some(Ok(Packet { time, interface, direction, wire_len, bytes }))
    }

    fn described(&self, number: u32) -> Option<&Described> {
        self.interfaces.get(usize::try_from(number).ok()?)
    }
}

/// `if_tsresol` of an interface that has none.
const MICROSECONDS: u8 = 6;

impl Clock {
    /// The most significant bit of the resolution chooses between powers of
    /// two and of ten.
    fn new(resolution: u8, offset: i64) -> Result<Self, Damage> {
        const SECOND: u128 = 1_000_000_000;
        let exponent = resolution & 0x7f;
        let base = if resolution & 0x80 == 0 { 10 } else { 2 };
        let units = u128::from(base).checked_pow(exponent.into()).filter(|_| exponent <= 63);
        match units {
            Some(units) if SECOND.is_multiple_of(units) => {
                Ok(Self { nanoseconds: SECOND / units, divisor: 1, offset })
            }
            Some(units) if units <= u128::from(u64::MAX) => {
                Ok(Self { nanoseconds: SECOND, divisor: units, offset })
            }
            _ => Err(Damage::Resolution { base, exponent }),
        }
    }

    /// A time beyond what can be told becomes the nearest that can.
    fn time(&self, ticks: u64) -> Timestamp {
        let Self { nanoseconds, divisor, offset } = *self;
        // In narrow numbers, where they fit.
        if let (1, 0, Ok(nanoseconds)) = (divisor, offset, u64::try_from(nanoseconds))
            && let Some(time) = ticks.checked_mul(nanoseconds)
        {
            return Timestamp(time);
        }
        let time = u128::from(ticks) * nanoseconds / divisor;
        let shift = u128::from(offset.unsigned_abs()) * 1_000_000_000;
        let time = if offset < 0 { time.saturating_sub(shift) } else { time + shift };
        Timestamp(u64::try_from(time).unwrap_or(u64::MAX))
    }
}

/// What of a block's body was not read yet.
struct Fields<'a> {
    endian: Endian,
    /// Where the rest begins in the reader's buffer.
    at: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.at += len;
        Some(bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(self.endian.u16(*self.bytes(2)?.first_chunk()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(self.endian.u32(*self.bytes(4)?.first_chunk()?))
    }

    /// Where `len` bytes stand; what fills them up to a multiple of four is
    /// passed over, if it is there.
    fn padded(&mut self, len: usize) -> Option<Range<usize>> {
        let start = self.at;
        self.bytes(len)?;
        self.bytes((len.wrapping_neg() % 4).min(self.rest.len()))?;
        Some(start..start + len)
    }

    /// The next option; `None` behind the last, or where the list is broken.
    fn option(&mut self) -> Option<(u16, &'a [u8])> {
        let (code, len) = (self.u16()?, usize::from(self.u16()?));
        if code == 0 {
            return None;
        }
        let value = self.bytes(len)?;
        self.bytes((len.wrapping_neg() % 4).min(self.rest.len()))?;
        Some((code, value))
    }
}
