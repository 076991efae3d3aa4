//! Secrets in a server's own words: servers quote what they did not understand.

use std::{borrow::Cow, ops::Range};

use memchr::memmem;

use crate::event::REDACTED;

/// Bytes of a secret by which it is recognised; servers may quote a line cut
/// short.
const PREFIX: usize = 8;
/// Secrets shorter than this only count where they stand as a word of their
/// own.
const SHORT: usize = 4;

/// Where a text quotes a secret, wholly or from its start.
pub(super) fn find<'a>(text: &'a [u8], secret: &'a [u8]) -> impl Iterator<Item = Range<usize>> {
    let secret = secret.trim_ascii();
    let prefix = secret.get(..PREFIX).unwrap_or(secret);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            if prefix.is_empty() {
                return None;
            }
            // Texts are short: a searcher would cost more than the search.
            let start = at + memmem::find(text.get(at..)?, prefix)?;
            let quote = text.get(start..)?.iter().zip(secret);
            at = start + quote.take_while(|(one, other)| one == other).count();
            if prefix.len() >= SHORT || is_word(text, start, at) {
                return Some(start..at);
            }
        }
    })
}

/// `text` with every quote of the secret replaced.
pub(super) fn redacted<'a>(text: Cow<'a, [u8]>, secret: &[u8]) -> Cow<'a, [u8]> {
    if secret.is_empty() {
        return text;
    }
    let mut shown = Vec::new();
    let mut copied = 0;
    for quoted in find(&text, secret) {
        let before = text.get(copied..quoted.start).unwrap_or_default();
        // Of a secret whose beginning was not seen the quote has more.
        let seen = before.iter().rposition(|byte| !is_base64(*byte)).map_or(0, |last| last + 1);
        shown.extend_from_slice(before.get(..seen).unwrap_or_default());
        shown.extend_from_slice(REDACTED);
        copied = quoted.end;
    }
    if copied == 0 {
        return text;
    }
    shown.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    ![before, text.get(end)].into_iter().flatten().any(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begin and end of each quote.
    fn found(text: &str, secret: &str) -> Vec<(usize, usize)> {
        find(text.as_bytes(), secret.as_bytes()).map(|quote| (quote.start, quote.end)).collect()
    }

    #[test]
    fn a_quote_may_be_cut_short() {
        assert_eq!(found("no \"0123456789\"", "0123456789"), [(4, 14)]);
        assert_eq!(found("01234567 0123456 012345678", "0123456789"), [(0, 8), (17, 26)]);
        assert_eq!(found("what is pass?", " pass "), [(8, 12)]);
        assert_eq!(found("aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa"), [(0, 16)]);
    }

    #[test]
    fn a_short_secret_is_a_word_of_its_own() {
        assert_eq!(found("abc, xabc abcx 'abc'", "abc"), [(0, 3), (16, 19)]);
        assert_eq!(found("xabcd", "abcd"), [(1, 5)]);
    }

    #[test]
    fn nothing_is_no_secret() {
        assert_eq!(found("a text", ""), []);
        assert_eq!(found("a  text", "  "), []);
        assert_eq!(found("", "secret"), []);
    }
}
