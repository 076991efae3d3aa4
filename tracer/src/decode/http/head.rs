//! The head of a message: where it ends, and what stands in it
//! (RFC 9112 sections 2 to 5).

use std::mem::MaybeUninit;

use httparse::{EMPTY_HEADER, Header};
use memchr::{memchr, memmem, memrchr};

use crate::event::Side;

/// Header fields of a message that are told of. Servers refuse more than about
/// a hundred (Apache's `LimitRequestFields` is 100); what stands behind is
/// still read for the framing.
pub(super) const HEADERS_LIMIT: usize = 128;

/// Bytes of a method. The longest registered one has 17
/// (`UPDATEREDIRECTREF`); what has no space by then is no request.
const METHOD_LIMIT: usize = 32;

/// Bytes of a version's number. Two digits on either side of the point are
/// more than anybody means, and come from those who test parsers.
const VERSION_LIMIT: usize = 5;

/// Finds the end of a head that arrives in pieces, looking at each byte once.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Start of the line that was not yet seen whole.
    line: usize,
    /// Bytes looked at.
    looked: usize,
}

impl Search {
    /// Whether a whole line was seen: the start line is known to be one.
    pub(super) const fn has_line(&self) -> bool {
        self.line > 0
    }

    /// Bytes of the whole lines seen so far.
    pub(super) const fn lines(&self) -> usize {
        self.line
    }

    /// The length of the head, its empty line included, if it is whole.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(at) = bytes.get(self.looked..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.looked + at;
            let empty = matches!(bytes.get(self.line..end), Some([] | [b'\r']));
            self.looked = end + 1;
            self.line = self.looked;
            if empty {
                return Some(self.line);
            }
        }
        self.looked = bytes.len();
        None
    }
}

/// Whether bytes begin a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// The first line is a start line.
    Yes,
    /// They cannot.
    No,
    /// The first line is not whole, and nothing speaks against it.
    Maybe,
    /// The first line is a request without a version, as HTTP/0.9 had them:
    /// servers answer it at once.
    Simple,
    /// The preface of HTTP/2 with prior knowledge (RFC 9113 section 3.4).
    Http2,
}

/// Whether `bytes` begin a message of `side`. What can be said of the first
/// bytes is never taken back when more come.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Begins {
    let line = memchr(b'\n', bytes).and_then(|end| bytes.get(..end)).map(without_cr);
    match (side, line) {
        (Side::Client, Some(line)) if line == b"PRI * HTTP/2.0" => Begins::Http2,
        (Side::Client, Some(line)) => match request_line(line) {
            Some(line) if line.version.is_empty() => Begins::Simple,
            line => yes_or_no(line.is_some()),
        },
        (Side::Server, Some(line)) => {
            yes_or_no(status_begins(bytes) == Begins::Yes && status_line(line).is_some())
        }
        (Side::Client, None) => {
            let start = without_cr(bytes.get(..METHOD_LIMIT + 1).unwrap_or(bytes));
            match memchr(b' ', start).and_then(|space| start.get(..space)) {
                Some(method) if is_token(method) => Begins::Maybe,
                None if start.len() <= METHOD_LIMIT && (start.is_empty() || is_token(start)) => {
                    Begins::Maybe
                }
                _ => Begins::No,
            }
        }
        (Side::Server, None) => match status_begins(bytes) {
            Begins::No => Begins::No,
            _ => Begins::Maybe,
        },
    }
}

/// Whether `bytes` begin a status line, judged by its first 15 bytes at most.
pub(super) fn status_begins(bytes: &[u8]) -> Begins {
    const PATTERN: &[u8] = b" ddd ";
    let name = bytes.get(..VERSION_NAME.len()).unwrap_or(bytes);
    let number = bytes.get(VERSION_NAME.len()..).unwrap_or_default();
    let named = VERSION_NAME.get(..name.len()).is_some_and(|of| of.eq_ignore_ascii_case(name));
    if !named || number.first().is_some_and(|byte| !byte.is_ascii_digit()) {
        return Begins::No;
    }
    let Some(end) = number.iter().position(|byte| !is_version_byte(*byte)) else {
        return if number.len() > VERSION_LIMIT { Begins::No } else { Begins::Maybe };
    };
    if end > VERSION_LIMIT {
        return Begins::No;
    }
    let bytes = number.get(end..).unwrap_or_default();
    let fits = bytes.iter().zip(PATTERN).enumerate().all(|(at, (byte, pattern))| match pattern {
        b'd' => byte.is_ascii_digit(),
        // Some servers leave out the reason with the space before it.
        b' ' if at == PATTERN.len() - 1 => matches!(byte, b' ' | b'\r' | b'\n'),
        pattern => byte == pattern,
    });
    match fits {
        false => Begins::No,
        true if bytes.len() < PATTERN.len() => Begins::Maybe,
        true => Begins::Yes,
    }
}

