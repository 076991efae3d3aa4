//! Where a scanner may stand, and how that fits into a statement's mark.

use crate::slot::MARK_BITS;

// Where a scanner stands.
pub(super) const IN_PREFIX: u32 = 0;
pub(super) const AT_MINOR: u32 = 1;
pub(super) const AT_SPACE: u32 = 2;
pub(super) const IN_STATUS: u32 = 3;
pub(super) const BEHIND_STATUS: u32 = 4;
/// In bytes of a line that do not matter.
pub(super) const IN_TEXT: u32 = 5;
pub(super) const AT_LF: u32 = 6;
pub(super) const AT_LINE: u32 = 7;
pub(super) const IN_NAME: u32 = 8;
pub(super) const IN_LENGTH: u32 = 9;
pub(super) const BEHIND_LENGTH: u32 = 10;
pub(super) const IN_CONNECTION: u32 = 11;
pub(super) const AT_LAST_LF: u32 = 12;
pub(super) const BEHIND_HEAD: u32 = 13;
pub(super) const IN_CODING: u32 = 14;
/// Behind the head of what is chunked, or at the first chunk.
pub(super) const AT_CHUNKS: u32 = 15;
/// Behind a chunk's bytes.
pub(super) const AT_CHUNK_END: u32 = 16;
pub(super) const AT_CHUNK_END_LF: u32 = 17;
pub(super) const IN_SIZE: u32 = 18;
pub(super) const AT_SIZE_LF: u32 = 19;
pub(super) const AT_TRAILER: u32 = 20;
pub(super) const AT_TRAILER_LF: u32 = 21;
/// Nothing more is looked at: a length is known and a body follows.
pub(super) const FOLLOWED: u32 = 22;
/// A chunk begins whose size is known.
pub(super) const IN_CHUNK: u32 = 23;
/// A message has ended.
pub(super) const BARE: u32 = 24;
/// Something is not plain.
pub(super) const REFUSED: u32 = 25;

// What a name that was cut may become; only in a mark.
pub(super) const IN_LENGTHS_NAME: u32 = 26;
pub(super) const IN_CONNECTIONS_NAME: u32 = 27;
pub(super) const IN_CODINGS_NAME: u32 = 28;

/// Bits of what a head says about its body's end.
pub(super) const LENGTH: u32 = 1;
pub(super) const CODING: u32 = 2;
/// Of HTTP/1.0, which knows no chunks.
pub(super) const OLD: u32 = 4;
pub(super) const OLD_LENGTH: u32 = OLD | LENGTH;

// Where a scanner stands, in the bits of a mark.
pub(super) const PHASE_MASK: u32 = 31;
pub(super) const FRAMING_AT: u32 = 5;
pub(super) const FRAMING_MASK: u32 = 7;
pub(super) const COUNT_AT: u32 = 8;
pub(super) const COUNT_MASK: u32 = 31;
pub(super) const STATUS_AT: u32 = 13;
const _: () = assert!(999 << STATUS_AT < 1 << MARK_BITS);
