//! Strings: how they are quoted, in whatever they are quoted again.

use memchr::memmem;

/// How a string is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
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
pub(super) fn quote(text: &[u8]) -> Option<(usize, Quote)> {
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
    pub(super) fn end(self, text: &[u8]) -> Option<usize> {
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
pub(super) fn nested(text: &[u8]) -> Option<usize> {
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
pub(super) fn escaped(text: &[u8], at: usize) -> Option<u8> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u00")?;
    u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// A key without the escapes of JSON.
pub(super) fn unescaped(key: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(key.len());
    let mut at = 0;
    while let Some(byte) = key.get(at) {
        let escaped = escaped(key, at);
        plain.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 6 } else { 1 };
    }
    plain
}
