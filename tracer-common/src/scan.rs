//! Where the body of an HTTP response ends that announces its length (RFC 9112
//! section 6), found byte by byte.
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
    slot::{Kind, MAX_SPAN, Statement},
    window::{BODY_SHOWN, NOWHERE, Passing},
};

/// Bytes of a segment that are looked at for one head.
pub const SCAN_LEN: usize = 2048;

/// What every response begins with; the minor version follows.
const PREFIX: u64 = u64::from_be_bytes(*b"\0HTTP/1.");
/// Bytes of it.
const PREFIX_LEN: u32 = 7;

/// Names as they are gathered: lower case, the last sixteen bytes.
const CONTENT_LENGTH: (u64, u64) = gathered(b"content-length");
const CONNECTION: (u64, u64) = gathered(b"connection");
/// All but the first byte, which is told by the length.
const TRANSFER_ENCODING: (u64, u64) = gathered(b"transfer-encoding");

/// Digits of a length; more than any body has.
const MAX_DIGITS: u32 = 15;

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
/// Nothing more is looked at: a length is known and a body follows.
const FOLLOWED: u32 = 14;
/// A message without a body has ended.
const BARE: u32 = 15;
/// Something is not plain.
const REFUSED: u32 = 16;

/// Follows one head. All fields are plain numbers, since it stands in a map's
/// value while the kernel side works on it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanner {
    phase: u32,
    /// Bytes of the phase that have passed.
    count: u32,
    /// The name at hand, or the status.
    name: [u64; 2],
    /// The announced length.
    length: u64,
    /// Whether there was one.
    has_length: u32,
    status: u32,
    /// Bytes that have passed.
    passed: u32,
    /// Bytes of the head, once it is whole.
    head_len: u32,
}

/// What a [`Scanner`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is known of the direction now.
    pub next: Statement,
    /// Bytes from the begin of what was looked at to the body.
    pub head_len: u32,
}

impl Scanner {
    /// At the begin of a message.
    #[inline(always)]
    #[must_use]
    pub fn message() -> Self {
        Self::default()
    }

    /// Behind a head that announced `length` bytes, which may not come.
    #[inline(always)]
    #[must_use]
    pub fn announced(length: u32) -> Self {
        let mut scanner = Self::default();
        scanner.restart(Some(length));
        scanner
    }

    /// Begins anew: at the begin of a message, or behind a head that announced
    /// a length.
    #[inline(always)]
    pub const fn restart(&mut self, announced: Option<u32>) {
        self.count = 0;
        self.status = 0;
        self.passed = 0;
        self.head_len = 0;
        if let Some(length) = announced {
            self.phase = BEHIND_HEAD;
            self.length = length as u64;
            self.has_length = 1;
        } else {
            self.phase = IN_PREFIX;
            self.length = 0;
            self.has_length = 0;
        }
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
            AT_MINOR => self.enter(if matches!(byte, b'0' | b'1') { AT_SPACE } else { REFUSED }),
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
        self.name[0] = self.name[0] << 8 | self.name[1] >> 56;
        self.name[1] = self.name[1] << 8 | (byte | 0x20) as u64;
        self.count = self.count.wrapping_add(1);
    }

    #[inline(always)]
    const fn named(&mut self) {
        let [high, low] = self.name;
        if self.count == 17 && high == TRANSFER_ENCODING.0 && low == TRANSFER_ENCODING.1 {
            return self.enter(REFUSED);
        }
        if self.count == 14 && high == CONTENT_LENGTH.0 && low == CONTENT_LENGTH.1 {
            let first = self.has_length == 0;
            self.has_length = 1;
            return self.enter(if first { IN_LENGTH } else { REFUSED });
        }
        if self.count == 10 && high == CONNECTION.0 && low == CONNECTION.1 {
            return self.enter(IN_CONNECTION);
        }
        self.enter(if self.count == 0 { REFUSED } else { IN_TEXT });
    }

    #[inline(always)]
    const fn head_ends(&mut self, byte: u8) {
        self.head_len = self.passed;
        let phase = match self.status {
            _ if byte != b'\n' => REFUSED,
            204 | 304 => BARE,
            200..=999 if self.has_length == 0 => REFUSED,
            200..=999 if self.length == 0 => BARE,
            200..=999 if self.length <= MAX_SPAN as u64 => BEHIND_HEAD,
            _ => REFUSED,
        };
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
            _ => Statement::nothing(connection),
        };
        Found { next, head_len: self.head_len }
    }
}

/// What follows for a segment from what was found in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What is known of the direction now.
    pub next: Statement,
    /// Offset behind the last payload byte that is copied.
    pub to: u32,
    /// Where in the payload the next message begins; [`NOWHERE`] if not there.
    pub look: u32,
}

impl Found {
    /// What follows for the segment in which this was found, `look` bytes into
    /// its payload.
    #[inline(always)]
    #[must_use]
    pub const fn outlook(&self, look: u32, segment: &Passing) -> Outlook {
        let Self { next, head_len } = *self;
        let all = Outlook { next, to: segment.len, look: NOWHERE };
        // Both kinds say where a message begins.
        if !matches!(next.kind, Kind::Body | Kind::Message) {
            return all;
        }
        let message = next.end.wrapping_sub(segment.sequence);
        if message < segment.len {
            return Outlook { look: message, ..all };
        }
        let shown = look.saturating_add(head_len).saturating_add(BODY_SHOWN);
        if matches!(next.kind, Kind::Body) && shown < segment.len {
            return Outlook { to: shown, ..all };
        }
        all
    }
}

/// Whether a byte may stand in a field's name.
#[inline(always)]
const fn is_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// A name as [`Scanner`] gathers it.
const fn gathered(name: &[u8]) -> (u64, u64) {
    let (mut high, mut low, mut rest) = (0, 0, name);
    while let [byte, behind @ ..] = rest {
        high = high << 8 | low >> 56;
        low = low << 8 | *byte as u64;
        rest = behind;
    }
    (high, low)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use super::*;

    /// What is found in bytes from sequence number 1000 on.
    fn found(bytes: &[u8]) -> Found {
        let mut scanner = Scanner::message();
        for &byte in bytes {
            scanner.step(byte);
        }
        // The same in steps of eight where that is possible.
        let mut swift = Scanner::message();
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
        let cut = head(lengths);
        for end in 0..cut.len() {
            assert_eq!(found(&cut.as_bytes()[..end]).next.kind, Kind::Nothing, "{end}");
        }
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
        assert_eq!(found.outlook(7, &segment(893, 8108)), all(8107, 8108));
    }
}
