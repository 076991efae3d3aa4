//! Heads as nearly everybody sends them, read at one go.
//!
//! Whatever is not quite usual is left to the parser crate, which knows all
//! rules: what is read here it would read the same way.

use std::mem::MaybeUninit;

use httparse::Header;

use super::{
    framing::Framing,
    head::{self, HEADERS_LIMIT, Uninit},
    name::Name,
    start_line::{METHOD_LIMIT, RequestLine, StartLine, StatusLine},
};
use crate::{
    block::{Block, LEN},
    event::Side,
};

/// The names of a head's fields, as far as they are known.
pub(super) type Names = [Option<Name>; HEADERS_LIMIT];

/// No names.
pub(super) const NO_NAMES: Names = [None; HEADERS_LIMIT];

/// The end of a line, in the lowest two bytes of a block.
const CRLF: u128 = u16::from_le_bytes(*b"\r\n") as u128;

/// A head that was read.
pub(super) struct Read<'h, 'b> {
    /// Its length.
    pub(super) length: usize,
    /// Its first line.
    pub(super) line: StartLine<'b>,
    /// Its fields. Names that are known are in lower case.
    pub(super) headers: &'h mut [Header<'b>],
}

/// Reads the head that the bytes begin with, if it is whole and as usual: of
/// HTTP/1.0 or 1.1, no line folded, each ended by CR and LF, and nothing in it
/// that is not allowed.
#[inline(never)]
pub(super) fn read<'h, 'b>(
    side: Side,
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
    names: &mut Names,
    framing: &mut Framing,
) -> Option<Read<'h, 'b>> {
    let (line, mut at) = match side {
        Side::Client => request_line(bytes)?,
        Side::Server => status_line(bytes)?,
    };
    let mut filled = 0;
    loop {
        let block = match bytes.get(at..at + LEN).and_then(<[u8]>::first_chunk) {
            Some(block) => *block,
            None => last(bytes, at)?,
        };
        if u128::from_le_bytes(block) & 0xffff == CRLF {
            break;
        }
        let colons = Block::new(block).is(b':').marks();
        let ends = colons | Block::new(block).controls();
        // The first of them is a colon, or the name is long.
        let (known, name, colon) = if ends & ends.wrapping_neg() & colons != 0 {
            let len = colons.trailing_zeros() as usize;
            let known = Name::at(&block, len);
            let name = match known {
                Some(known) => known.text(),
                None => token(bytes.get(at..at + len)?)?,
            };
            (known, name, at + len)
        } else if ends == 0 {
            long_name(bytes, &block, at)?
        } else {
            return None;
        };
        let mut start = colon + 1;
        while bytes.get(start) == Some(&b' ') {
            start += 1;
        }
        let end = Block::find(bytes, start, Block::controls)?;
        let (value, rest) = bytes.get(start..)?.split_at_checked(end - start)?;
        let [b'\r', b'\n', ..] = rest else { return None };
        let value = if let [.., b' '] = value { value.trim_ascii_end() } else { value };
        match known {
            Some(known) if known.frames() => framing.known(known, value),
            Some(_) => {}
            None => framing.field(name, value),
        }
        *names.get_mut(filled)? = known;
        room.get_mut(filled)?.write(Header { name, value });
        filled += 1;
        at = end + 2;
    }
    #[expect(unsafe_code, reason = "initializing all of the room takes longer than the head")]
    // SAFETY: the first `filled` were written, each before it was counted.
    let headers = unsafe { <[MaybeUninit<Header<'b>>]>::assume_init_mut(room.get_mut(..filled)?) };
    Some(Read { length: at + 2, line, headers })
}

/// The block that begins at `at`, less than a block before the end, with zeros
/// behind.
fn last(bytes: &[u8], at: usize) -> Option<[u8; LEN]> {
    let behind = bytes.len().checked_sub(at)?;
    let seen = u32::try_from(LEN.checked_sub(behind)?).ok()?;
    let block = u128::from_le_bytes(*bytes.last_chunk()?);
    Some(block.checked_shr(seen * 8)?.to_le_bytes())
}

/// The name that stands at `at` and fills the block that begins there, and where
/// it ends.
#[cold]
fn long_name<'b>(
    bytes: &'b [u8],
    block: &[u8; LEN],
    at: usize,
) -> Option<(Option<Name>, &'b str, usize)> {
    let end = Block::find(bytes, at, |block| block.is(b':').marks() | block.controls())?;
    if bytes.get(end) != Some(&b':') {
        return None;
    }
    let known = if end - at == block.len() { Name::at(block, block.len()) } else { None };
    let name = match known {
        Some(known) => known.text(),
        None => token(bytes.get(at..end)?)?,
    };
    Some((known, name, end))
}

/// A name that is a token.
fn token(name: &[u8]) -> Option<&str> {
    if head::is_token(name) { str::from_utf8(name).ok() } else { None }
}

/// Reads a request line; the number is where it ends.
fn request_line(bytes: &[u8]) -> Option<(StartLine<'_>, usize)> {
    let method = match bytes {
        [b'G', b'E', b'T', b' ', ..] => "GET",
        [b'P', b'O', b'S', b'T', b' ', ..] => "POST",
        _ => {
            let len = bytes.iter().take(METHOD_LIMIT + 1).position(|byte| *byte == b' ')?;
            token(bytes.get(..len)?)?
        }
    };
    let start = method.len() + 1;
    let end = Block::find(bytes, start, Block::invisible)?;
    let target = bytes.get(start..end).filter(|target| !target.is_empty())?;
    let (behind, version) = version(bytes.get(end..)?.strip_prefix(b" ")?)?;
    let [b'\r', b'\n', ..] = behind else { return None };
    Some((StartLine::Request(RequestLine { method, target, version }), end + 11))
}

/// Reads a status line; the number is where it ends.
fn status_line(bytes: &[u8]) -> Option<(StartLine<'_>, usize)> {
    let ([b' ', rest @ ..], version) = version(bytes)? else { return None };
    let [h @ b'0'..=b'9', t @ b'0'..=b'9', o @ b'0'..=b'9', b' ', ..] = *rest else { return None };
    let digit = |digit: u8| u16::from(digit - b'0');
    let status = digit(h) * 100 + digit(t) * 10 + digit(o);
    let start = 13;
    let end = Block::find(bytes, start, Block::controls)?;
    let (reason, rest) = bytes.get(start..)?.split_at_checked(end - start)?;
    let [b'\r', b'\n', ..] = rest else { return None };
    let reason = reason.trim_ascii();
    if reason.is_empty() || !reason.is_ascii() {
        return None;
    }
    Some((StartLine::Status(StatusLine { version, status, reason }), end + 2))
}

/// The number of the version that the bytes begin with, and what is behind it.
fn version(bytes: &[u8]) -> Option<(&[u8], &'static str)> {
    let (version, rest) = bytes.split_first_chunk()?;
    match version {
        b"HTTP/1.1" => Some((rest, "1.1")),
        b"HTTP/1.0" => Some((rest, "1.0")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [(Side, &str); 8] = [
        (Side::Client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            Side::Client,
            "POST /a?b=c HTTP/1.0\r\nHOST:  a.example  \r\nContent-Length: 3\r\nX-Long-Name-Of-A-Field: \
             v\r\nCookie: a=b; c=d\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\nabc",
        ),
        (
            Side::Client,
            "PROPFIND /x HTTP/1.1\r\nAccept:\r\nIf-None-Match: \"\"\r\nA: \u{e9}\r\n\r\n",
        ),
        (
            Side::Client,
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\n\r\n0\r\n\r\n",
        ),
        (Side::Server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (
            Side::Server,
            "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nDate: Thu, 01 Jan 2026 10:00:00 GMT\r\n\
             Content-Encoding: gzip\r\nContent-Language: de\r\nSet-Cookie: a=b\r\nETag: \"1\"\r\n\r\n<html>",
        ),
        (Side::Server, "HTTP/1.0 304 Not Modified\r\nVia:  1.1 proxy \r\nVary: *\r\n\r\n"),
        (Side::Server, "HTTP/1.1 500 no  reason \r\nKeep-Alive: timeout=5\r\nAge: 1\r\n\r\n"),
    ];

    /// What both say of a head: its length, its first line, its fields, and
    /// what frames its body.
    fn by_the_rules(side: Side, bytes: &[u8]) -> Option<String> {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS_LIMIT];
        let (length, line, headers) = head::parse(side, bytes, &mut room)?;
        assert!(!head::has_bare_lf(&bytes[..length]), "{:?}", bytes.escape_ascii().to_string());
        let mut framing = Framing::default();
        framing.fields(headers);
        Some(said(length, line, headers, &framing))
    }

    fn as_usual(side: Side, bytes: &[u8]) -> Option<String> {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS_LIMIT];
        let (mut names, mut framing) = (NO_NAMES, Framing::default());
        let read = read(side, bytes, &mut room, &mut names, &mut framing)?;
        for (header, name) in read.headers.iter().zip(&names) {
            assert_eq!(*name, Name::of(header.name), "{}", header.name);
        }
        Some(said(read.length, read.line, read.headers, &framing))
    }

    fn said(length: usize, line: StartLine<'_>, headers: &[Header<'_>], of: &Framing) -> String {
        let name = |header: &Header<'_>| header.name.to_ascii_lowercase();
        let headers: Vec<_> = headers.iter().map(|header| (name(header), header.value)).collect();
        format!("{length} {line:?} {of:?} {headers:?}")
    }

    fn agree(side: Side, bytes: &[u8]) -> bool {
        let usual = as_usual(side, bytes);
        if usual.is_some() {
            let shown = bytes.escape_ascii().to_string();
            assert_eq!(usual, by_the_rules(side, bytes), "{shown}");
        }
        usual.is_some()
    }

    #[test]
    fn usual_heads_are_read_as_by_the_rules() {
        for (side, head) in HEADS {
            assert!(agree(side, head.as_bytes()), "{head}");
            for end in 0..head.len() {
                agree(side, &head.as_bytes()[..end]);
            }
        }
    }

    #[test]
    fn each_byte_in_each_place_is_read_as_by_the_rules_or_not_at_all() {
        for (side, head) in HEADS {
            let mut head = head.as_bytes().to_vec();
            for at in 0..head.len() {
                let before = head[at];
                for byte in 0..=u8::MAX {
                    head[at] = byte;
                    agree(side, &head);
                }
                head[at] = before;
            }
        }
    }

    /// Pieces in any order, with what parsers stumble over.
    #[test]
    fn what_is_put_together_by_chance_is_read_as_by_the_rules_or_not_at_all() {
        const PIECES: [&str; 26] = [
            "\r\n",
            "\r\n",
            "\r\n",
            "\n",
            "\r",
            ":",
            ": ",
            " ",
            "\t",
            "Host",
            "content-length",
            "3",
            "Content-Language",
            "X-Content-Language",
            "a",
            "\0",
            "\u{7f}",
            "\u{e9}",
            "(",
            "cookie: a",
            "transfer-encoding: chunked",
            "upgrade:",
            ",",
            "0123456789abcdef",
            "Keep\rAlive: 1",
            "=",
        ];
        let mut random = 1_u64;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % below
        };
        let mut read = 0;
        for _ in 0..200_000 {
            let (side, mut head) = match next(4) {
                0 => (Side::Server, "HTTP/1.1 200 OK\r\n".to_owned()),
                1 => (Side::Client, "GET /x HTTP/1.0\r\n".to_owned()),
                2 => (Side::Client, "HEAD * HTTP/1.1\r\nHost: x\r\n".to_owned()),
                _ => (Side::Server, "HTTP/1.0 204 \u{e9}\r\nDate:1\r\n".to_owned()),
            };
            for _ in 0..next(12) {
                head += PIECES[next(PIECES.len())];
            }
            head += "\r\n\r\n";
            read += usize::from(agree(side, head.as_bytes()));
        }
        assert!(read > 10_000, "{read}");
    }
}
