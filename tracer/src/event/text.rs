//! Bytes from the wire that ought to be text.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Bytes from the wire that ought to be text, and may be anything.
///
/// In JSON a string, or `{"base64":"…"}` when the bytes are not UTF-8. In a
/// text row, bytes that are not UTF-8 are shown as `\xNN`, and characters that
/// could move a terminal's cursor or hide what stands there as [`Escaped`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(pub Cow<'a, [u8]>);

/// Whether a character could move a terminal's cursor, end a line for some
/// reader, or make others appear in another order than they stand in:
/// controls, the separators of lines and paragraphs, and what embeds,
/// overrides and isolates directions of writing (UAX #9).
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text is made of printable ASCII characters: then nobody has to look
/// at them one by one.
pub fn is_plain(text: &[u8]) -> bool {
    each_block(text, |byte| matches!(byte, b' '..=b'~'))
}

/// Whether it is, and holds nothing that JSON escapes.
pub(crate) fn is_plain_json(text: &[u8]) -> bool {
    each_block(text, |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

/// The text, where it is that.
pub(crate) fn plain_json(text: &[u8]) -> Option<&str> {
    #![expect(unsafe_code, reason = "the bytes were looked at, and that twice is much")]
    // SAFETY: `is_plain_json` found nothing but ASCII.
    is_plain_json(text).then(|| unsafe { str::from_utf8_unchecked(text) })
}

/// Name of the newtype that says of a string that it [is](is_plain_json) so.
pub(crate) const PLAIN_JSON: &str = "PlainJson";

/// Whether all bytes are usual; a space has to be. Looks at blocks of bytes, of
/// which some come twice, without a branch within a block.
#[inline]
fn each_block(text: &[u8], is_usual: impl Fn(u8) -> bool) -> bool {
    const BLOCK: usize = 16;
    let usual = |block: &[u8; BLOCK]| {
        let mut unusual = false;
        for byte in block {
            unusual |= !is_usual(*byte);
        }
        !unusual
    };
    if let Some(last) = text.last_chunk() {
        let (whole, _) = text.as_chunks();
        return whole.iter().all(usual) && usual(last);
    }
    let ends = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => [u64::from_le_bytes(*first), u64::from_le_bytes(*last)],
        _ => [short(text), u64::from_le_bytes([b' '; 8])],
    };
    usual(ends.map(u64::to_le_bytes).as_flattened().try_into().unwrap_or(&[b' '; BLOCK]))
}

/// The bytes of a text of less than eight in a word: some may come twice, and
/// spaces may come with them.
fn short(text: &[u8]) -> u64 {
    let half = |half: [u8; 4]| u64::from(u32::from_le_bytes(half));
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return half(*first) | half(*last) << 32;
    }
    let byte = |at| text.get(at).copied().unwrap_or(b' ');
    half([byte(0), byte(1), byte(2), b' ']) | half([b' '; 4]) << 32
}

/// A character in a form that nothing obeys: `\xNN`, and `\uNNNN` beyond.
#[derive(Clone, Copy, Debug)]
pub struct Escaped(pub char);

impl fmt::Display for Escaped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::from(self.0) {
            code @ ..=0xff => write!(formatter, "\\x{code:02x}"),
            code => write!(formatter, "\\u{code:04x}"),
        }
    }
}

/// What stands in place of a secret.
pub const REDACTED: &[u8] = b"[redacted]";

impl Text<'_> {
    /// The text in place of a secret.
    pub const REDACTED: Text<'static> = Text(Cow::Borrowed(REDACTED));

    /// The same text, lent.
    #[must_use]
    pub fn lend(&self) -> Text<'_> {
        Text(Cow::Borrowed(&self.0))
    }

    /// The text, where it is printable ASCII.
    pub(crate) fn plain(&self) -> Option<&str> {
        #![expect(unsafe_code, reason = "the bytes were looked at, and that twice is much")]
        // SAFETY: `is_plain` found nothing but ASCII.
        is_plain(&self.0).then(|| unsafe { str::from_utf8_unchecked(&self.0) })
    }

    /// The same text with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Text<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = plain_json(&self.0) {
            return serializer.serialize_newtype_struct(PLAIN_JSON, text);
        }
        if let Ok(text) = str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &BASE64_STANDARD.encode(&self.0))?;
        map.end()
    }
}

impl JsonSchema for Text<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Text as it was sent; bytes that are not UTF-8 are in Base64.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                    "required": ["base64"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.plain() {
            return formatter.write_str(text);
        }
        for chunk in self.0.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(at) = rest.find(is_control) {
                let (plain, from) = rest.split_at(at);
                formatter.write_str(plain)?;
                let mut characters = from.chars();
                for character in characters.by_ref().take(1) {
                    write!(formatter, "{}", Escaped(character))?;
                }
                rest = characters.as_str();
            }
            formatter.write_str(rest)?;
            for byte in chunk.invalid() {
                write!(formatter, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_at_each_place_is_looked_at() {
        for length in 0..=40 {
            let usual = vec![b'x'; length];
            assert!(is_plain(&usual) && is_plain_json(&usual), "{length}");
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = usual.clone();
                    text[at] = byte;
                    let plain = matches!(byte, b' '..=b'~');
                    assert_eq!(is_plain(&text), plain, "{byte} at {at} of {length}");
                    let json = plain && !matches!(byte, b'"' | b'\\');
                    assert_eq!(is_plain_json(&text), json, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
