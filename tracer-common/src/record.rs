//! The ring record: a fixed header, then bytes of the packet.

use core::mem::{offset_of, size_of};

/// Header of one ring record.
///
/// It is followed by [`Record::headers_len`] bytes, which are the IP and TCP
/// headers from the first byte of the IP header on, and by `copied_len` bytes
/// of TCP payload. What comes behind those is not written by this record and
/// must not be read: ring slots come in size classes.
///
/// One packet makes one record, unless its payload exceeds the largest size
/// class (BIG TCP); then each of its records carries the headers, all but the
/// last have [`CONTINUED`] set, and `copied_offset` says which part of the
/// payload stands here.
///
/// Every cache line that a record takes is fetched by two processors, so what
/// the packet's own headers say does not stand here again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `CLOCK_MONOTONIC` nanoseconds at which the hook ran.
    pub time: u64,
    /// Index of the interface whose hook ran.
    pub interface: u32,
    /// TCP payload bytes of the packet as its headers say, copied or not.
    pub payload_len: u32,
    /// Offset into the payload of the first copied byte.
    pub copied_offset: u32,
    /// Records that this ring could not take, up to this one, modulo 2^32. A
    /// hole in a stream between two records with the same count was never
    /// captured; otherwise it may be the ring's.
    pub lost: u32,
    /// Payload bytes that follow the headers in this record.
    pub copied_len: u16,
    /// Outer VLAN id, or [`NO_VLAN`].
    pub vlan_outer: u16,
    /// Inner VLAN id of a double-tagged frame, or [`NO_VLAN`].
    pub vlan_inner: u16,
    /// IP and TCP header bytes that follow this header, in units of four bytes:
    /// both protocols, and the extensions of IPv6, count in such.
    pub headers_words: u8,
    /// [`TRUNCATED`], [`CONTINUED`], [`EGRESS`], [`SHUNTED`], [`PIECES`].
    pub flags: u8,
}

impl Record {
    /// Bytes of IP and TCP header that follow this header.
    #[must_use]
    pub const fn headers_len(&self) -> u16 {
        self.headers_words as u16 * 4
    }

    /// Reads the header that a ring record begins with; `None` when the bytes
    /// are too few to be one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(..RECORD_LEN)?;
        // In the order in which they stand.
        Some(Self {
            time: u64::from_ne_bytes(take(&mut rest)?),
            interface: u32::from_ne_bytes(take(&mut rest)?),
            payload_len: u32::from_ne_bytes(take(&mut rest)?),
            copied_offset: u32::from_ne_bytes(take(&mut rest)?),
            lost: u32::from_ne_bytes(take(&mut rest)?),
            copied_len: u16::from_ne_bytes(take(&mut rest)?),
            vlan_outer: u16::from_ne_bytes(take(&mut rest)?),
            vlan_inner: u16::from_ne_bytes(take(&mut rest)?),
            headers_words: u8::from_ne_bytes(take(&mut rest)?),
            flags: u8::from_ne_bytes(take(&mut rest)?),
        })
    }
}

/// Takes the bytes of a field off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*field)
}

/// Length of [`Record`], and offset of the packet's bytes behind it.
pub const RECORD_LEN: usize = size_of::<Record>();

/// `vlan_outer` and `vlan_inner` of a frame without that tag. Not a VLAN id:
/// those have 12 bits.
pub const NO_VLAN: u16 = 0xffff;

/// The packet held fewer payload bytes than its headers announce, or some
/// could not be copied.
pub const TRUNCATED: u8 = 1;
/// The payload goes on in the packet's next record.
pub const CONTINUED: u8 = 2;
/// The packet goes out through the interface; else it came in.
pub const EGRESS: u8 = 4;
/// Bytes right before the first that is copied stayed uncopied because nobody
/// asked for them, in this packet or in those before it.
pub const SHUNTED: u8 = 8;
/// The payload stands here in pieces ([`crate::pieces`]), which `copied_len`
/// bytes take; between them bytes stayed uncopied because nobody asked for
/// them.
pub const PIECES: u8 = 16;

const _: () = assert!(size_of::<Record>() == 32);
const _: () = assert!(offset_of!(Record, interface) == 8);
const _: () = assert!(offset_of!(Record, payload_len) == 12);
const _: () = assert!(offset_of!(Record, copied_offset) == 16);
const _: () = assert!(offset_of!(Record, lost) == 20);
const _: () = assert!(offset_of!(Record, copied_len) == 24);
const _: () = assert!(offset_of!(Record, vlan_outer) == 26);
const _: () = assert!(offset_of!(Record, vlan_inner) == 28);
const _: () = assert!(offset_of!(Record, headers_words) == 30);
const _: () = assert!(offset_of!(Record, flags) == 31);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_stands_in_memory() {
        let mut bytes = [0_u8; RECORD_LEN + 3];
        for (byte, number) in bytes.iter_mut().zip(1..) {
            *byte = number;
        }
        let record = Record::read(&bytes).expect("enough bytes");
        let field = |offset: usize, len: usize| &bytes[offset..offset + len];
        assert_eq!(record.time.to_ne_bytes(), *field(0, 8));
        for (value, offset) in [
            (record.interface, offset_of!(Record, interface)),
            (record.payload_len, offset_of!(Record, payload_len)),
            (record.copied_offset, offset_of!(Record, copied_offset)),
            (record.lost, offset_of!(Record, lost)),
        ] {
            assert_eq!(value.to_ne_bytes(), *field(offset, 4), "at {offset}");
        }
        for (value, offset) in [
            (record.copied_len, offset_of!(Record, copied_len)),
            (record.vlan_outer, offset_of!(Record, vlan_outer)),
            (record.vlan_inner, offset_of!(Record, vlan_inner)),
        ] {
            assert_eq!(value.to_ne_bytes(), *field(offset, 2), "at {offset}");
        }
        assert_eq!([record.headers_words], *field(offset_of!(Record, headers_words), 1));
        assert_eq!([record.flags], *field(offset_of!(Record, flags), 1));
        assert_eq!(Record::read(&bytes[..RECORD_LEN - 1]), None);
    }
}
