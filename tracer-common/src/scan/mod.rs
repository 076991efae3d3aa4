//! Where the body of an HTTP response ends that announces its length, or where
//! the next of its chunks begins (RFC 9112 sections 6 and 7), found byte by byte.
//!
//! The kernel side has no use for a parser: it has to know one number, and must
//! never be wrong about it. So whatever is not plain is refused, and then the
//! user side, which reads the same head with all its rules, says what may stay
//! uncopied.

#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "the kernel side calls functions of its own at a cost; words are cut on purpose"
)]

mod found;
mod name;
mod place;
#[cfg(test)]
mod tests;

pub use self::found::{Found, Outlook};
use self::{
    name::{CONNECTION, CONTENT_LENGTH, Name, TRANSFER_ENCODING, is_token},
    place::{
        AT_CHUNK_END, AT_CHUNK_END_LF, AT_CHUNKS, AT_LAST_LF, AT_LF, AT_LINE, AT_MINOR, AT_SIZE_LF,
        AT_SPACE, AT_TRAILER, AT_TRAILER_LF, BARE, BEHIND_HEAD, BEHIND_LENGTH, BEHIND_STATUS,
        CODING, COUNT_AT, COUNT_MASK, FOLLOWED, FRAMING_AT, FRAMING_MASK, IN_CHUNK, IN_CODING,
        IN_CODINGS_NAME, IN_CONNECTION, IN_CONNECTIONS_NAME, IN_LENGTH, IN_LENGTHS_NAME, IN_NAME,
        IN_PREFIX, IN_SIZE, IN_STATUS, IN_TEXT, LENGTH, OLD, OLD_LENGTH, PHASE_MASK, REFUSED,
        STATUS_AT,
    },
};
use crate::slot::{Kind, MAX_SPAN, Statement};

/// Bytes of a segment that are looked at for one head.
pub const SCAN_LEN: usize = 2048;

/// What every response begins with; the minor version follows.
const PREFIX: u64 = u64::from_be_bytes(*b"\0HTTP/1.");
/// Bytes of it.
const PREFIX_LEN: u32 = 7;

/// The only transfer coding that is followed.
const CHUNKED: u64 = u64::from_be_bytes(*b"\0chunked");
/// Bytes of it.
const CHUNKED_LEN: u32 = 7;

/// Hexadecimal digits of a chunk's size; more than a chunk has of which all is
/// said at once.
const MAX_SIZE_DIGITS: u32 = 8;

/// How many times larger than a chunk a body must be to stay uncopied: what
/// has come in chunks as large as this is seldom the whole.
const CHUNKS_OF_BODY: u32 = 16;

/// Digits of a length; more than any body has.
const MAX_DIGITS: u32 = 15;

/// Bytes of what stands between two chunks: two lines' ends and a size, or with
/// fewer digits what stands behind the last.
const SIZE_LINE: u32 = 2 + MAX_SIZE_DIGITS + 2 + 4;

/// Follows one head. All fields are plain numbers, since it stands in a map's
/// value while the kernel side works on it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanner {
    phase: u32,
    /// Bytes of the phase that have passed.
    count: u32,
    /// First byte of the name at hand.
    initial: u32,
    /// The last sixteen bytes of it.
    name: [u64; 2],
    /// The announced length, or a chunk's size.
    length: u64,
    /// What says how the body ends.
    framing: u32,
    status: u32,
    /// Bytes that have passed.
    passed: u32,
    /// Bytes of the head, or up to a chunk, once they are whole.
    head_len: u32,
}

impl Scanner {
    /// Where the statement says to look.
    #[inline(always)]
    #[must_use]
    pub fn new(known: &Statement) -> Self {
        let mut scanner = Self::default();
        scanner.restart(known);
        scanner
    }

    /// Begins anew where the statement says to look.
    #[inline(always)]
    pub const fn restart(&mut self, known: &Statement) {
        let mark = match known.kind {
            Kind::Within => known.mark,
            Kind::Chunk => AT_CHUNK_END,
            Kind::Announced => BEHIND_HEAD,
            _ => IN_PREFIX,
        };
        self.length = match known.kind {
            Kind::Within => known.end as u64,
            Kind::Announced => known.end.wrapping_sub(known.begin) as u64,
            _ => 0,
        };
        self.framing = if matches!(known.kind, Kind::Announced) {
            LENGTH
        } else {
            mark >> FRAMING_AT & FRAMING_MASK
        };
        self.count = mark >> COUNT_AT & COUNT_MASK;
        self.status = mark >> STATUS_AT;
        self.passed = 0;
        self.head_len = 0;
        self.phase = mark & PHASE_MASK;
        // A name begins anew by itself.
        self.resume_name(IN_LENGTHS_NAME, &CONTENT_LENGTH);
        self.resume_name(IN_CONNECTIONS_NAME, &CONNECTION);
        self.resume_name(IN_CODINGS_NAME, &TRANSFER_ENCODING);
    }

