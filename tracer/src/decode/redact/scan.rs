//! Secrets in text of an unknown kind: JSON, XML, HTML, multipart, forms,
//! settings, header fields, or any of these quoted in another.
//!
//! Keys are found by their words, whatever stands around them; how a value
//! ends is told by what it begins with. What never ends is hidden to the end.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::{
    SCHEMES, is_secret_header,
    pairs::{DECODINGS, is_secret_key, percent_decoded},
};
use crate::event::REDACTED;

/// Bytes around a name in which its value may stand: those of a tag, an
/// object or the head of a part.
const NEAR: usize = 512;

/// Bytes of a key; longer ones are looked at by their end.
const KEY_LIMIT: usize = 256;

/// Attributes and members that hold the value of what another one names.
const VALUES: [&[u8]; 2] = [b"value", b"content"];

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

    /// Hides the content of an element whose name the word is in.
    fn element(&mut self, word: Range<usize>) -> Option<usize> {
        let before = self.text.get(word.start.saturating_sub(KEY_LIMIT)..word.start)?;
        let prefix = before
            .iter()
            .rev()
            .take_while(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.')
            })
            .count();
        let name = word.start - prefix..word.end;
        if name.start.checked_sub(1).and_then(|at| self.text.get(at)) != Some(&b'<') {
            return None;
        }
        let mut at = word.end;
        let mut quote = None;
        let content = loop {
            // A tag that does not end has a content nobody can find.
            let Some(byte) = self.text.get(at).filter(|_| at < word.end + NEAR) else {
                return Some(self.hide(word.end..self.text.len()));
            };
            let byte = *byte;
            at += 1;
            match (byte, quote) {
                (b'"' | b'\'', None) => quote = Some(byte),
                (byte, Some(open)) if byte == open => quote = None,
                (b'>', None) => break at,
                _ => {}
            }
        };
        if self.text.get(content.saturating_sub(2)) == Some(&b'/') {
            return Some(content);
        }
        let close = [b"</", self.text.get(name)?].concat();
        let end =
            memmem::find(self.rest(content), &close).map_or(self.text.len(), |at| content + at);
        Some(self.hide(content..end))
    }

    /// What stands behind a quote that may close a key, and whether there is
    /// one.
    fn closing_quote(&self, at: usize) -> (usize, bool) {
        match quote(self.rest(at)) {
            Some((length, _)) => (at + length, true),
            None => (at, false),
        }
    }

    /// Where the value begins, if a separator stands at `at`.
    fn separator(&self, at: usize) -> Option<usize> {
        let start = self.skip(at, |byte| byte.is_ascii_whitespace() || matches!(byte, b']' | b')'));
        let rest = self.rest(start);
        let length = match rest {
            [b'=' | b':', b'>' | b'=' | b':', ..] => 2,
            [b'=' | b':', ..] => 1,
            [b'\\', ..] => {
                escaped(rest, 0).filter(|byte| matches!(byte, b'=' | b':')).map(|_| 6)?
            }
            _ => return None,
        };
        Some(start + length)
    }

    /// Hides the value at `at`; `of_quoted` when its key is quoted.
    fn value(&mut self, at: usize, of_quoted: bool) -> usize {
        let start = self.skip(at, |byte| matches!(byte, b' ' | b'\t'));
        let start =
            if of_quoted { self.skip(at, |byte| byte.is_ascii_whitespace()) } else { start };
        let rest = self.rest(start);
        if let Some((length, form)) = quote(rest) {
            let content = start + length;
            let end = form.end(self.rest(content)).map_or(self.text.len(), |end| content + end);
            return self.hide(content..end);
        }
        match rest.first() {
            Some(b'{' | b'[' | b'(') => {
                let end = nested(rest).map_or(self.text.len(), |length| start + length);
                self.hide(start..end)
            }
            _ if of_quoted => {
                let end = self.skip(start, |byte| !matches!(byte, b',' | b'}' | b']' | b'\n'));
                self.hide(start..end)
            }
            _ => self.line(start),
        }
    }

    /// Hides a value without quotes: to the end of its pair, of the string in
    /// which it stands, or of its line and those folded behind it.
    fn line(&mut self, start: usize) -> usize {
        let quoted = self.quoted;
        let in_tag = self.opened.is_some_and(|at| self.text.get(at) == Some(&b'<'));
        let mut end = start;
        while let Some(byte) = self.text.get(end) {
            match byte {
                b'&' => break,
                b'"' if quoted => break,
                b'\\' if quoted && escaped(self.rest(end), 0) == Some(b'&') => break,
                b'>' if in_tag => break,
                b'\n' if !matches!(self.text.get(end + 1), Some(b' ' | b'\t')) => break,
                _ => end += 1,
            }
        }
        let visible = self.text.get(start..end).unwrap_or_default();
        self.hide(start..start + visible.trim_ascii_end().len());
        end
    }

    /// Hides the value of what the word names where it is a value itself: of
    /// an attribute, a member, an element, or the part of a form.
    fn named(&mut self, word: &Range<usize>, after: usize) -> Option<usize> {
        let before = self.text.get(word.start.saturating_sub(NEAR)..word.start)?;
        if let [.., b'>'] = before.trim_ascii_end()
            && self.rest(after).trim_ascii_start().starts_with(b"<")
        {
            return self.next_text(after);
        }
        if is_part_name(before) {
            let head = self.rest(word.end);
            let end = memmem::find(head.get(..NEAR).unwrap_or(head), b"\r\n\r\n");
            let start = end.map_or(self.text.len(), |end| word.end + end + 4);
            let end = memmem::find(self.rest(start), b"\r\n--");
            return Some(self.hide(start..end.map_or(self.text.len(), |end| start + end)));
        }
        let opened = self.opened?.max(word.start.saturating_sub(NEAR));
        self.hide_value_within(opened..word.start);
        let close: u8 = if self.text.get(opened) == Some(&b'<') { b'>' } else { b'}' };
        let rest = self.rest(after);
        let near = rest.get(..NEAR).unwrap_or(rest);
        let end = memchr(close, near).unwrap_or(near.len());
        self.hide_value_within(after..after + end)
    }

    /// Hides the next text between tags.
    fn next_text(&mut self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            let start = at + memchr(b'>', self.rest(at))? + 1;
            let rest = self.rest(start);
            let end = memchr(b'<', rest).unwrap_or(rest.len());
            if !rest.get(..end)?.trim_ascii().is_empty() {
                return Some(self.hide(start..start + end));
            }
            if rest.len() == end {
                return None;
            }
            at = start;
        }
    }

    /// Hides what an attribute or member called `value` holds in this range,
    /// and what lies beyond it of that value.
    fn hide_value_within(&mut self, range: Range<usize>) -> Option<usize> {
        let within = self.text.get(range.clone())?;
        let mut at = 0;
        while at < within.len() {
            let rest = within.get(at..)?;
            let (name, length) = VALUES
                .iter()
                .filter_map(|name| Some((memmem::find(rest, name)?, name.len())))
                .min()?;
            at += name + length;
            let (after, quoted) = self.closing_quote(range.start + at);
            if let Some(value) = self.separator(after) {
                return Some(self.value(value, quoted));
            }
        }
        None
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

/// Whether a name at the end of these bytes is that of a part of a form
/// (RFC 7578 section 4.2).
fn is_part_name(before: &[u8]) -> bool {
    let name = before.strip_suffix(b"\"").unwrap_or(before);
    if !name.ends_with(b"name=") {
        return false;
    }
    let field = b"content-disposition:";
    let line = before.windows(field.len()).rposition(|window| window.eq_ignore_ascii_case(field));
    line.and_then(|at| before.get(at..))
        .is_some_and(|line| memmem::find(line, b"\r\n\r\n").is_none())
}

/// How a string is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    /// By this byte, behind so many backslashes.
    Byte(u8, usize),
    /// By an entity of HTML or an escape of JSON, which no string of its own
    /// level holds.
    Coded(&'static [u8]),
}

/// Quotes that are coded.
const CODED: [&[u8]; 8] =
    [b"&quot;", b"&#34;", b"&#x22;", b"&#39;", b"&#x27;", b"&apos;", b"\\u0022", b"\\u0027"];

/// The quote at the start of the text, and its length.
fn quote(text: &[u8]) -> Option<(usize, Quote)> {
    if let Some(coded) = CODED.into_iter().find(|coded| text.starts_with(coded)) {
        return Some((coded.len(), Quote::Coded(coded)));
    }
    let escapes = text.iter().take_while(|byte| **byte == b'\\').count();
    match text.get(escapes) {
        Some(byte @ (b'"' | b'\'' | b'`')) => Some((escapes + 1, Quote::Byte(*byte, escapes))),
        _ => None,
    }
}

impl Quote {
    /// Where the string ends whose text this is.
    fn end(self, text: &[u8]) -> Option<usize> {
        let (quote, level) = match self {
            Self::Coded(coded) => return memmem::find(text, coded),
            Self::Byte(quote, level) => (quote, level),
        };
        let mut escapes = 0;
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'\\' => escapes += 1,
                byte if *byte == quote => {
                    // Each level of strings doubles the escapes and adds one.
                    let of_string =
                        escapes < level || (escapes - level).is_multiple_of(2 * level + 2);
                    if of_string {
                        return Some(at - escapes.min(level));
                    }
                    escapes = 0;
                }
                _ => escapes = 0,
            }
        }
        None
    }
}

/// The length of what stands in brackets, with them.
fn nested(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'"' | b'\\' => {
                if let Some((length, form)) = text.get(at..).and_then(quote) {
                    at += length;
                    at += form.end(text.get(at..)?)?;
                    continue_behind(text, &mut at);
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Steps over the quote that ends a string.
fn continue_behind(text: &[u8], at: &mut usize) {
    *at += text.get(*at..).and_then(quote).map_or(1, |(length, _)| length);
}

/// The character of ASCII for which `\\u00XX` stands at `at`.
fn escaped(text: &[u8], at: usize) -> Option<u8> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u00")?;
    u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// A key without the escapes of JSON.
fn unescaped(key: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(key.len());
    let mut at = 0;
    while let Some(byte) = key.get(at) {
        let escaped = escaped(key, at);
        plain.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 6 } else { 1 };
    }
    plain
}
