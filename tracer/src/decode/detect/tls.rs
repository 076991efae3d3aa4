//! TLS, by the header of its first record.

use super::Likeness;
use crate::event::Side;

/// Types of records (RFC 8446 section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Types of handshake messages (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Bytes of the largest record: 2^14 and what encryption may add
/// (RFC 5246 section 6.2.3).
const RECORD_LIMIT: u16 = (1 << 14) + 2048;

/// Whether a side begins with a TLS record: its hello (also in the form of
/// SSL 2.0, RFC 5246 appendix E.2) or an alert; any record, if the connection
/// is older than the capture.
pub fn is_tls(side: Side, bytes: &[u8], midstream: bool) -> Likeness {
    let record = |byte: usize| bytes.get(byte).copied();
    let Some(kind) = record(0) else { return Likeness::Unclear };
    if kind & 0x80 != 0 && side == Side::Client && !midstream {
        return is_old_hello(bytes);
    }
    let expected = match kind {
        HANDSHAKE | CHANGE_CIPHER_SPEC | APPLICATION_DATA if midstream => None,
        HANDSHAKE if side == Side::Client => Some(CLIENT_HELLO),
        HANDSHAKE => Some(SERVER_HELLO),
        ALERT => None,
        _ => return Likeness::Unlike,
    };
    let version = |byte: Option<u8>, valid: std::ops::RangeInclusive<u8>| {
        byte.is_none_or(|byte| valid.contains(&byte))
    };
    let len = record(3).zip(record(4)).map(|(high, low)| u16::from_be_bytes([high, low]));
    let fits = version(record(1), 3..=3)
        && version(record(2), 0..=4)
        && len.is_none_or(|len| (1..=RECORD_LIMIT).contains(&len));
    let message = record(5).zip(expected).is_none_or(|(message, expected)| message == expected);
    match (fits && message, bytes.len()) {
        (false, _) => Likeness::Unlike,
        (true, 6..) => Likeness::Like,
        (true, _) => Likeness::Unclear,
    }
}

/// A hello that servers of SSL 2.0 would understand: length with the high bit
/// set, message type 1, version 2.0 or one of TLS.
fn is_old_hello(bytes: &[u8]) -> Likeness {
    let is = |at: usize, test: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| test(*byte));
    let old = is(3, |byte| byte == 0) && is(4, |byte| byte == 2);
    let new = is(3, |byte| byte == 3) && is(4, |byte| byte <= 4);
    match (is(2, |byte| byte == CLIENT_HELLO) && (old || new), bytes.len()) {
        (false, _) => Likeness::Unlike,
        (true, 5..) => Likeness::Like,
        (true, _) => Likeness::Unclear,
    }
}
