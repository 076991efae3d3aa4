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

use crate::{
    slot::{Kind, MARK_BITS, MAX_SPAN, Statement},
    window::{BODY_SHOWN, NOWHERE, Passing},
};

/// Bytes of a segment that are looked at for one head.
pub const SCAN_LEN: usize = 2048;

/// What every response begins with; the minor version follows.
const PREFIX: u64 = u64::from_be_bytes(*b"\0HTTP/1.");
/// Bytes of it.
const PREFIX_LEN: u32 = 7;

/// A field's name as it is gathered, in lower case.
struct Name {
    len: u32,
    /// The first byte.
    initial: u32,
    /// The first sixteen bytes and the last sixteen.
    first: [u64; 2],
    last: [u64; 2],
}

const CONTENT_LENGTH: Name = Name::new(b"content-length");
const CONNECTION: Name = Name::new(b"connection");
const TRANSFER_ENCODING: Name = Name::new(b"transfer-encoding");

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

// Where a scanner stands.
const IN_PREFIX: u32 = 0;
const AT_MINOR: u32 = 1;
const AT_SPACE: u32 = 2;
const IN_STATUS: u32 = 3;
const BEHIND_STATUS: u32 = 4;
/// In bytes of a line that do not matter.
const IN_TEXT: u32 = 5;
const AT_LF: u32 = 6;
const AT_LINE: u32 = 7;
const IN_NAME: u32 = 8;
const IN_LENGTH: u32 = 9;
const BEHIND_LENGTH: u32 = 10;
const IN_CONNECTION: u32 = 11;
const AT_LAST_LF: u32 = 12;
const BEHIND_HEAD: u32 = 13;
const IN_CODING: u32 = 14;
/// Behind the head of what is chunked, or at the first chunk.
const AT_CHUNKS: u32 = 15;
/// Behind a chunk's bytes.
const AT_CHUNK_END: u32 = 16;
const AT_CHUNK_END_LF: u32 = 17;
const IN_SIZE: u32 = 18;
const AT_SIZE_LF: u32 = 19;
const AT_TRAILER: u32 = 20;
const AT_TRAILER_LF: u32 = 21;
/// Nothing more is looked at: a length is known and a body follows.
const FOLLOWED: u32 = 22;
/// A chunk begins whose size is known.
const IN_CHUNK: u32 = 23;
/// A message has ended.
const BARE: u32 = 24;
/// Something is not plain.
const REFUSED: u32 = 25;

// What a name that was cut may become; only in a mark.
const IN_LENGTHS_NAME: u32 = 26;
const IN_CONNECTIONS_NAME: u32 = 27;
const IN_CODINGS_NAME: u32 = 28;

/// Bits of what a head says about its body's end.
const LENGTH: u32 = 1;
const CODING: u32 = 2;
/// Of HTTP/1.0, which knows no chunks.
const OLD: u32 = 4;
const OLD_LENGTH: u32 = OLD | LENGTH;

// Where a scanner stands, in the bits of a mark.
const PHASE_MASK: u32 = 31;
const FRAMING_AT: u32 = 5;
const FRAMING_MASK: u32 = 7;
const COUNT_AT: u32 = 8;
const COUNT_MASK: u32 = 31;
const STATUS_AT: u32 = 13;
const _: () = assert!(999 << STATUS_AT < 1 << MARK_BITS);

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

/// What a [`Scanner`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is known of the direction now.
    pub next: Statement,
    /// Bytes from the begin of what was looked at to the body, or to a chunk's
    /// bytes.
    pub head_len: u32,
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

/// What follows for a segment from what was found in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What is known of the direction now.
    pub next: Statement,
    /// Offset behind the last payload byte that is copied, of those before what
    /// is to be looked at next.
    pub to: u32,
    /// Where in the payload that stands; [`NOWHERE`] if not there.
    pub look: u32,
}

impl Found {
    /// What follows for the segment in which this was found, `look` bytes into
    /// its payload.
    #[inline(always)]
    #[must_use]
    pub const fn outlook(&self, look: u32, segment: &Passing) -> Outlook {
        let Self { next, head_len } = *self;
        // Bytes behind the head that are copied with it, and where to go on.
        let (shown, behind) = match next.kind {
            Kind::Body => (BODY_SHOWN, next.end),
            Kind::Chunk => (0, next.end),
            Kind::Message | Kind::Within => (u32::MAX, next.begin),
            _ => return Outlook { next, to: segment.len, look: NOWHERE },
        };
        let behind = behind.wrapping_sub(segment.sequence);
        let there = behind < segment.len;
        let end = if there { behind } else { segment.len };
        let shown = look.saturating_add(head_len).saturating_add(shown);
        let to = if shown < end { shown } else { end };
        Outlook { next, to, look: if there { behind } else { NOWHERE } }
    }
}

