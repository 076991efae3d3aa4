//! JSON strings in which a terminal finds nothing to obey: besides what JSON must
//! escape, all of [`is_control`] is.

use serde::Serialize as _;

use super::serializer::Serializer;
use crate::{
    append,
    block::Block,
    event::{NotUtf8, is_control},
    output::may_control_at,
};

/// Appends a string in its quotation marks.
#[inline]
pub(super) fn write(buffer: &mut Vec<u8>, text: &str) {
    self::text(buffer, text.as_bytes());
}

/// Appends a string that has no lower case in any language but English in its
/// quotation marks, in lower case.
#[inline]
pub(super) fn lower_case(buffer: &mut Vec<u8>, text: &str) {
    if !append::quoted_unless(buffer, text.as_bytes(), Block::lower, Block::unusual_in_json) {
        write(buffer, &text.to_ascii_lowercase());
    }
}

/// Appends text in its quotation marks, or the object that bytes are which are
/// no text.
#[inline]
pub(super) fn text(buffer: &mut Vec<u8>, text: &[u8]) {
    if !append::quoted_unless(buffer, text, |block| block, Block::unusual_in_json) {
        unusual(buffer, text);
    }
}

/// Appends text with something in it that makes more or less than its bytes.
#[inline(never)]
fn unusual(buffer: &mut Vec<u8>, text: &[u8]) {
    let at = buffer.len();
    buffer.reserve(text.len() + text.len() / 4 + 2);
    buffer.push(b'"');
    let mut rest = text;
    while let Some(place) = rest.iter().position(|byte| !is_plain(*byte)) {
        let (plain, behind) = rest.split_at_checked(place).unwrap_or((rest, &[]));
        append::few(buffer, plain);
        let Some((byte @ (b'"' | b'\\'), behind)) = behind.split_first() else {
            // All before it is ASCII.
            let Ok(text) = str::from_utf8(behind) else {
                buffer.truncate(at);
                return base64(buffer, text);
            };
            escaped(buffer, text);
            rest = &[];
            break;
        };
        buffer.extend_from_slice(&[b'\\', *byte]);
        rest = behind;
    }
    append::few(buffer, rest);
    buffer.push(b'"');
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Appends the object that bytes are which are no text.
fn base64(buffer: &mut Vec<u8>, bytes: &[u8]) {
    // It has one member, a string, and nothing that could not be said.
    let _ = NotUtf8(bytes).serialize(Serializer::new(buffer));
}

/// Appends text of which any character may have to be escaped.
fn escaped(buffer: &mut Vec<u8>, text: &str) {
    let mut controls = may_control_at(text.as_bytes()).peekable();
    let mut written = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            ..b' ' => 0,
            _ if controls.next_if_eq(&at).is_some() => 0,
            _ => continue,
        };
        let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else { continue };
        if short == 0 && !is_control(character) {
            continue;
        }
        buffer.extend_from_slice(bytes.get(written..at).unwrap_or_default());
        written = at + character.len_utf8();
        if short == 0 {
            unicode(buffer, character);
        } else {
            buffer.extend_from_slice(&[b'\\', short]);
        }
    }
    buffer.extend_from_slice(bytes.get(written..).unwrap_or_default());
}

/// Appends a character by its number; none of those that are escaped is beyond
/// the first plane.
fn unicode(buffer: &mut Vec<u8>, character: char) {
    let code = u32::from(character);
    buffer.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(code >> shift & 0xf, 16).unwrap_or('0');
        buffer.extend_from_slice(digit.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_obeyed_is_escaped() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain, and longer than a block is", r#""plain, and longer than a block is""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{8}\u{c}\n\r\t\0\u{1f}", r#""\b\f\n\r\t\u0000\u001f""#),
            ("x\u{7f}\u{80}\u{9f}\u{a0}", "\"x\\u007f\\u0080\\u009f\u{a0}\""),
            ("é → \u{2028}\u{202e}…\u{2069}", "\"é → \\u2028\\u202e…\\u2069\""),
        ] {
            let mut buffer = Vec::new();
            write(&mut buffer, text);
            assert_eq!(String::from_utf8(buffer).unwrap(), expected);
        }
    }
}
