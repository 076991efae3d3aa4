//! Whether bytes begin a message, judged before its first line is whole.

use memchr::memchr;

use super::{
    head::{is_token, without_cr},
    start_line::{
        METHOD_LIMIT, VERSION_LIMIT, VERSION_NAME, is_version_byte, request_line, status_line,
    },
};
use crate::event::Side;

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

/// Spaces behind the version of a status line. There should be one, and clients
/// take more (RFC 9112 section 4); what has many of them is something else.
const SPACES_LIMIT: usize = 4;

/// Whether `bytes` begin a status line, judged by its first 18 bytes at most.
pub(super) fn status_begins(bytes: &[u8]) -> Begins {
    const PATTERN: &[u8] = b"ddd ";
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
    let spaces = bytes.iter().take_while(|byte| **byte == b' ').count();
    if spaces > SPACES_LIMIT || (spaces == 0 && !bytes.is_empty()) {
        return Begins::No;
    }
    let bytes = bytes.get(spaces..).unwrap_or_default();
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
