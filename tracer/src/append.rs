//! Appends bytes to a buffer: many short pieces for each event, for which a
//! call of `memcpy` each would be much.

#![expect(unsafe_code, reason = "room is made once for several pieces, and filled without asking")]
#![expect(clippy::inline_always, reason = "so that lengths are known where pieces are copied")]

use std::ptr;

use crate::block::{self, Block, Marks};

/// More bytes are for `memcpy`.
const FEW: usize = 96;

/// Appends several pieces; those of a known length take an instruction or
/// some.
#[inline(always)]
pub(crate) fn pieces<const N: usize>(buffer: &mut Vec<u8>, pieces: [&[u8]; N]) {
    let len = pieces.iter().map(|piece| piece.len()).sum();
    buffer.reserve(len);
    let at = buffer.len();
    // SAFETY: there is room for the sum of the lengths, of which each piece
    // fills its part; no piece lies in the buffer, which is borrowed mutably.
    unsafe {
        let mut to = buffer.as_mut_ptr().add(at);
        for piece in pieces {
            ptr::copy_nonoverlapping(piece.as_ptr(), to, piece.len());
            to = to.add(piece.len());
        }
        buffer.set_len(at + len);
    }
}

/// Appends bytes, of which there are mostly few.
#[inline]
pub(crate) fn few(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let len = bytes.len();
    if len > FEW {
        return buffer.extend_from_slice(bytes);
    }
    buffer.reserve(len);
    let at = buffer.len();
    // SAFETY: there is room for all bytes, and they are written.
    unsafe {
        copy(bytes, buffer.as_mut_ptr().add(at), |block| block, |_| 0);
        buffer.set_len(at + len);
    }
}

/// Appends text, of which there is mostly little.
#[inline]
pub(crate) fn few_text(buffer: &mut String, text: &str) {
    // SAFETY: what is appended is UTF-8 as a whole.
    few(unsafe { buffer.as_mut_vec() }, text.as_bytes());
}

/// Appends what `map` makes of bytes, in quotation marks, unless `marks` marks
/// some of it: then nothing is appended, and `false` returned.
#[inline(always)]
pub(crate) fn quoted_unless(
    buffer: &mut Vec<u8>,
    bytes: &[u8],
    map: impl Fn(Block) -> Block,
    marks: impl Fn(Block) -> Marks,
) -> bool {
    let len = bytes.len();
    buffer.reserve(len + 2);
    let at = buffer.len();
    // SAFETY: there is room for all bytes and two marks, and they are written.
    unsafe {
        let to = buffer.as_mut_ptr().add(at);
        if copy(bytes, to.add(1), map, marks) != 0 {
            return false;
        }
        to.write(b'"');
        to.add(len + 1).write(b'"');
        buffer.set_len(at + len + 2);
    }
    true
}

/// Copies what `map` makes of bytes, some of it twice; returns the marks of all
/// of it.
///
/// # Safety
///
/// At `to` there is room for as many bytes, and none of the bytes.
#[inline(always)]
unsafe fn copy(
    bytes: &[u8],
    to: *mut u8,
    map: impl Fn(Block) -> Block,
    marks: impl Fn(Block) -> Marks,
) -> Marks {
    let len = bytes.len();
    // SAFETY: each piece goes to the place in the room that it has in the bytes.
    unsafe {
        if let Some(last) = bytes.last_chunk() {
            let last = map(Block::new(*last));
            let mut marked = marks(last);
            // All blocks but one that would end where the last does.
            let (whole, _) = bytes.get(..len - 1).unwrap_or_default().as_chunks();
            for (number, block) in whole.iter().enumerate() {
                let block = map(Block::new(*block));
                marked |= marks(block);
                block.write(to.add(number * block::LEN));
            }
            last.write(to.add(len - block::LEN));
            return marked;
        }
        let Some(block) = Block::of_short(bytes) else { return 0 };
        let block = map(block);
        let (first, last) = block.split();
        match len {
            8.. => {
                to.cast::<u64>().write_unaligned(first.to_le());
                to.add(len - 8).cast::<u64>().write_unaligned(last.to_le());
            }
            4.. => {
                let [first, last] = [first, first >> 32].map(low);
                to.cast::<u32>().write_unaligned(first.to_le());
                to.add(len - 4).cast::<u32>().write_unaligned(last.to_le());
            }
            _ => {
                let [first, middle, _, last, ..] = first.to_le_bytes();
                to.write(first);
                to.add(len / 2).write(middle);
                to.add(len - 1).write(last);
            }
        }
        marks(block)
    }
}

#[inline(always)]
fn low(half: u64) -> u32 {
    u32::try_from(half & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_all_lengths() {
        let text: Vec<u8> = (b' '..=b'~').cycle().take(300).collect();
        for len in 0..text.len() {
            let bytes = &text[..len];
            let mut buffer = b"before".to_vec();
            few(&mut buffer, bytes);
            pieces(&mut buffer, [b"+", bytes, b"", bytes]);
            assert_eq!(buffer, [b"before", bytes, b"+", bytes, bytes].concat());
            let mut buffer = b"before".to_vec();
            assert!(quoted_unless(&mut buffer, bytes, Block::lower, Block::unusual));
            let lower = bytes.to_ascii_lowercase();
            assert_eq!(buffer, [b"before\"", &*lower, b"\""].concat());
        }
    }

    #[test]
    fn what_is_marked_is_not_appended() {
        for len in 1..60 {
            for at in 0..len {
                let mut bytes = vec![b'x'; len];
                bytes[at] = b'"';
                let mut buffer = b"before".to_vec();
                let fits = quoted_unless(&mut buffer, &bytes, |same| same, Block::unusual_in_json);
                assert!(!fits && buffer == b"before", "{at} of {len}");
            }
        }
    }
}