/// Bytes from which on a chunk stays uncopied where bodies do from `threshold`
/// on.
#[inline(always)]
#[must_use]
pub const fn chunk_from(threshold: u32) -> u32 {
    threshold / CHUNKS_OF_BODY
}

/// Whether a byte may stand in a field's name.
#[inline(always)]
const fn is_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

impl Name {
    const fn new(name: &[u8]) -> Self {
        let (mut first, mut last, mut rest) = ([0; 2], [0; 2], name);
        let (mut len, mut initial) = (0, 0);
        while let [byte, behind @ ..] = rest {
            last = [last[0] << 8 | last[1] >> 56, last[1] << 8 | *byte as u64];
            len += 1;
            if len == 1 {
                initial = *byte as u32;
            }
            if len <= 16 {
                first = last;
            }
            rest = behind;
        }
        Self { len, initial, first, last }
    }

    /// What is gathered of its first `count` bytes.
    #[inline(always)]
    const fn first(&self, count: u32) -> [u64; 2] {
        let [high, low] = self.first;
        let there = if self.len < 16 { self.len } else { 16 };
        if count > there {
            return self.last;
        }
        let bits = (there - count) * 8;
        match bits {
            0 => [high, low],
            1..64 => [high >> bits, low >> bits | high << (64 - bits)],
            _ => [0, high >> (bits & 63)],
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;

    /// What is found in bytes from sequence number 1000 on.
    fn found(bytes: &[u8]) -> Found {
        found_from(&Statement::message(1000, None), bytes)
    }

    fn found_from(start: &Statement, bytes: &[u8]) -> Found {
        let mut scanner = Scanner::new(start);
        for &byte in bytes {
            scanner.step(byte);
        }
        // The same in steps of eight where that is possible.
        let mut swift = Scanner::new(start);
        let mut rest = bytes;
        while let [first, behind @ ..] = rest {
            match rest.first_chunk::<8>() {
                Some(eight) if swift.is_idle(u64::from_ne_bytes(*eight)) => {
                    swift.pass();
                    rest = &rest[8..];
                }
                _ => {
                    swift.step(*first);
                    rest = behind;
                }
            }
        }
        assert_eq!(scanner, swift);
        scanner.found(1000, 100, None)
    }

    fn head(fields: &str) -> String {
        format!("HTTP/1.1 200 OK\r\n{fields}\r\n")
    }

    #[test]
    fn a_body_that_follows_its_head_is_known_to_its_end() {
        let head = head("Server: x\r\ncontent-LENGTH: \t5000 \r\nConnection: keep-alive\r\n");
        let begin = 1000 + u32::try_from(head.len()).unwrap();
        let found = found(format!("{head}<").as_bytes());
        assert_eq!(found.head_len, begin - 1000);
        assert_eq!(found.next, Statement::about(Kind::Body, begin, begin + 5000, None));
    }

    #[test]
    fn a_small_body_leads_to_the_next_message() {
        let head = head("Content-Length: 7\r\n");
        let begin = 1000 + u32::try_from(head.len()).unwrap();
        let next = |bytes: String| found(bytes.as_bytes()).next;
        assert_eq!(next(format!("{head}<p>text")), Statement::message(begin + 7, None));
        let bare = "HTTP/1.0 304 Not Modified\r\nContent-Length: 5000\r\n\r\n";
        let behind = 1000 + u32::try_from(bare.len()).unwrap();
        assert_eq!(next(bare.into()), Statement::message(behind, None));
    }

    #[test]
    fn a_body_that_may_not_come_is_waited_for() {
        let head = head("Content-Length: 5000\r\n");
        let begin = 1000 + u32::try_from(head.len()).unwrap();
        let announced = Statement::about(Kind::Announced, begin, begin + 5000, None);
        assert_eq!(found(head.as_bytes()).next, announced);
        for begins in ["H", "HTTP/1", "HTTP/1.", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<"]
        {
            let next = found(format!("{head}{begins}").as_bytes()).next;
            assert_eq!(next.kind, Kind::Nothing, "{begins}");
        }
        let next = found(format!("{head}HTTP/2").as_bytes()).next;
        assert_eq!(next.kind, Kind::Body);
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        let lengths = "Content-Length: 5000\r\n";
        for fields in [
            "Server: x\r\n".into(),
            format!("{lengths}{lengths}"),
            format!("{lengths}Transfer-Encoding: chunked\r\n"),
            format!("Transfer-Encoding: chunked\r\n{lengths}"),
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(),
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            "Transfer-Encoding: chunked, gzip\r\n".into(),
            "Transfer-Encoding: chunke\r\n".into(),
            "Transfer-Encoding:\r\n".into(),
            format!("transfer-encoding: gzip\r\n{lengths}"),
            format!("{lengths}Connection: Upgrade\r\n"),
            "Content-Length: 50, 50\r\n".into(),
            "Content-Length: +50\r\n".into(),
            "Content-Length: 5 0\r\n".into(),
            "Content-Length:\r\n".into(),
            "Content-Length : 5000\r\n".into(),
            "Content-Length: 1234567890123456\r\n".into(),
            "Content-Length: 2000000000\r\n".into(),
            " folded\r\nContent-Length: 5000\r\n".into(),
            format!("{lengths} folded\r\n"),
            format!("{lengths}no colon\r\n"),
            format!("{lengths}: no name\r\n"),
            format!("{lengths}A: b\n"),
            format!("{lengths}A: b\rc\r\n"),
            format!("{lengths}A: \0\r\n"),
            format!("{lengths}A: 12345678\x7f12345678\r\n"),
        ] {
            let next = found(format!("{}<", head(&fields)).as_bytes()).next;
            assert_eq!(next.kind, Kind::Nothing, "{fields:?}");
        }
        for start in [
            "HTTP/2.0 200 OK",
            "HTTP/1.2 200 OK",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 101 Switching Protocols",
            "GET / HTTP/1.1",
        ] {
            let next = found(format!("{start}\r\n{lengths}\r\n<").as_bytes()).next;
            assert_eq!(next.kind, Kind::Nothing, "{start:?}");
        }
        for name in ["xontent-length", "xransfer-encoding", "content-lengtx", "xcontent-length"] {
            let next = found(head(&format!("{name}: 5000\r\n")).as_bytes()).next;
            assert_eq!(next.kind, Kind::Nothing, "{name}");
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_gone_on_with() {
        let names = "Via: x\r\nx-long-name-that-is-longer-than-sixteen: y\r\nContent: z\r\n\
            Transfer: z\r\ncontent-lengthy: 7\r\nConnections: u\r\n";
        for bytes in [
            head(&format!("{names}Content-Length: 5000\r\nConnection: close\r\n")) + "<",
            head(&format!("{names}Transfer-Encoding: chunked\r\n")) + "8000\r\n",
            head(&format!("Content-Length: 50\r\nTransfer-Encoding: chunked\r\n{names}")) + "<",
            head(&format!("Content-Length: 5000\r\nConnection: Upgrade\r\n{names}")) + "<",
            head(&format!("Xontent-Length: 5000\r\n{names}xransfer-encoding: chunked\r\n")) + "<",
            format!("HTTP/1.0 304 Not Modified\r\n{names}\r\n"),
        ] {
            let whole = found(bytes.as_bytes()).next;
            for cut in 1..bytes.len() {
                let (before, behind) = bytes.as_bytes().split_at(cut);
                let first = found(before).next;
                if !matches!(first.kind, Kind::Within | Kind::Announced) {
                    assert_eq!(first, whole, "{cut} of {bytes:?}");
                    continue;
                }
                let begin = 1000 + u32::try_from(cut).unwrap();
                assert_eq!(first.begin, begin, "{cut} of {bytes:?}");
                let mut next = found_from(&first, behind).next;
                let shift = begin - 1000;
                let there = next.kind != Kind::Nothing;
                next.begin = next.begin.wrapping_add(if there { shift } else { 0 });
                let spans = there && next.kind != Kind::Within;
                next.end = next.end.wrapping_add(if spans { shift } else { 0 });
                assert_eq!(next, whole, "{cut} of {bytes:?}");
            }
        }
    }

    /// Chunks, or a chunk's end, are looked at there.
    fn within(mark: u32, at: u32) -> Statement {
        Statement { mark, ..Statement::about(Kind::Within, at, 0, None) }
    }

    #[test]
    fn the_head_and_a_little_of_its_body_are_copied() {
        let next = Statement::about(Kind::Body, 1000, 9000, None);
        let found = Found { next, head_len: 100 };
        let segment = |sequence, len| Passing { sequence, len, flags: 0 };
        let all = |look, len| Outlook { next, to: len, look };
        assert_eq!(found.outlook(0, &segment(900, 150)), all(NOWHERE, 150));
        assert_eq!(found.outlook(0, &segment(900, 5000)), Outlook { to: 164, ..all(NOWHERE, 0) });
        assert_eq!(found.outlook(7, &segment(893, 8107)), Outlook { to: 171, ..all(NOWHERE, 0) });
        // Another message stands behind the body.
        let outlook = Outlook { to: 171, ..all(8107, 0) };
        assert_eq!(found.outlook(7, &segment(893, 8108)), outlook);
        // And behind one that is copied.
        let small = Found { next: Statement::message(1050, None), head_len: 100 };
        let outlook = Outlook { next: small.next, to: 157, look: 157 };
        assert_eq!(small.outlook(7, &segment(893, 8108)), outlook);
        let outlook = Outlook { next: small.next, to: 150, look: NOWHERE };
        assert_eq!(small.outlook(7, &segment(893, 150)), outlook);
    }

    #[test]
    fn chunks_are_followed_from_size_to_size() {
        let head = head("Transfer-Encoding:\tChunked \r\nServer: x\r\n");
        let begin = 1000 + u32::try_from(head.len()).unwrap();
        let next = |bytes: String| found(bytes.as_bytes()).next;
        let chunks = within(AT_CHUNKS, begin);
        assert_eq!(next(head.clone()), chunks);
        let chunk = Statement::about(Kind::Chunk, begin + 6, begin + 6 + 0x1f0a, None);
        assert_eq!(next(format!("{head}1F0a\r\n")), chunk);
        assert_eq!(next(format!("{head}1F0a\r\ntext")), chunk);
        let behind = |bytes: &str| found_from(&within(AT_CHUNK_END, 1000), bytes.as_bytes());
        let chunk = Statement::about(Kind::Chunk, 1008, 1008 + 0x8000, None);
        assert_eq!(behind("\r\n8000\r\nHTTP/1.1 "), Found { next: chunk, head_len: 8 });
        let small = within(AT_CHUNK_END, 1005 + 4);
        assert_eq!(behind("\r\n4\r\nHTTP/1.1 ").next, small);
        let last = Found { next: Statement::message(1007, None), head_len: 7 };
        assert_eq!(behind("\r\n0\r\n\r\nHTTP/1.1 "), last);
        assert_eq!(behind("\r\n000\r\n\r\n").next, Statement::message(1009, None));
    }

    #[test]
    fn a_message_may_follow_where_chunks_did_not_come() {
        let first = |bytes: &str| found_from(&within(AT_CHUNKS, 1000), bytes.as_bytes()).next;
        let bare = "HTTP/1.1 204 No Content\r\n\r\n";
        let end = 1000 + u32::try_from(bare.len()).unwrap();
        assert_eq!(first(bare), Statement::message(end, None));
        assert_eq!(first("f000\r\n"), Statement::about(Kind::Chunk, 1006, 1006 + 0xf000, None));
        assert_eq!(first("\r\nf000\r\n").kind, Kind::Nothing);
    }

    #[test]
    fn sizes_that_are_not_plain_are_refused() {
        for lines in [
            "8000\r\n",
            "\r\n\r\n",
            "\r\r\n8000\r\n",
            "\n8000\r\n",
            "\r\n8000\n",
            "\r\n8000;name=value\r\n",
            "\r\n8000 \r\n",
            "\r\n 8000\r\n",
            "\r\n0x80\r\n",
            "\r\n800g\r\n",
            "\r\n@000\r\n",
            "\r\n800000000\r\n",
            "\r\n40000001\r\n",
            "\r\n-1\r\n",
            "\r\n0\r\nTrailer: x\r\n\r\n",
            "\r\n0\r\n\n",
        ] {
            let next = found_from(&within(AT_CHUNK_END, 1000), lines.as_bytes()).next;
            assert_eq!(next.kind, Kind::Nothing, "{lines:?}");
        }
        // HTTP/1.0 knows none.
        let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(found(old.as_bytes()).next.kind, Kind::Nothing);
    }
}
