//! How IMAP is recognised.

use crate::{
    decode::{First, Likeness},
    event::Side,
};

/// Longest tag that is taken for one; clients have five letters or so.
const TAG_LIMIT: usize = 32;

/// With what a server begins (RFC 9051 section 7.1).
const GREETINGS: [&[u8]; 6] =
    [b"* OK ", b"* OK[", b"* PREAUTH ", b"* BYE ", b"* CAPABILITY IMAP", b"* OK\r"];

/// Commands (RFC 9051 section 6 and its usual extensions) with which a client
/// begins or goes on. Other protocols have none of them as the second word.
const COMMANDS: [&[u8]; 24] = [
    b"CAPABILITY",
    b"LOGIN",
    b"AUTHENTICATE",
    b"STARTTLS",
    b"NOOP",
    b"LOGOUT",
    b"ID",
    b"SELECT",
    b"EXAMINE",
    b"LIST",
    b"LSUB",
    b"STATUS",
    b"NAMESPACE",
    b"ENABLE",
    b"IDLE",
    b"FETCH",
    b"UID",
    b"SEARCH",
    b"STORE",
    b"COPY",
    b"MOVE",
    b"APPEND",
    b"EXPUNGE",
    b"COMPRESS",
];

/// A server begins with an untagged greeting, a client with a tag and a known
/// command.
pub(super) fn recognises(first: &First<'_>) -> Likeness {
    match first.side {
        Side::Server => first.begins_with_one(&GREETINGS),
        Side::Client => command(first),
    }
}

fn command(first: &First<'_>) -> Likeness {
    let tag = first.bytes.iter().take_while(|byte| is_tag(**byte)).count();
    let word = match first.bytes.get(tag) {
        _ if tag > TAG_LIMIT => return Likeness::Unlike,
        None if !first.whole => return Likeness::Unclear,
        Some(b' ') if tag > 0 => first.bytes.get(tag + 1..).unwrap_or_default(),
        _ => return Likeness::Unlike,
    };
    let end = word.iter().position(|byte| !byte.is_ascii_alphabetic());
    let known = |name: &&&[u8]| match end.and_then(|end| word.get(..end)) {
        Some(word) => word.eq_ignore_ascii_case(name),
        None => name.get(..word.len()).is_some_and(|begin| word.eq_ignore_ascii_case(begin)),
    };
    let found = COMMANDS.iter().any(|name| known(&name));
    let separated = end.is_none_or(|end| matches!(word.get(end), Some(b' ' | b'\r' | b'\n')));
    match (found && separated, end) {
        (true, Some(_)) => Likeness::Like,
        (true, None) if !first.whole => Likeness::Unclear,
        _ => Likeness::Unlike,
    }
}

/// Characters of tags that are in use, a part of those that are allowed.
const fn is_tag(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'#' | b'$' | b'&')
}
