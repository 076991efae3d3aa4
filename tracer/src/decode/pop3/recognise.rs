//! How POP3 is recognised.

use crate::{
    decode::{First, Likeness},
    event::Side,
};

/// Commands that no other protocol has, and what stands behind them.
const COMMANDS: [&[u8]; 6] = [b"APOP ", b"CAPA\r", b"CAPA\n", b"STLS\r", b"UIDL\r", b"UIDL "];

/// Commands that FTP, SMTP or NNTP have as well.
const SHARED: [&[u8]; 9] =
    [b"USER ", b"PASS ", b"AUTH", b"QUIT", b"NOOP", b"STAT", b"LIST", b"RETR ", b"TOP "];

/// With what a server begins (RFC 1939 section 4); Redis answers so as well.
const GREETINGS: [&[u8]; 2] = [b"+OK", b"-ERR"];

/// A server's greeting is POP3 if it says so, or has the timestamp of APOP; a
/// client may begin with a command of its own.
pub(super) fn recognises(first: &First<'_>) -> Likeness {
    match first.side {
        Side::Client => first.begins_with_command(&COMMANDS, &SHARED),
        Side::Server => match first.begins_with_one(&GREETINGS) {
            Likeness::Like => greeting(first),
            other => other,
        },
    }
}

fn greeting(first: &First<'_>) -> Likeness {
    let Some(line) = first.line() else { return Likeness::Unclear };
    let mut words = line.split(|byte| !byte.is_ascii_alphanumeric());
    let named =
        words.any(|word| word.eq_ignore_ascii_case(b"POP3") || word.eq_ignore_ascii_case(b"POP"));
    let timestamp = line.trim_ascii_end().ends_with(b">") && line.contains(&b'@');
    if named || timestamp { Likeness::Like } else { Likeness::Unclear }
}
