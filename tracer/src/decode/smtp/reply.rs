//! Replies (RFC 5321 section 4.2): where one ends, and what its text tells.

use memchr::{memchr, memmem};

use crate::event::REDACTED;

/// Bytes of a reply, all lines. RFC 5321 allows 512 for a line; the longest
/// replies, to EHLO and HELP, have some 30 lines.
pub(super) const REPLY_LIMIT: usize = 32 * 1024;

/// What stands at the front of the server's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Neither a whole reply nor a whole line that is none.
    Partial,
    /// A reply of so many bytes.
    Reply(Whole),
    /// A line of so many bytes that is no reply.
    Other(usize),
    /// A reply longer than [`REPLY_LIMIT`].
    TooLong,
}

/// A whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Bytes, the end of the last line included.
    pub(super) len: usize,
    /// Code of the last line.
    pub(super) code: u16,
    /// Whether a line had another code.
    pub(super) codes_differ: bool,
    /// Whether a line ended with a bare LF.
    pub(super) bare: bool,
}

/// Finds replies, and remembers how far it looked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framer {
    /// Where the first line that is not complete begins.
    line: usize,
    /// How far it was searched for its end.
    searched: usize,
    /// Code of the first line.
    first: u16,
    codes_differ: bool,
    bare: bool,
}

impl Framer {
    /// Looks at the front of `bytes`: what it was offered before, and more.
    pub(super) fn frame(&mut self, bytes: &[u8]) -> Frame {
        loop {
            let rest = bytes.get(self.searched..).unwrap_or_default();
            let Some(at) = memchr(b'\n', rest) else {
                self.searched = bytes.len();
                let over = bytes.len() > REPLY_LIMIT;
                return if over { self.over(bytes) } else { Frame::Partial };
            };
            let start = self.line;
            let len = self.searched + at + 1;
            let line = bytes.get(start..len).unwrap_or_default();
            self.bare |= !line.ends_with(b"\r\n");
            self.line = len;
            self.searched = len;
            if len > REPLY_LIMIT {
                return self.over(bytes);
            }
            match (start, parse(line)) {
                (0, None) => return Frame::Other(len),
                (0, Some((code, true))) => self.first = code,
                // A line without a code within a reply is text of it.
                (_, None) => {}
                (_, Some((code, true))) => self.codes_differ |= code != self.first,
                (_, Some((code, false))) => {
                    let codes_differ = start > 0 && (self.codes_differ || code != self.first);
                    return Frame::Reply(Whole { len, code, codes_differ, bare: self.bare });
                }
            }
        }
    }

    fn over(&self, bytes: &[u8]) -> Frame {
        match parse(bytes) {
            Some(_) => Frame::TooLong,
            None => Frame::Other(self.searched.min(REPLY_LIMIT)),
        }
    }

    /// Begins anew, behind what was taken.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Code at the front of a line, and whether more lines follow.
pub(super) fn parse(line: &[u8]) -> Option<(u16, bool)> {
    let [one @ b'2'..=b'5', two @ b'0'..=b'9', three @ b'0'..=b'9', rest @ ..] = line else {
        return None;
    };
    let code =
        [one, two, three].iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    match rest {
        [b'-', ..] => Some((code, true)),
        [] | [b' ' | b'\r' | b'\n', ..] => Some((code, false)),
        _ => None,
    }
}

/// Whether a code is of a kind that RFC 5321 section 4.2.1 knows, or RFC 4954
/// for authentication (x3z).
pub(super) const fn is_known(code: u16) -> bool {
    matches!(code / 10 % 10, 0..=3 | 5)
}

/// A reply with the text of each line replaced; its codes stay.
pub(super) fn without_text(raw: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let (code, text) = line.split_at_checked(4).unwrap_or((line, b""));
        let Some((number, _)) = parse(line) else {
            shown.extend_from_slice(REDACTED);
            shown.extend_from_slice(b"\r\n");
            continue;
        };
        shown.extend_from_slice(code);
        let text = text.trim_ascii();
        let enhanced = enhanced(text, number).unwrap_or_default();
        shown.extend_from_slice(enhanced);
        if enhanced.len() < text.len() {
            shown.extend_from_slice(if enhanced.is_empty() { b"" } else { b" " });
            shown.extend_from_slice(REDACTED);
        }
        if !shown.ends_with(b"\n") {
            shown.extend_from_slice(b"\r\n");
        }
    }
    shown
}

