//! Several pieces of one segment's payload in one record: what stands between
//! bodies and chunks that nobody asked for.
//!
//! Each piece begins with the offset of its first byte in the payload and its
//! length, four bytes each, and takes a multiple of [`ALIGNMENT`] bytes.

#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "the kernel side calls functions of its own at a cost; a constant fits"
)]

use crate::{
    scan::Outlook,
    window::{BODY_SHOWN, NOWHERE},
};

/// What a piece begins at a multiple of, in bytes.
pub const ALIGNMENT: u32 = 8;

/// Bytes before those of each piece.
pub const PIECE_HEADER: u32 = 8;

/// Payload bytes of the largest piece: a head that can be looked at, with what
/// is copied of its body.
pub const LARGEST_PIECE: u32 = crate::scan::SCAN_LEN as u32 + BODY_SHOWN;

/// Bytes that the pieces of a segment take at most.
pub const PIECES_LEN: u32 = 3 * 1024;

/// Things to look at in one segment; what stands behind them is copied.
pub const MAX_LOOKS: u32 = 48;

/// Goes from one thing to look at to the next, and says what of the segment is
/// copied. All fields are plain numbers, since it stands in a map's value while
/// the kernel side works on it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Offset of the first byte of which nothing is said yet.
    from: u32,
    /// Where to look next; [`NOWHERE`] when there is nothing.
    pub look: u32,
    /// Bytes that the pieces take so far.
    pub len: u32,
    /// The first piece: offset of its first byte in the payload, and its length.
    first: [u32; 2],
    /// Offset of the first byte of what is copied behind the pieces, in a record
    /// of its own; [`NOWHERE`] when nothing is.
    tail: u32,
    /// Offset behind it.
    tail_end: u32,
}

/// A piece, and where it is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset of its first byte in the payload.
    pub from: u32,
    /// Payload bytes.
    pub len: u32,
    /// Offset of its header among the pieces.
    pub at: u32,
}

impl Pieces {
    /// For a segment that is copied from an offset on, in which there is
    /// something to look at.
    #[inline(always)]
    #[must_use]
    pub const fn new(from: u32, look: u32) -> Self {
        Self { from, look, len: 0, first: [0; 2], tail: NOWHERE, tail_end: 0 }
    }

    /// Goes on behind what was looked at; the piece that this makes, unless it
    /// has to go with the tail.
    #[inline(always)]
    pub const fn note(&mut self, outlook: &Outlook) -> Option<Piece> {
        let from = self.from;
        (self.from, self.look) = (outlook.look, outlook.look);
        let len = outlook.to.wrapping_sub(from);
        let at = self.len;
        if self.tail == NOWHERE && len <= LARGEST_PIECE {
            let end = at + PIECE_HEADER + len.next_multiple_of(ALIGNMENT);
            if end <= PIECES_LEN {
                self.len = end;
                if at == 0 {
                    self.first = [from, len];
                }
                return Some(Piece { from, len, at });
            }
        }
        if self.tail == NOWHERE {
            self.tail = from;
        }
        self.tail_end = outlook.to;
        None
    }

    /// Has all that was not said anything of copied.
    #[inline(always)]
    pub const fn rest(&mut self, len: u32) {
        if self.look != NOWHERE {
            if self.tail == NOWHERE {
                self.tail = self.from;
            }
            self.tail_end = len;
            self.look = NOWHERE;
        }
    }

    /// The only piece, if there is one, and nothing else is copied. It can go as
    /// any other part of a payload.
    #[inline(always)]
    #[must_use]
    pub const fn single(&self) -> Option<Piece> {
        let [from, len] = self.first;
        let only = self.len == PIECE_HEADER + len.next_multiple_of(ALIGNMENT);
        if only && self.tail == NOWHERE { Some(Piece { from, len, at: 0 }) } else { None }
    }

    /// What is copied behind the pieces: from where to where.
    #[inline(always)]
    #[must_use]
    pub const fn tail(&self) -> Option<(u32, u32)> {
        if self.tail == NOWHERE { None } else { Some((self.tail, self.tail_end)) }
    }
}

/// Reads pieces; each is the offset of its first byte in the payload, and its
/// bytes. What contradicts itself ends them.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    core::iter::from_fn(move || {
        let (from, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = u32::from_ne_bytes(*len);
        let piece = rest.get(..usize::try_from(len).ok()?)?;
        let taken = usize::try_from(len.checked_next_multiple_of(ALIGNMENT)?).ok()?;
        bytes = rest.get(taken..).unwrap_or_default();
        Some((u32::from_ne_bytes(*from), piece))
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::slot::Statement;

    fn outlook(to: u32, look: u32) -> Outlook {
        Outlook { next: Statement::nothing(None), to, look }
    }

    #[test]
    fn pieces_stand_one_behind_the_other() {
        let mut pieces = Pieces::new(5, 20);
        assert_eq!(pieces.note(&outlook(30, 100)), Some(Piece { from: 5, len: 25, at: 0 }));
        assert_eq!(pieces.look, 100);
        assert_eq!(pieces.single(), Some(Piece { from: 5, len: 25, at: 0 }));
        assert_eq!(pieces.note(&outlook(108, 9000)), Some(Piece { from: 100, len: 8, at: 40 }));
        assert_eq!(
            pieces.note(&outlook(9010, NOWHERE)),
            Some(Piece { from: 9000, len: 10, at: 56 })
        );
        assert_eq!((pieces.len, pieces.look, pieces.tail()), (80, NOWHERE, None));
        assert_eq!(pieces.single(), None);
    }

    #[test]
    fn what_is_too_large_goes_with_all_behind_it() {
        let mut pieces = Pieces::new(0, 0);
        assert_eq!(pieces.single(), None);
        assert!(pieces.note(&outlook(300, 1000)).is_some());
        assert_eq!(pieces.note(&outlook(1001 + LARGEST_PIECE, 7000)), None);
        assert_eq!(pieces.tail(), Some((1000, 1001 + LARGEST_PIECE)));
        assert_eq!(pieces.single(), None);
        assert_eq!(pieces.note(&outlook(7010, 8000)), None);
        assert_eq!(pieces.tail(), Some((1000, 7010)));
        pieces.rest(9000);
        assert_eq!((pieces.tail(), pieces.look), (Some((1000, 9000)), NOWHERE));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut pieces = Pieces::new(0, 0);
        let mut count = 0;
        while pieces.note(&outlook(pieces.look + 8, pieces.look + 100)).is_some() {
            count += 1;
        }
        assert_eq!(count * 16, PIECES_LEN);
        assert_eq!(pieces.len, PIECES_LEN);
    }

    #[test]
    fn pieces_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        for (from, piece) in [(7_u32, &b"0123456789"[..]), (100, b""), (200, b"12345678")] {
            bytes.extend(from.to_ne_bytes());
            bytes.extend(u32::try_from(piece.len()).unwrap().to_ne_bytes());
            bytes.extend(piece);
            bytes.resize(bytes.len().next_multiple_of(8), b'-');
        }
        let expected = [(7, &b"0123456789"[..]), (100, b""), (200, b"12345678")];
        assert!(read(&bytes).eq(expected));
        // Cut, they end before the cut.
        for end in 0..bytes.len() {
            assert!(
                read(&bytes[..end]).zip(expected).all(|(read, written)| read == written),
                "{end}"
            );
            assert!(read(&bytes[..end]).count() < 3, "{end}");
        }
    }
}
