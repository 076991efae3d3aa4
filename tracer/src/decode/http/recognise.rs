//! How HTTP is recognised.

use crate::{
    decode::{First, Likeness},
    event::Side,
};

/// Longest word that is taken for a method; the longest registered has 17
/// letters.
const METHOD_LIMIT: usize = 32;

/// A client begins with a request line, or with the preface of HTTP/2
/// (RFC 9113 section 3.4), a server with a status line (RFC 9112 sections 3
/// and 4).
pub(super) fn recognises(first: &First<'_>) -> Likeness {
    match first.side {
        Side::Server => first.begins_with(b"HTTP/1."),
        Side::Client => request_line(first),
    }
}

fn request_line(first: &First<'_>) -> Likeness {
    let method = first.bytes.iter().take_while(|byte| is_method(**byte)).count();
    match first.bytes.get(method) {
        _ if method > METHOD_LIMIT => return Likeness::Unlike,
        None if !first.whole => return Likeness::Unclear,
        Some(b' ') if method > 0 => {}
        _ => return Likeness::Unlike,
    }
    let Some(line) = first.line() else { return Likeness::Unclear };
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let complete = line.len() < first.bytes.len();
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Likeness::Like
        }
        // HTTP/0.9, and those who forget the version.
        _ if line.starts_with(b"GET /") => Likeness::Like,
        // So long a target that its end did not come.
        _ if !complete && line.get(method + 1) == Some(&b'/') => Likeness::Like,
        _ => Likeness::Unlike,
    }
}

/// Registered methods have capital letters and hyphens; others that are seen
/// have those, too.
const fn is_method(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')
}
