//! The first line of a message (RFC 9112 sections 3 and 4).

use memchr::{memchr, memmem, memrchr};

use super::head::{before_bare_cr, is_token};
use crate::event::Side;

/// Bytes of a method. The longest registered one has 17
/// (`UPDATEREDIRECTREF`); what has no space by then is no request.
pub(super) const METHOD_LIMIT: usize = 32;

/// Bytes of a version's number. Two digits on either side of the point are
/// more than anybody means, and come from those who test parsers.
pub(super) const VERSION_LIMIT: usize = 5;

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
pub(super) const VERSION_NAME: &[u8] = b"HTTP/";

/// Whether a start line that has a version names it in upper case.
pub(super) fn is_named_by_the_rules(line: &[u8]) -> bool {
    memmem::find(line, VERSION_NAME).is_some()
}

pub(super) const fn is_version_byte(byte: u8) -> bool {
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
pub(super) const fn known_version(minor: u8) -> &'static str {
    if minor == 0 { "1.0" } else { "1.1" }
}
