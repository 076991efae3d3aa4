//! Tokens of URLAUTH (RFC 4467): who has one may read the mail.

use std::borrow::Cow;

use crate::event::{REDACTED, Text};

/// What stands before access, mechanism and token in a URL.
const KEY: &[u8] = b";urlauth=";

/// Begin and end of the first token at or behind an offset:
/// `;urlauth=access:mechanism:token`. Of another shape, what stands behind the
/// first colon may be one.
fn find(text: &[u8], mut from: usize) -> Option<(usize, usize)> {
    loop {
        let rest = text.get(from..)?;
        from += rest.windows(KEY.len()).position(|part| part.eq_ignore_ascii_case(KEY))?;
        from += KEY.len();
        let url = text.get(from..)?;
        let access = url.iter().position(|byte| b":; \")>".contains(byte))?;
        if url.get(access) != Some(&b':') {
            continue;
        }
        let length = url.iter().position(|byte| b" \")>".contains(byte)).unwrap_or(url.len());
        let behind = url.get(access + 1..length)?;
        let token = memchr::memchr(b':', behind).map_or(0, |second| second + 1);
        return Some((from + access + 1 + token, from + length));
    }
}

/// Whether a text has tokens.
pub(super) fn has(text: &Text<'_>) -> bool {
    memchr::memchr(b';', &text.0).is_some() && find(&text.0, 0).is_some()
}

/// The text with its tokens replaced.
pub(super) fn hide(text: Text<'_>) -> Text<'_> {
    if !has(&text) {
        return text;
    }
    let (mut shown, mut at) = (Vec::with_capacity(text.0.len()), 0);
    while let Some((start, end)) = find(&text.0, at) {
        shown.extend_from_slice(text.0.get(at..start).unwrap_or_default());
        shown.extend_from_slice(REDACTED);
        at = end;
    }
    shown.extend_from_slice(text.0.get(at..).unwrap_or_default());
    Text(Cow::Owned(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced_and_nothing_else() {
        for (sent, shown) in [
            (
                "a;urlauth=anonymous:internal:1234\" b",
                "a;urlauth=anonymous:internal:[redacted]\" b",
            ),
            ("a;URLAUTH=user+fred:internal:1:2", "a;URLAUTH=user+fred:internal:[redacted]"),
            ("a;urlauth=submit+fred\" internal", "a;urlauth=submit+fred\" internal"),
            ("a;urlauth=anonymous:1234", "a;urlauth=anonymous:[redacted]"),
            (
                ";urlauth=a ;urlauth=a:b:c ;urlauth=a:b:d",
                ";urlauth=a ;urlauth=a:b:[redacted] ;urlauth=a:b:[redacted]",
            ),
            ("a;b=c:d:e", "a;b=c:d:e"),
        ] {
            assert_eq!(&*hide(sent.into()).0, shown.as_bytes(), "{sent}");
        }
    }
}
