//! Media types and dispositions with their parameters (RFC 2045 section 5.1,
//! RFC 2183), the latter's continuations and charsets (RFC 2231) included.

use std::borrow::Cow;

use memchr::memchr;

use super::{
    address::{comment_len, enclosed_len},
    words,
};

/// Pieces that a value may come in.
const PIECES_LIMIT: usize = 256;

/// What stands before the parameters: a media type, a disposition, an encoding;
/// in lower case, without blanks and comments.
pub(super) fn kind(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b";(".contains(byte);
    let len = value.iter().position(|byte| !plain(byte)).unwrap_or(value.len());
    if let (Some(word @ [_, ..]), None | Some(b';')) = (value.get(..len), value.get(len)) {
        // As most are; without a blank nothing can be apart.
        let is_lower = !word.iter().any(u8::is_ascii_uppercase);
        return Some(if is_lower { word.into() } else { word.to_ascii_lowercase().into() });
    }
    let mut kind = Vec::new();
    let mut apart = false;
    let mut rest = value;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b';' => break,
            b'(' => rest = value.get(value.len() - behind.len() - 1..).map_or(rest, skip_comment),
            b' ' | b'\t' | b'\r' | b'\n' => apart = !kind.is_empty(),
            // A word that no slash joins is no part of it.
            _ if apart && *first != b'/' && !kind.ends_with(b"/") => break,
            _ => {
                apart = false;
                kind.push(first.to_ascii_lowercase());
            }
        }
    }
    (!kind.is_empty()).then_some(kind.into())
}

fn skip_comment(value: &[u8]) -> &[u8] {
    value.get(comment_len(value)..).unwrap_or_default()
}

/// Name and value of each parameter, in order; values as they were sent, but
/// without the quotes.
fn each(value: &[u8]) -> impl Iterator<Item = (&[u8], Cow<'_, [u8]>)> {
    let mut rest = next_parameter(value);
    std::iter::from_fn(move || {
        loop {
            let end = rest.iter().position(|byte| b"=;".contains(byte))?;
            let (name, behind) = rest.split_at_checked(end)?;
            if behind.first() == Some(&b';') {
                rest = behind.get(1..)?;
                continue;
            }
            let behind = behind.get(1..)?.trim_ascii_start();
            let (value, len) = if behind.first() == Some(&b'"') {
                let len = enclosed_len(behind, b'"');
                (unquoted(behind.get(..len)?), len)
            } else {
                let len = memchr(b';', behind).unwrap_or(behind.len());
                let text = behind.get(..len)?;
                // Blanks are not allowed, but stand in the names of files.
                let comment = memchr(b'(', text).filter(|_| text.ends_with(b")"));
                let text = comment.and_then(|at| text.get(..at)).unwrap_or(text);
                (Cow::Borrowed(text.trim_ascii_end()), len)
            };
            rest = next_parameter(behind.get(len..)?);
            return Some((without_comment(name), value));
        }
    })
}

/// What stands behind the next semicolon that is in no comment.
fn next_parameter(value: &[u8]) -> &[u8] {
    let mut rest = value;
    loop {
        match rest {
            [b'(', ..] => rest = skip_comment(rest),
            [b';', behind @ ..] => return behind,
            [_, behind @ ..] => rest = behind,
            [] => return rest,
        }
    }
}

fn without_comment(name: &[u8]) -> &[u8] {
    let name = name.trim_ascii();
    if name.starts_with(b"(") { skip_comment(name).trim_ascii() } else { name }
}

fn unquoted(quoted: &[u8]) -> Cow<'_, [u8]> {
    let inner = quoted.get(1..).unwrap_or_default();
    let closed = quoted.len() > 1 && quoted.ends_with(b"\"");
    let inner = if closed { inner.strip_suffix(b"\"").unwrap_or(inner) } else { inner };
    if memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut escaped = false;
    let bytes = inner.iter().copied().filter(|byte| {
        escaped = !escaped && *byte == b'\\';
        !escaped
    });
    Cow::Owned(bytes.collect())
}

