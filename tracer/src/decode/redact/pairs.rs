//! Pairs of key and value, as in queries and forms.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use super::userinfo::userinfo;
use crate::event::REDACTED;

/// Words that make a value a secret, wherever they stand in its key.
const SECRET_WORDS: [&[u8]; 6] =
    [b"password", b"passwd", b"token", b"secret", b"signature", b"awsaccesskeyid"];

/// Words that do so only where no letter or digit stands beside them, because
/// ordinary words begin with them (`passenger`, `signal`).
const SECRET_WHOLE_WORDS: [&[u8]; 2] = [b"pass", b"sig"];

/// How often a percent-encoding is undone before a key is compared: servers
/// behind proxies decode twice.
pub(super) const DECODINGS: usize = 3;

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'&' | b';' | b'?' | b'#')
}

/// Replaces the values of secret keys in the pairs that `bytes` are.
///
/// A secret ends at one of `ends`; at another separator only where a key
/// follows, because a password may hold a `;` or `#` of its own.
pub(super) fn pairs<'a>(bytes: &'a [u8], ends: &[u8]) -> Cow<'a, [u8]> {
    let mut shown = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let stop = rest.iter().position(|byte| is_separator(*byte) || ends.contains(byte));
        let pair = stop.map_or(rest, |stop| rest.get(..stop).unwrap_or_default());
        let mut next = at + pair.len();
        let (key, value) = match memchr(b'=', pair) {
            Some(equals) => pair.split_at_checked(equals + 1).unwrap_or((pair, b"")),
            None => (&b""[..], pair),
        };
        // What stands before the last `/` is a path's, and no part of the key.
        let name = key.strip_suffix(b"=").unwrap_or(key);
        let name = if at == 0 { name.rsplit(|byte| *byte == b'/').next() } else { Some(name) };
        if name.is_some_and(is_secret_key) || hides_secret(value) {
            next = secret_end(bytes, next, ends);
            shown.extend_from_slice(bytes.get(copied..at + key.len()).unwrap_or_default());
            shown.extend_from_slice(REDACTED);
            copied = next;
        }
        at = next + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    shown.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Where a secret ends whose first separator stands at `at`.
fn secret_end(bytes: &[u8], mut at: usize, ends: &[u8]) -> usize {
    loop {
        match bytes.get(at) {
            None => return bytes.len(),
            Some(byte) if ends.contains(byte) => return at,
            Some(_) => {}
        }
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let stop = rest
            .iter()
            .position(|byte| is_separator(*byte) || ends.contains(byte))
            .unwrap_or(rest.len());
        if rest.get(..stop).is_some_and(|pair| memchr(b'=', pair).is_some()) {
            return at;
        }
        at += 1 + stop;
    }
}

/// Whether a key names a secret, however it is encoded.
pub(super) fn is_secret_key(key: &[u8]) -> bool {
    if matches_secret(key) {
        return true;
    }
    if memchr2(b'%', b'+', key).is_none() {
        return false;
    }
    let mut decoded = key.to_vec();
    for _ in 0..DECODINGS {
        decoded = percent_decoded(&decoded);
        if matches_secret(&decoded) {
            return true;
        }
    }
    false
}

/// Whether a secret word stands in a key as it is.
pub(super) fn matches_secret(key: &[u8]) -> bool {
    let alone = |at: usize, len: usize| {
        let before = at.checked_sub(1).and_then(|at| key.get(at));
        let after = key.get(at + len);
        // `userPass`, `mypass`: the end of a key is enough for a password.
        after.is_none() && len == 4
            || ![before, after].into_iter().flatten().any(u8::is_ascii_alphanumeric)
    };
    // Nor are there shorter ones.
    if key.len() < 3 {
        return false;
    }
    key.windows(2).enumerate().any(|(at, first)| {
        // Most letters begin none of the words.
        let [first, second] = first else { return false };
        if !matches!(
            [first | 0x20, second | 0x20],
            [b'p', b'a'] | [b't', b'o'] | [b's', b'e' | b'i'] | [b'a', b'w']
        ) {
            return false;
        }
        let rest = key.get(at..).unwrap_or_default();
        let begins = |word: &&[u8]| -> bool {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        SECRET_WORDS.iter().any(begins)
            || SECRET_WHOLE_WORDS.iter().any(|word| begins(word) && alone(at, word.len()))
    })
}

/// Whether a percent-encoded value is itself a URL or form with a secret in it.
fn hides_secret(value: &[u8]) -> bool {
    // Neither `=`, `@` nor `%` is encoded in most values.
    if ![b"%3", b"%4", b"%2"].into_iter().any(|escape| memmem::find(value, escape).is_some()) {
        return false;
    }
    let mut decoded = Cow::Borrowed(value);
    for _ in 0..DECODINGS {
        if memchr(b'%', &decoded).is_none() {
            return false;
        }
        decoded = Cow::Owned(percent_decoded(&decoded));
        let pieces = decoded.split(|byte| is_separator(*byte));
        let secret =
            pieces.filter_map(|piece| memchr(b'=', piece).and_then(|equals| piece.get(..equals)));
        if matches!(userinfo(&decoded, None), Cow::Owned(_))
            || secret.into_iter().any(matches_secret)
        {
            return true;
        }
    }
    false
}

pub(super) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(form: &str) -> String {
        String::from_utf8(pairs(form.as_bytes(), b"&").into_owned()).unwrap()
    }

    #[test]
    fn forms() {
        for (given, expected) in [
            ("_user=a&_pass=b%26c&_token=d;x=y", "_user=a&_pass=[redacted]&_token=[redacted];x=y"),
            ("password=x", "password=[redacted]"),
            ("design=1&passenger=2&signal=3", "design=1&passenger=2&signal=3"),
        ] {
            assert_eq!(shown(given), expected);
        }
    }
}
