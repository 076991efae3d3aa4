//! Secrets in text of an unknown kind: JSON, XML, HTML, multipart, forms,
//! settings, header fields, or any of these quoted in another.
//!
//! Keys are found by their words, whatever stands around them; how a value
//! ends is told by what it begins with. What never ends is hidden to the end.

mod quote;
mod value;

use std::ops::Range;

use memchr::memchr;

use self::quote::{escaped, unescaped};
use super::{
    SCHEMES, is_secret_header,
    pairs::{DECODINGS, is_secret_key, percent_decoded},
};
use crate::event::REDACTED;

/// Bytes of a key; longer ones are looked at by their end.
const KEY_LIMIT: usize = 256;

/// The search for secrets in a text.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    truncated: bool,
    hidden: Vec<Range<usize>>,
    /// Whether a `"` is open at the place at hand, in its line.
    quoted: bool,
    /// Where the latest tag or object was opened.
    opened: Option<usize>,
}

impl<'a> Scan<'a> {
    /// A search in `text`, of which something may be missing at the end.
    pub(super) const fn new(text: &'a [u8], truncated: bool) -> Self {
        Self { text, truncated, hidden: Vec::new(), quoted: false, opened: None }
    }

    /// The text without its secrets.
    pub(super) fn redact(mut self) -> Vec<u8> {
        self.search();
        if self.truncated
            && let Some(opened) = self.opened
        {
            // The name of the value may stand where nothing is shown.
            self.hide_value_within(opened..self.text.len());
        }
        self.hidden.sort_unstable_by_key(|range| range.start);
        let mut shown = Vec::with_capacity(self.text.len());
        let mut at = 0;
        for range in self.hidden {
            if range.end <= at {
                continue;
            }
            if range.start >= at {
                shown.extend_from_slice(self.text.get(at..range.start).unwrap_or_default());
                shown.extend_from_slice(REDACTED);
            }
            at = range.end;
        }
        shown.extend_from_slice(self.text.get(at..).unwrap_or_default());
        shown
    }

    fn search(&mut self) {
        let mut at = 0;
        while let Some(byte) = self.text.get(at) {
            match byte {
                b'\n' => self.quoted = false,
                b'"' => self.quoted = !self.quoted,
                b'<' | b'{' => self.opened = Some(at),
                b'>' | b'}' => self.opened = None,
                _ => {}
            }
            let length = self.word_at(at);
            if length == 0 {
                at += 1;
                continue;
            }
            let key = at..at + length;
            at = self.word(key.clone()).map_or(key.end, |hidden| hidden.max(key.end));
        }
    }

    /// Bytes of the word at `at`: a key, with its encodings.
    fn word_at(&self, at: usize) -> usize {
        let text = self.rest(at);
        let mut length = 0;
        while let Some(byte) = text.get(length) {
            length += match byte {
                b'\\' if escaped(text, length).is_some_and(|byte| byte.is_ascii_alphanumeric()) => {
                    6
                }
                byte if byte.is_ascii_alphanumeric() || !byte.is_ascii() => 1,
                b'_' | b'-' | b'.' | b'[' | b'%' | b'$' | b'+' if length > 0 || *byte != b'[' => 1,
                b']' if length > 0 => 1,
                _ => break,
            };
        }
        length
    }

    /// Hides what the word names, and returns where that ends.
    fn word(&mut self, word: Range<usize>) -> Option<usize> {
        let start = word.start.max(word.end.saturating_sub(KEY_LIMIT));
        let key = self.text.get(start..word.end)?;
        if SCHEMES.iter().any(|scheme| key.eq_ignore_ascii_case(scheme)) {
            let ordinary = key.eq_ignore_ascii_case(b"basic");
            return self.credentials(word.end, ordinary);
        }
        let key = unescaped(key);
        if memchr(b'%', &key).is_some() && self.is_encoded_secret(word.clone()) {
            let end = self.skip(word.end, |byte| {
                !byte.is_ascii_whitespace() && !matches!(byte, b'&' | b'"' | b'<' | b'>')
            });
            return Some(self.hide(word.start..end));
        }
        if !is_secret_key(&key) && !is_secret_header(&key) {
            return None;
        }
        if let Some(end) = self.element(word.clone()) {
            return Some(end);
        }
        let (after, quoted) = self.closing_quote(word.end);
        match self.separator(after) {
            Some(value) => Some(self.value(value, quoted)),
            None => self.named(&word, after),
        }
    }

    /// Whether a percent-encoded word holds a key with its secret.
    fn is_encoded_secret(&self, word: Range<usize>) -> bool {
        let mut decoded = self.text.get(word).unwrap_or_default().to_vec();
        for _ in 0..DECODINGS {
            decoded = percent_decoded(&decoded);
            // What is still encoded is looked at in the next round.
            let plain: Vec<u8> = decoded
                .iter()
                .map(|byte| if matches!(byte, b'%' | b'+') { b' ' } else { *byte })
                .collect();
            let mut inner = Scan::new(&plain, false);
            inner.search();
            if !inner.hidden.is_empty() {
                return true;
            }
        }
        false
    }

    /// Hides credentials behind the name of a scheme, which may be an ordinary
    /// word.
    fn credentials(&mut self, at: usize, ordinary: bool) -> Option<usize> {
        let start = self.skip(at, |byte| matches!(byte, b' ' | b'\t'));
        let end = self.skip(start, |byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        });
        let word = self.text.get(start..end)?;
        // Another ordinary word behind it has capitals at most at its start.
        let cut = self.truncated && end == self.text.len();
        let ordinary = ordinary && !cut && word.iter().skip(1).all(u8::is_ascii_lowercase);
        (start > at && !ordinary).then(|| self.hide(start..end))
    }

    fn hide(&mut self, range: Range<usize>) -> usize {
        let end = range.end;
        if !range.is_empty() {
            self.hidden.push(range);
        }
        end
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    fn skip(&self, at: usize, is_passed: impl Fn(u8) -> bool) -> usize {
        let rest = self.rest(at);
        at + rest.iter().position(|byte| !is_passed(*byte)).unwrap_or(rest.len())
    }
}