const fn yes_or_no(yes: bool) -> Begins {
    if yes { Begins::Yes } else { Begins::No }
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    /// Method as sent.
    pub(super) method: &'a str,
    /// Request target as sent.
    pub(super) target: &'a [u8],
    /// Number of the version as sent; empty where the line has none.
    pub(super) version: &'a str,
}

/// The first line of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusLine<'a> {
    /// Number of the version as sent.
    pub(super) version: &'a str,
    /// Status code.
    pub(super) status: u16,
    /// Reason phrase; may be empty.
    pub(super) reason: &'a [u8],
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartLine<'a> {
    /// Of a request.
    Request(RequestLine<'a>),
    /// Of a response.
    Status(StatusLine<'a>),
}

impl<'a> StartLine<'a> {
    /// Number of the version as sent; empty where the line has none.
    pub(super) const fn version(self) -> &'a str {
        match self {
            Self::Request(line) => line.version,
            Self::Status(line) => line.version,
        }
    }

    /// What may be anything: the target or the reason phrase.
    pub(super) const fn text(self) -> &'a [u8] {
        match self {
            Self::Request(line) => line.target,
            Self::Status(line) => line.reason,
        }
    }
}

/// Reads the first line of a message of `side`.
pub(super) fn start_line(side: Side, line: &[u8]) -> Option<StartLine<'_>> {
    match side {
        Side::Client => request_line(line).map(StartLine::Request),
        Side::Server => status_line(line).map(StartLine::Status),
    }
}

/// Whether a start line has white space other than one space between its parts
/// (RFC 9112 section 3).
pub(super) fn has_odd_space(side: Side, line: &[u8]) -> bool {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (first, second, third) = (parts.next(), parts.next(), parts.next());
    let odd = |part: Option<&[u8]>| {
        part.is_some_and(|part| part.is_empty() || part.iter().any(u8::is_ascii_whitespace))
    };
    // The reason phrase may hold spaces, or be empty.
    odd(first) || odd(second) || (side == Side::Client && odd(third))
}

/// The value of the first field with this name, which is in lower case.
pub(super) fn value<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// The registered methods in use: known even where nothing else is.
pub(super) const METHODS: [&str; 17] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
];

/// Reads a request line. Spaces inside the target are taken as part of it:
/// servers do (RFC 9112 section 3.2), so the rest of the head would be read.
/// A target that is missing is taken for one where the method is known.
/// Without a version it has to be beyond doubt that this is a target.
pub(super) fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let Some((method, rest)) = memchr(b' ', line).and_then(|at| line.split_at_checked(at)) else {
        let method = METHODS.into_iter().find(|method| method.as_bytes() == line)?;
        return Some(RequestLine { method, target: b"", version: "" });
    };
    let rest = rest.trim_ascii();
    if let Some(version) = version(rest) {
        let method = METHODS.into_iter().find(|known| known.as_bytes() == method)?;
        return Some(RequestLine { method, target: b"", version });
    }
    let last = memrchr(b' ', rest).and_then(|space| rest.split_at_checked(space));
    let (target, version) = match last {
        Some((target, word)) => (target.trim_ascii(), version(word.trim_ascii())?),
        None if matches!(rest, [b'/', ..]) || memmem::find(rest, b"://").is_some() => (rest, ""),
        None => return None,
    };
    request_to(method, target, version)
}

/// Reads a request line that ends before its version does, where its target
/// is whole.
pub(super) fn cut_request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let (method, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    let rest = rest.trim_ascii_start();
    let (target, cut) = rest.split_at_checked(memrchr(b' ', rest)?)?;
    let cut = cut.trim_ascii();
    let cut = cut.get(..VERSION_NAME.len()).unwrap_or(cut);
    if VERSION_NAME.starts_with(cut) { request_to(method, target, "") } else { None }
}

fn request_to<'a>(method: &'a [u8], target: &'a [u8], version: &'a str) -> Option<RequestLine<'a>> {
    if !is_token(method) || method.len() > METHOD_LIMIT || target.is_empty() {
        return None;
    }
    // A CR may be a line's end to someone: then a header field stands here.
    if memchr(b'\r', target).is_some() {
        return None;
    }
    Some(RequestLine { method: str::from_utf8(method).ok()?, target, version })
}

