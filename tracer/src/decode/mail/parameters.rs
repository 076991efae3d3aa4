//! Media types and dispositions (RFC 2045 section 5.1, RFC 2183).

use super::address::comment_len;

/// What stands before the parameters: a media type, a disposition, an encoding;
/// in lower case, without blanks and comments.
pub(super) fn kind(value: &[u8]) -> Option<Vec<u8>> {
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
    (!kind.is_empty()).then_some(kind)
}

fn skip_comment(value: &[u8]) -> &[u8] {
    value.get(comment_len(value)..).unwrap_or_default()
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
            assert_eq!(kind(value.as_bytes()), Some(expected.as_bytes().to_vec()), "{value}");
        }
        assert_eq!(kind(b""), None);
        assert_eq!(kind(b"; x=y"), None);
    }
}