    /// Goes on with a name that was cut.
    #[inline(always)]
    const fn resume_name(&mut self, phase: u32, name: &Name) {
        if self.phase == phase {
            self.phase = IN_NAME;
            self.initial = name.initial;
            self.name = name.first(self.count);
        }
    }

    /// Where it stands, to go on behind the bytes that have passed; `None` where
    /// that does not say all.
    #[inline(always)]
    const fn mark(&self) -> Option<u32> {
        if self.phase >= FOLLOWED || self.phase == BEHIND_HEAD || self.length > u32::MAX as u64 {
            return None;
        }
        let mut phase = self.phase;
        if phase == IN_NAME {
            if self.is_cut(&CONTENT_LENGTH) {
                phase = IN_LENGTHS_NAME;
            } else if self.is_cut(&CONNECTION) {
                phase = IN_CONNECTIONS_NAME;
            } else if self.is_cut(&TRANSFER_ENCODING) {
                phase = IN_CODINGS_NAME;
            }
        }
        // Of a name that does not matter, nor does the length.
        let count = if self.count > COUNT_MASK { COUNT_MASK } else { self.count };
        let mark = phase | self.framing << FRAMING_AT | count << COUNT_AT;
        Some(mark | self.status << STATUS_AT)
    }

    /// Whether the name at hand may become this one.
    #[inline(always)]
    const fn is_cut(&self, name: &Name) -> bool {
        let [high, low] = name.first(self.count);
        self.count <= name.len
            && self.initial == name.initial
            && self.name[0] == high
            && self.name[1] == low
    }

    /// Bytes that it is worth to look at.
    #[inline(always)]
    #[must_use]
    pub const fn reach(&self) -> u32 {
        if self.phase == AT_CHUNK_END { SIZE_LINE } else { SCAN_LEN as u32 }
    }

