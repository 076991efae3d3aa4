//! How SMTP and LMTP are recognised.

use crate::{
    decode::{First, Likeness},
    event::Side,
};

/// With what a client begins (RFC 5321 section 3.2, RFC 2033), or goes on.
const COMMANDS: [&[u8]; 5] = [b"EHLO ", b"HELO ", b"LHLO ", b"MAIL FROM:", b"RCPT TO:"];

/// With what else a client may begin, which other protocols have as well.
const SHARED: [&[u8]; 4] = [b"QUIT", b"NOOP", b"RSET", b"STARTTLS"];

/// Codes of greetings (RFC 5321 section 4.3.2); FTP has them as well.
const GREETINGS: [&[u8]; 3] = [b"220", b"421", b"554"];

/// Replies that no other protocol has: with an enhanced code (RFC 2034), and
/// the one that asks for a mail.
const REPLIES: [&[u8]; 4] = [b"250 2.1.", b"250 2.0.0", b"354 ", b"250 2.6.0"];

/// A client begins by EHLO, HELO or LHLO. A server's greeting is SMTP only if
/// it says so.
pub(super) fn recognises(first: &First<'_>) -> Likeness {
    match first.side {
        Side::Client => first.begins_with_command(&COMMANDS, &SHARED),
        Side::Server => match first.begins_with_one(&GREETINGS) {
            Likeness::Like => greeting(first),
            Likeness::Unclear => Likeness::Unclear,
            Likeness::Unlike => first.begins_with_one(&REPLIES),
        },
    }
}

fn greeting(first: &First<'_>) -> Likeness {
    match first.bytes.get(3) {
        None | Some(b' ' | b'-') => {}
        Some(_) => return Likeness::Unlike,
    }
    let Some(line) = first.line() else { return Likeness::Unclear };
    let mut words = line.split(|byte| !byte.is_ascii_alphanumeric());
    let named = |word: &[u8]| {
        [&b"ESMTP"[..], b"SMTP", b"ESMTPS", b"ESMTPA", b"LMTP"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
    };
    let other = |word: &[u8]| word.eq_ignore_ascii_case(b"FTP");
    match words.find(|word| named(word) || other(word)) {
        Some(word) if named(word) => Likeness::Like,
        Some(_) => Likeness::Unlike,
        None => Likeness::Unclear,
    }
}