/// Enhanced status code at the front of a line's text (RFC 2034).
pub(super) fn enhanced(text: &[u8], code: u16) -> Option<&[u8]> {
    let [class, b'.', rest @ ..] = text else { return None };
    if u16::from(class.wrapping_sub(b'0')) != code / 100 {
        return None;
    }
    // Digits of a number, of which there are one to three.
    let number = |part: &[u8]| {
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (1..=3).contains(&digits).then_some(digits)
    };
    let subject = number(rest)?;
    let detail = rest.get(subject..)?.strip_prefix(b".")?;
    let len = 2 + subject + 1 + number(detail)?;
    matches!(text.get(len), None | Some(b' ')).then(|| text.get(..len))?
}

/// The name that the server gave a mail, in the text of its final reply, as
/// the usual servers put it.
pub(super) fn queue_id(text: &[u8]) -> Option<&[u8]> {
    let word = |from: &'_ [u8]| -> usize {
        from.iter()
            .position(|byte| {
                byte.is_ascii_whitespace() || matches!(byte, b')' | b',' | b';' | b'>' | b']')
            })
            .unwrap_or(from.len())
    };
    // Postfix: `queued as ID`; Exim: `OK id=ID`; qmail: `ok TIME qp ID`;
    // Exchange: `<…> [InternalId=ID, Hostname=…]`.
    for mark in [&b"queued as "[..], b" id=", b" qp ", b"[InternalId="] {
        if let Some(at) = memmem::find(text, mark) {
            let from = text.get(at + mark.len()..)?;
            let id = from.get(..word(from))?;
            if !id.is_empty() {
                return Some(id);
            }
        }
    }
    // Sendmail and OpenSMTPD: `2.0.0 ID Message accepted for delivery`; Dovecot:
    // `2.0.0 <address> ID Saved`; Gmail: `2.0.0 OK TIME ID - gsmtp`.
    let marks = [&b" Message accepted for delivery"[..], b" Saved", b" - gsmtp"];
    let at = marks.into_iter().find_map(|mark| memmem::find(text, mark))?;
    let before = text.get(..at)?;
    let id = before.rsplit(|byte| *byte == b' ').next()?;
    let is_id = !id.is_empty() && !id.ends_with(b">") && enhanced(id, 200).is_none();
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_with_the_line_without_a_hyphen() {
        let mut framer = Framer::default();
        let whole = Whole { len: 14, code: 250, codes_differ: false, bare: false };
        assert_eq!(framer.frame(b"250-one\r\n25"), Frame::Partial);
        assert_eq!(framer.frame(b"250-one\r\n250\r\n221 "), Frame::Reply(whole));
        framer.reset();
        assert_eq!(framer.frame(b"hello\r\n250 x\r\n"), Frame::Other(7));
        framer.reset();
        let differ = Whole { len: 14, code: 251, codes_differ: true, bare: true };
        assert_eq!(framer.frame(b"250-one\r\n251 \n"), Frame::Reply(differ));
    }

    #[test]
    fn codes_are_three_digits_and_an_end() {
        assert_eq!(parse(b"250"), Some((250, false)));
        assert_eq!(parse(b"599-x"), Some((599, true)));
        for bad in [&b"150 x"[..], b"650 x", b"25", b"2500", b"25x y", b"250x"] {
            assert_eq!(parse(bad), None);
        }
    }

    #[test]
    fn the_usual_servers_name_their_queue_ids() {
        for (text, expected) in [
            ("2.0.0 Ok: queued as 5BE0578032B", Some("5BE0578032B")),
            ("OK id=1uQ4hC-0000000Abc-1xYz", Some("1uQ4hC-0000000Abc-1xYz")),
            ("ok 1475232887 qp 5678", Some("5678")),
            ("2.0.0 q8LGkX01 Message accepted for delivery", Some("q8LGkX01")),
            ("2.6.0 <1@x> [InternalId=123, Hostname=h] Queued mail for delivery", Some("123")),
            ("2.0.0 <b@x> g5zfCrE8 Saved", Some("g5zfCrE8")),
            ("2.0.0 <b@x> Saved", None),
            ("2.0.0 OK 1475232887 x1-20020a - gsmtp", Some("x1-20020a")),
            ("2.0.0 Message accepted for delivery", None),
            ("2.0.0 Ok", None),
        ] {
            assert_eq!(queue_id(text.as_bytes()), expected.map(str::as_bytes), "{text}");
        }
        assert_eq!(enhanced(b"5.1.1 no", 550), Some(&b"5.1.1"[..]));
        assert_eq!(enhanced(b"5.1.1 no", 250), None);
        assert_eq!(enhanced(b"5.1 no", 550), None);
    }
}