    /// Whether more bytes change nothing.
    #[inline(always)]
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.phase >= FOLLOWED
    }

    /// Whether eight bytes, in any order, can be passed at once by
    /// [`Scanner::pass`].
    #[inline(always)]
    #[must_use]
    pub const fn is_idle(&self, bytes: u64) -> bool {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = ONES << 7;
        let control = bytes.wrapping_sub(ONES * 0x20) & !bytes & HIGH;
        let delete = bytes ^ (ONES * 0x7f);
        let delete = delete.wrapping_sub(ONES) & !delete & HIGH;
        self.phase == IN_TEXT && control | delete == 0
    }

    /// Passes eight bytes that [`Scanner::is_idle`] has let through.
    #[inline(always)]
    pub const fn pass(&mut self) {
        self.passed = self.passed.wrapping_add(8);
    }

    /// Takes the next byte.
    #[inline(always)]
    pub const fn step(&mut self, byte: u8) {
        self.passed = self.passed.wrapping_add(1);
        match self.phase {
            IN_PREFIX => self.prefix(byte, AT_MINOR, REFUSED),
            AT_MINOR => {
                self.framing = if byte == b'0' { OLD } else { 0 };
                self.enter(if matches!(byte, b'0' | b'1') { AT_SPACE } else { REFUSED });
            }
            AT_SPACE => self.enter(if byte == b' ' { IN_STATUS } else { REFUSED }),
            IN_STATUS => {
                if !byte.is_ascii_digit() {
                    return self.enter(REFUSED);
                }
                self.status = self.status.wrapping_mul(10).wrapping_add((byte & 0x0f) as u32);
                self.count += 1;
                if self.count == 3 {
                    self.enter(BEHIND_STATUS);
                }
            }
            BEHIND_STATUS => self.enter(match byte {
                b' ' => IN_TEXT,
                b'\r' => AT_LF,
                _ => REFUSED,
            }),
            AT_LF => self.enter(if byte == b'\n' { AT_LINE } else { REFUSED }),
            AT_LINE if byte == b'\r' => self.enter(AT_LAST_LF),
            AT_LINE => {
                self.name = [0; 2];
                self.enter(IN_NAME);
                self.name(byte);
            }
            IN_NAME => self.name(byte),
            IN_LENGTH => match byte {
                b' ' | b'\t' if self.count == 0 => {}
                b'0'..=b'9' => {
                    self.length = self.length.wrapping_mul(10).wrapping_add((byte & 0x0f) as u64);
                    self.count += 1;
                    if self.count > MAX_DIGITS {
                        self.enter(REFUSED);
                    }
                }
                b' ' | b'\t' => self.enter(BEHIND_LENGTH),
                b'\r' if self.count > 0 => self.enter(AT_LF),
                _ => self.enter(REFUSED),
            },
            BEHIND_LENGTH => match byte {
                b' ' | b'\t' => {}
                b'\r' => self.enter(AT_LF),
                _ => self.enter(REFUSED),
            },
            // "upgrade" is the only option that matters, and no common other
            // one has this letter.
            IN_CONNECTION if byte | 0x20 == b'u' => self.enter(REFUSED),
            IN_TEXT | IN_CONNECTION => self.text(byte),
            AT_LAST_LF => self.head_ends(byte),
            // It may be a body that says so, or the next head behind one
            // without: only who knows the request can tell.
            BEHIND_HEAD => self.prefix(byte, REFUSED, FOLLOWED),
            IN_CODING => self.coding(byte),
            AT_CHUNKS | AT_CHUNK_END..=AT_TRAILER_LF => self.chunk(byte),
            _ => {}
        }
    }

    #[inline(always)]
    const fn enter(&mut self, phase: u32) {
        self.phase = phase;
        self.count = 0;
    }

    /// Compares with what a response begins with.
    #[inline(always)]
    const fn prefix(&mut self, byte: u8, whole: u32, other: u32) {
        let shift = (PREFIX_LEN - 1).wrapping_sub(self.count) & 7;
        if byte != (PREFIX >> (shift * 8)) as u8 {
            return self.enter(other);
        }
        self.count += 1;
        if self.count == PREFIX_LEN {
            self.enter(whole);
        }
    }

    /// Bytes up to the line's end.
    #[inline(always)]
    const fn text(&mut self, byte: u8) {
        match byte {
            b'\r' => self.enter(AT_LF),
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => self.enter(REFUSED),
        }
    }

    /// Gathers a field's name (RFC 9110 section 5.1).
    #[inline(always)]
    const fn name(&mut self, byte: u8) {
        if byte == b':' {
            return self.named();
        }
        if !is_token(byte) {
            return self.enter(REFUSED);
        }
        if self.count == 0 {
            self.initial = (byte | 0x20) as u32;
        }
        self.name[0] = self.name[0] << 8 | self.name[1] >> 56;
        self.name[1] = self.name[1] << 8 | (byte | 0x20) as u64;
        self.count = self.count.wrapping_add(1);
    }

    /// Whether this is the name at hand.
    #[inline(always)]
    const fn is_named(&self, name: &Name) -> bool {
        let [high, low] = name.last;
        self.count == name.len
            && self.initial == name.initial
            && self.name[0] == high
            && self.name[1] == low
    }

    #[inline(always)]
    const fn named(&mut self) {
        if self.is_named(&TRANSFER_ENCODING) {
            let first = self.framing & CODING == 0;
            self.framing |= CODING;
            return self.enter(if first { IN_CODING } else { REFUSED });
        }
        if self.is_named(&CONTENT_LENGTH) {
            let first = self.framing & LENGTH == 0;
            self.framing |= LENGTH;
            return self.enter(if first { IN_LENGTH } else { REFUSED });
        }
        if self.is_named(&CONNECTION) {
            return self.enter(IN_CONNECTION);
        }
        self.enter(if self.count == 0 { REFUSED } else { IN_TEXT });
    }

    /// Compares with the one coding that is followed.
    #[inline(always)]
    const fn coding(&mut self, byte: u8) {
        if self.count == 0 && matches!(byte, b' ' | b'\t') {
            return;
        }
        let shift = (CHUNKED_LEN - 1).wrapping_sub(self.count) & 7;
        if byte | 0x20 != (CHUNKED >> (shift * 8)) as u8 {
            return self.enter(REFUSED);
        }
        self.count += 1;
        if self.count == CHUNKED_LEN {
            self.enter(BEHIND_LENGTH);
        }
    }

    /// Between the bytes of two chunks: a line's end, and a size without
    /// extensions. Behind the last, whose size is 0, a trailer is refused.
    #[inline(always)]
    const fn chunk(&mut self, byte: u8) {
        match (self.phase, byte) {
            (AT_CHUNK_END, b'\r') => self.enter(AT_CHUNK_END_LF),
            (AT_CHUNK_END_LF, b'\n') => self.enter(IN_SIZE),
            // No body has come, and this is the next message.
            (AT_CHUNKS, b'H') => {
                self.enter(IN_PREFIX);
                self.count = 1;
            }
            (AT_CHUNKS | IN_SIZE, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if self.phase == AT_CHUNKS {
                    self.enter(IN_SIZE);
                }
                // The letters stand 9 before what they mean in their low bits.
                let digit = (byte & 0x0f) as u64 + (byte >> 6) as u64 * 9;
                self.length = self.length << 4 | digit;
                self.count += 1;
                if self.count > MAX_SIZE_DIGITS {
                    self.enter(REFUSED);
                }
            }
            (IN_SIZE, b'\r') if self.count > 0 => self.enter(AT_SIZE_LF),
            (AT_SIZE_LF, b'\n') => {
                self.head_len = self.passed;
                self.enter(match self.length {
                    0 => AT_TRAILER,
                    size if size <= MAX_SPAN as u64 => IN_CHUNK,
                    _ => REFUSED,
                });
            }
            (AT_TRAILER, b'\r') => self.enter(AT_TRAILER_LF),
            (AT_TRAILER_LF, b'\n') => {
                self.head_len = self.passed;
                self.enter(BARE);
            }
            _ => self.enter(REFUSED),
        }
    }

    #[inline(always)]
    const fn head_ends(&mut self, byte: u8) {
        self.head_len = self.passed;
        let phase = match self.status {
            _ if byte != b'\n' => REFUSED,
            // What has neither ends with the connection.
            204 | 304 if self.framing & CODING == 0 => BARE,
            200..=999 => match self.framing {
                CODING => AT_CHUNKS,
                LENGTH | OLD_LENGTH if self.length == 0 => BARE,
                LENGTH | OLD_LENGTH if self.length <= MAX_SPAN as u64 => BEHIND_HEAD,
                _ => REFUSED,
            },
            _ => REFUSED,
        };
        if phase == AT_CHUNKS {
            // It may be the next head that follows.
            (self.status, self.framing) = (0, 0);
        }
        self.enter(phase);
    }

    /// What is known after all bytes at hand. `begin` is the sequence number of
    /// the first byte that was looked at; bodies of fewer than `threshold` bytes
    /// are only followed to their end.
    #[inline(always)]
    #[must_use]
    pub const fn found(&self, begin: u32, threshold: u32, connection: Option<u32>) -> Found {
        let body = begin.wrapping_add(self.head_len);
        let end = body.wrapping_add(self.length as u32);
        let next = match self.phase {
            BARE => Statement::message(body, connection),
            FOLLOWED if self.length >= threshold as u64 => {
                Statement::about(Kind::Body, body, end, connection)
            }
            FOLLOWED => Statement::message(end, connection),
            BEHIND_HEAD if self.count == 0 => {
                Statement::about(Kind::Announced, body, end, connection)
            }
            IN_CHUNK if self.length >= chunk_from(threshold) as u64 => {
                Statement::about(Kind::Chunk, body, end, connection)
            }
            IN_CHUNK => Statement {
                mark: AT_CHUNK_END,
                ..Statement::about(Kind::Within, end, 0, connection)
            },
            _ => match self.mark() {
                Some(mark) => {
                    let behind = begin.wrapping_add(self.passed);
                    let length = self.length as u32;
                    Statement { mark, ..Statement::about(Kind::Within, behind, length, connection) }
                }
                None => Statement::nothing(connection),
            },
        };
        Found { next, head_len: self.head_len }
    }
}

/// Bytes from which on a chunk stays uncopied where bodies do from `threshold`
/// on.
#[inline(always)]
#[must_use]
pub const fn chunk_from(threshold: u32) -> u32 {
    threshold / CHUNKS_OF_BODY
}
