//! Bytes from the wire that ought to be text.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::block::Block;

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
    Block::none(text, Block::unusual)
}

/// Name of the newtype that says of a string in ASCII that it is to be written
/// in lower case: for a serializer that is not human readable, and can do that
/// while it copies.
pub(crate) const LOWER_CASE: &str = "LowerCase";

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
        // The serializer of the output, which does the same while it copies.
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        match str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => NotUtf8(&self.0).serialize(serializer),
        }
    }
}

/// What stands in place of text that is none.
pub(crate) struct NotUtf8<'a>(pub(crate) &'a [u8]);

impl Serialize for NotUtf8<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &BASE64_STANDARD.encode(self.0))?;
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
