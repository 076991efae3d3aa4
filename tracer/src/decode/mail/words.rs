//! Encoded words (RFC 2047), with the language that RFC 2231 section 5 adds.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use encoding_rs::{Encoding, REPLACEMENT};
use memchr::memchr;

/// Senders leave padding out and bits over.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The charset of that name, if it is one that can be read.
pub(super) fn charset(name: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(name).filter(|encoding| *encoding != REPLACEMENT)
}

/// An encoded word at the front of a text.
struct Word {
    charset: &'static Encoding,
    bytes: Vec<u8>,
    /// Length of the word as it was sent.
    len: usize,
}

impl Word {
    /// Reads `=?charset?encoding?text?=`; `None` where that is not one, or
    /// cannot be decoded.
    fn parse(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(b"=?")?;
        let end = rest.iter().position(|byte| !is_token(*byte))?;
        let (name, rest) = rest.split_at_checked(end)?;
        let name = name.split(|byte| *byte == b'*').next()?;
        let [b'?', encoding, b'?', rest @ ..] = rest else { return None };
        let end = memchr(b'?', rest)?;
        let encoded = rest.get(..end)?;
        let len = text.len() - rest.len() + end + 2;
        if rest.get(end + 1) != Some(&b'=') {
            return None;
        }
        let bytes = match encoding {
            b'B' | b'b' => base64(encoded)?,
            b'Q' | b'q' => quoted(encoded),
            _ => return None,
        };
        Some(Self { charset: charset(name)?, bytes, len })
    }
}

/// Characters that a charset's name may have (RFC 2047 section 2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\"/[]?.=".contains(&byte)
}

fn base64(encoded: &[u8]) -> Option<Vec<u8>> {
    if encoded.iter().any(u8::is_ascii_whitespace) {
        let dense: Vec<u8> =
            encoded.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        return ENGINE.decode(dense).ok();
    }
    ENGINE.decode(encoded).ok()
}

/// Undoes Q; what stands behind `=` and is no byte stays as it is.
fn quoted(encoded: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, hex(behind)) {
            (b'_', _) => bytes.push(b' '),
            (b'=', Some(byte)) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// The byte that two hexadecimal digits at the front of a text spell.
pub(super) fn hex(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Bytes of words that follow each other in one charset. They are decoded
/// together, because senders cut characters in two.
struct Run {
    charset: &'static Encoding,
    bytes: Vec<u8>,
}

impl Run {
    fn flush(self, decoded: &mut Vec<u8>) {
        let (text, _) = self.charset.decode_without_bom_handling(&self.bytes);
        decoded.extend_from_slice(text.as_bytes());
    }
}

/// A text with its encoded words decoded, and the blanks between two of them
/// left out. Broken words stay as they were sent, as do bytes outside of words;
/// within a word, what its charset does not have is U+FFFD.
pub(super) fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    let mut decoded = Vec::new();
    let mut run: Option<Run> = None;
    let mut copied = 0;
    let mut searched = 0;
    while let Some(at) = text.get(searched..).and_then(|rest| memchr(b'=', rest)) {
        let start = searched + at;
        let Some(word) = text.get(start..).and_then(Word::parse) else {
            searched = start + 1;
            continue;
        };
        let between = text.get(copied..start).unwrap_or_default();
        copied = start + word.len;
        searched = copied;
        let adjacent = run.is_some() && between.iter().all(u8::is_ascii_whitespace);
        match &mut run {
            Some(run) if adjacent && run.charset == word.charset => {
                run.bytes.extend_from_slice(&word.bytes);
                continue;
            }
            _ => {}
        }
        if let Some(run) = run.take() {
            run.flush(&mut decoded);
        }
        if !adjacent {
            decoded.extend_from_slice(between);
        }
        run = Some(Run { charset: word.charset, bytes: word.bytes });
    }
    let Some(run) = run else { return Cow::Borrowed(text) };
    run.flush(&mut decoded);
    decoded.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> String {
        String::from_utf8(decode(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_2047() {
        for (text, expected) in [
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            ("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= \
                 =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
        ] {
            assert_eq!(decoded(text), expected);
        }
    }

    #[test]
    fn words_as_senders_make_them() {
        for (text, expected) in [
            ("=?utf-8?B?w6k?=", "é"),
            ("=?utf-8?B?w6 k=?=", "é"),
            ("=?UTF-8*en-GB?q?caf=C3=A9?=", "café"),
            ("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é"),
            ("=?utf-8?Q?a b=3?c?=", "=?utf-8?Q?a b=3?c?="),
            ("=?utf-8?Q?a b?=", "a b"),
            ("=?utf-8?Q?a=3?=x", "a=3x"),
            ("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"),
            ("a=?utf-8?Q?b?=c", "abc"),
            ("=?gb2312?B?1tDOxA==?=", "中文"),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?utf-8?Q??=", ""),
            ("=?utf-8?Q?=C3=28?=", "\u{fffd}("),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }

    #[test]
    fn broken_words_stay_as_they_were_sent() {
        for text in [
            "=?utf-8?B?w6k",
            "=?utf-8?B?!!!?=",
            "=?utf-8?X?a?=",
            "=?no-such-charset?Q?a?=",
            "=?iso-2022-kr?Q?a?=",
            "=??Q?a?=",
            "=?utf-8?=",
            "=?=?=?=?",
            "=?utf-8 ?Q?a?=",
        ] {
            assert_eq!(decoded(text), text);
        }
    }
}
