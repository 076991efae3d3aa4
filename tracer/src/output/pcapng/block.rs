//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian.

use super::{MAX_PACKET, Packet, cooked::Cooked};
use crate::{capture::Direction, event::Timestamp};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Major 1, minor 0.
const VERSION: [u16; 2] = [1, 0];
/// The section's length is not known before it ends.
const UNKNOWN_LENGTH: u64 = u64::MAX;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const SHB_OS: u16 = 3;
const SHB_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TIME_RESOLUTION: u16 = 9;
const EPB_FLAGS: u16 = 2;
const ISB_OS_DROP: u16 = 7;
const ISB_DELIVERED: u16 = 8;

/// Units of time are 10^-9 s.
const NANOSECONDS: u8 = 9;

/// `epb_flags`: the direction is in the lowest two bits, 0 where it is not known.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Begins the section, which is the whole file.
pub(super) fn section(buffer: &mut Vec<u8>, system: &str) {
    block(buffer, SECTION_HEADER, |buffer| {
        buffer.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        buffer.extend(VERSION.map(u16::to_le_bytes).as_flattened());
        buffer.extend(UNKNOWN_LENGTH.to_le_bytes());
        option(buffer, SHB_OS, system.as_bytes());
        let application = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        option(buffer, SHB_APPLICATION, application.as_bytes());
        option(buffer, OPTION_END, &[]);
    });
}

/// Describes an interface; its number is how many were described before.
pub(super) fn interface(buffer: &mut Vec<u8>, name: &str, link_type: u32) {
    block(buffer, INTERFACE_DESCRIPTION, |buffer| {
        // Of the 32 bits that the old format has, the upper are no type.
        let [t0, t1, ..] = link_type.to_le_bytes();
        buffer.extend([t0, t1, 0, 0]);
        buffer.extend(u32::try_from(MAX_PACKET).unwrap_or(0).to_le_bytes());
        if !name.is_empty() {
            option(buffer, IF_NAME, name.as_bytes());
        }
        option(buffer, IF_TIME_RESOLUTION, &[NANOSECONDS]);
        option(buffer, OPTION_END, &[]);
    });
}

/// Writes a packet, as much of it as analysers take.
pub(super) fn packet(buffer: &mut Vec<u8>, packet: &Packet<'_>) {
    let header_len = packet.cooked.as_ref().map_or(0, Cooked::len);
    let bytes = packet.bytes.get(..MAX_PACKET - header_len).unwrap_or(&packet.bytes);
    let len = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let original = packet.wire_len.max(len(packet.bytes.len())).saturating_add(len(header_len));
    block(buffer, ENHANCED_PACKET, |buffer| {
        buffer.extend(packet.interface.to_le_bytes());
        time(buffer, packet.time);
        buffer.extend(len(header_len + bytes.len()).to_le_bytes());
        buffer.extend(original.to_le_bytes());
        if let Some(cooked) = &packet.cooked {
            cooked.write(buffer);
        }
        buffer.extend_from_slice(bytes);
        pad(buffer, header_len + bytes.len());
        let direction = match packet.direction {
            Direction::Ingress => INBOUND,
            Direction::Egress => OUTBOUND,
            Direction::Unknown => return,
        };
        option(buffer, EPB_FLAGS, &direction.to_le_bytes());
        option(buffer, OPTION_END, &[]);
    });
}

/// What is known at the end of an interface.
pub(super) struct Statistics<'a> {
    /// Its number in the file.
    pub(super) interface: u32,
    /// Packets of it in the file.
    pub(super) packets: u64,
    /// Time of the last packet of the file.
    pub(super) end: Timestamp,
    /// Packets that should stand in the file and were lost, where they can only
    /// have been of this interface.
    pub(super) lost: Option<u64>,
    /// The losses in words.
    pub(super) comment: &'a str,
}

/// Writes what is known at the end of an interface.
pub(super) fn statistics(buffer: &mut Vec<u8>, statistics: &Statistics<'_>) {
    block(buffer, INTERFACE_STATISTICS, |buffer| {
        buffer.extend(statistics.interface.to_le_bytes());
        time(buffer, statistics.end);
        option(buffer, OPTION_COMMENT, statistics.comment.as_bytes());
        if let Some(lost) = statistics.lost {
            option(buffer, ISB_OS_DROP, &lost.to_le_bytes());
        }
        option(buffer, ISB_DELIVERED, &statistics.packets.to_le_bytes());
        option(buffer, OPTION_END, &[]);
    });
}

/// Appends a block: its type and length, what `body` appends, its length again.
fn block(buffer: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = buffer.len();
    buffer.extend(kind.to_le_bytes());
    let length = buffer.len();
    buffer.extend([0; 4]);
    body(buffer);
    // The longest is a packet, far from the limit of the field.
    let total = u32::try_from(buffer.len() - begin + 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(field) = buffer.get_mut(length..length + 4) {
        field.copy_from_slice(&total);
    }
    buffer.extend(total);
}

/// Bytes of the blocks that stand whole at the front of `written`.
pub(super) fn whole(written: &[u8]) -> usize {
    let mut rest = written;
    while let [_, _, _, _, l0, l1, l2, l3, ..] = *rest {
        let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(behind) = rest.get(len..).filter(|_| len > 0) else { break };
        rest = behind;
    }
    written.len() - rest.len()
}

/// Appends an option; a value that is longer than one may be is cut.
fn option(buffer: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = value.get(..len.into()).unwrap_or(value);
    buffer.extend(code.to_le_bytes());
    buffer.extend(len.to_le_bytes());
    buffer.extend_from_slice(value);
    pad(buffer, value.len());
}

/// Fills up to a multiple of four bytes.
fn pad(buffer: &mut Vec<u8>, len: usize) {
    buffer.resize(buffer.len() + (len.next_multiple_of(4) - len), 0);
}

/// The upper half of a time, then the lower.
fn time(buffer: &mut Vec<u8>, Timestamp(nanoseconds): Timestamp) {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = nanoseconds.to_le_bytes();
    buffer.extend([b4, b5, b6, b7, b0, b1, b2, b3]);
}