/// The value of the parameter `name`, decoded. Where it is given twice, the
/// form of RFC 2231 counts, which senders put beside the plain one.
pub(super) fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut plain = None;
    let mut pieces: Vec<(usize, bool, Cow<'_, [u8]>)> = Vec::new();
    for (found, text) in each(value) {
        let Some((start, rest)) = found.split_at_checked(name.len()) else { continue };
        if !start.eq_ignore_ascii_case(name.as_bytes()) {
            continue;
        }
        let (rest, encoded) = match rest {
            [b'*', rest @ .., b'*'] => (rest, true),
            [b'*'] => (&b"0"[..], true),
            [b'*', rest @ ..] => (rest, false),
            [] => {
                plain.get_or_insert(text);
                continue;
            }
            _ => continue,
        };
        let number = str::from_utf8(rest).ok().and_then(|digits| digits.parse().ok());
        if let Some(number) = number.filter(|_| pieces.len() < PIECES_LIMIT) {
            pieces.push((number, encoded, text));
        }
    }
    continued(pieces).or_else(|| plain.map(|text| words::decode(&text).into_owned()))
}

/// A value in pieces: `charset'language'text`, percent-encoded where a piece
/// says so (RFC 2231 sections 3 and 4).
fn continued(mut pieces: Vec<(usize, bool, Cow<'_, [u8]>)>) -> Option<Vec<u8>> {
    pieces.sort_by_key(|(number, ..)| *number);
    pieces.dedup_by_key(|(number, ..)| *number);
    let mut charset = None;
    let mut bytes = Vec::new();
    for (expected, (number, encoded, text)) in pieces.iter().enumerate() {
        if *number != expected {
            break;
        }
        let mut text: &[u8] = text;
        if *encoded && expected == 0 {
            let mut parts = text.splitn(3, |byte| *byte == b'\'');
            if let (Some(name), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
                charset = words::charset(name);
                text = rest;
            }
        }
        if *encoded {
            unpercent(text, &mut bytes);
        } else {
            bytes.extend_from_slice(text);
        }
    }
    if pieces.first().is_none_or(|(number, ..)| *number != 0) {
        return None;
    }
    Some(match charset {
        Some(charset) => charset.decode_without_bom_handling(&bytes).0.into_owned().into_bytes(),
        // Some senders put encoded words in pieces.
        None => words::decode(&bytes).into_owned(),
    })
}

fn unpercent(text: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match words::hex(behind).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => bytes.push(*first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_in_every_form() {
        for (value, expected) in [
            ("Text/Plain; charset=utf-8", "text/plain"),
            ("text / plain (plain; text);x=y", "text/plain"),
            ("text/html charset=x", "text/html"),
            ("(c) Attachment", "attachment"),
            ("text", "text"),
            ("7BIT", "7bit"),
        ] {
            assert_eq!(kind(value.as_bytes()).as_deref(), Some(expected.as_bytes()), "{value}");
        }
        assert_eq!(kind(b""), None);
        assert_eq!(kind(b"; x=y"), None);
    }

    #[test]
    fn parameters_in_every_form() {
        for (value, expected) in [
            ("a; filename=x.txt", Some("x.txt")),
            ("a; FileName = \"x;y \\\"z\\\".txt\" ; b=c", Some("x;y \"z\".txt")),
            ("a; name=y; filename=a b.txt ;z", Some("a b.txt")),
            ("a; filename=\"\"", Some("")),
            ("a; filename=\"open", Some("open")),
            ("a; x=\"; filename=no\"; filename=yes", Some("yes")),
            ("a; filename=x.txt (c)", Some("x.txt")),
            ("a (; filename=no) ; filename=yes", Some("yes")),
            ("a; filename=\"=?utf-8?B?w6kudHh0?=\"", Some("é.txt")),
            ("a; filename*=utf-8'en'%c3%a9%20x.txt", Some("é x.txt")),
            ("a; filename*=iso-8859-1''%e9.txt; filename=e.txt", Some("é.txt")),
            (
                "a; filename*1*=%a9; filename*0*=utf-8''%c3; filename*2=\"%20.txt\"",
                Some("é%20.txt"),
            ),
            ("a; filename*0=\"one\"; filename*1=\"two\"; filename*3=\"no\"", Some("onetwo")),
            ("a; filename*1=two; filename=x", Some("x")),
            ("a; filename*=no-such''%41", Some("A")),
            ("a; filename*=%41%zz", Some("A%zz")),
            ("a; filenames=x", None),
            ("a", None),
            ("", None),
            (";;=;filename=x", Some("x")),
        ] {
            let found = parameter(value.as_bytes(), "filename");
            let found = found.map(|found| String::from_utf8(found).unwrap());
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }
}