/// The method of a request line whose end is not known.
pub(super) fn method(bytes: &[u8]) -> Option<&str> {
    let method = bytes.get(..memchr(b' ', bytes)?)?;
    is_token(method).then(|| str::from_utf8(method).ok())?
}

/// Reads a status line.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine<'_>> {
    let (word, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    let version = version(word)?;
    let (status, reason) = rest.trim_ascii_start().split_at_checked(3)?;
    if !status.iter().all(u8::is_ascii_digit) || !matches!(reason, [] | [b' ' | b'\r', ..]) {
        return None;
    }
    let status = str::from_utf8(status).ok()?.parse().ok()?;
    Some(StatusLine { version, status, reason: before_bare_cr(reason).trim_ascii() })
}

/// What stands before a version's number; clients and servers take it in lower
/// case as well, although it is case-sensitive (RFC 9112 section 2.3).
const VERSION_NAME: &[u8] = b"HTTP/";

/// Whether a start line that has a version names it in upper case.
pub(super) fn is_named_by_the_rules(line: &[u8]) -> bool {
    memmem::find(line, VERSION_NAME).is_some()
}

const fn is_version_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// The number of a version, whether anybody speaks it or not.
fn version(word: &[u8]) -> Option<&str> {
    let (name, number) = word.split_at_checked(VERSION_NAME.len())?;
    let fits = name.eq_ignore_ascii_case(VERSION_NAME)
        && number.len() <= VERSION_LIMIT
        && number.first().is_some_and(u8::is_ascii_digit)
        && number.iter().all(|byte| is_version_byte(*byte));
    fits.then(|| str::from_utf8(number).ok())?
}

/// A version's number, as the parser crate names it.
const fn known_version(minor: u8) -> &'static str {
    if minor == 0 { "1.0" } else { "1.1" }
}

/// Whether the bytes are a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What stands before a CR that ends no line: behind it stands a field of its
/// own, for those who take it for a line's end (RFC 9112 section 2.2).
pub(super) fn before_bare_cr(value: &[u8]) -> &[u8] {
    memchr(b'\r', value).and_then(|at| value.get(..at)).unwrap_or(value)
}

pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Splits a field line at its colon; `None` when its name is no token.
pub(super) fn split_field(line: &[u8]) -> Option<(&str, &[u8])> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    let name = name.trim_ascii_end();
    if !is_token(name) {
        return None;
    }
    Some((str::from_utf8(name).ok()?, value.strip_prefix(b":")?.trim_ascii()))
}

/// Room for the header fields of one head.
pub(super) type Uninit<'a> = [MaybeUninit<Header<'a>>; HEADERS_LIMIT];

/// Reads a whole head that breaks no rule.
pub(super) fn parse<'h, 'b>(
    side: Side,
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
) -> Option<(StartLine<'b>, &'h mut [Header<'b>])> {
    match side {
        Side::Client => {
            request(bytes, room).map(|(line, headers)| (StartLine::Request(line), headers))
        }
        Side::Server => {
            response(bytes, room).map(|(line, headers)| (StartLine::Status(line), headers))
        }
    }
}

fn request<'h, 'b>(
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
) -> Option<(RequestLine<'b>, &'h mut [Header<'b>])> {
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, room).ok()?;
    let (method, target) = (request.method?, request.path?.as_bytes());
    let line = RequestLine { method, target, version: known_version(request.version?) };
    (status.is_complete() && method.len() <= METHOD_LIMIT).then_some((line, request.headers))
}

fn response<'h, 'b>(
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
) -> Option<(StatusLine<'b>, &'h mut [Header<'b>])> {
    let mut response = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, room)
        .ok()?;
    let reason =
        memchr(b'\n', bytes).and_then(|end| status_line(without_cr(bytes.get(..end)?)))?.reason;
    let version = known_version(response.version?);
    let line = StatusLine { version, status: response.code?, reason };
    status.is_complete().then_some((line, response.headers))
}

/// Room for the header fields of a head that was repaired.
pub(super) const NO_HEADERS: [Header<'static>; HEADERS_LIMIT] = [EMPTY_HEADER; HEADERS_LIMIT];

/// Splits a head, cut or whole, behind its first line.
pub(super) fn split_start_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (without_cr(line.strip_suffix(b"\n").unwrap_or(line)), rest)
}

/// Whether a line of the bytes ends without the CR it should have.
pub(super) fn has_bare_lf(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes)
        .any(|at| at.checked_sub(1).and_then(|at| bytes.get(at)) != Some(&b'\r'))
}
