//! Replaces secrets before anything is formatted.
//!
//! Works on bytes as they came, and borrows where there is nothing to hide.
//! In doubt it hides: a value too many is a nuisance, one too few is a leak.

mod body;
mod pairs;
mod quick;
mod scan;
mod userinfo;

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

pub(in crate::decode) use self::body::{BodyKind, whole_characters};
use self::{
    pairs::pairs,
    quick::{holds_no_secret, names_secret},
    userinfo::userinfo,
};
use crate::event::REDACTED;

/// Words that make a header field's value a secret, wherever they stand in its
/// name.
const SECRET_NAMES: [&[u8]; 9] = [
    b"authorization",
    b"cookie",
    b"token",
    b"api-key",
    b"apikey",
    b"api_key",
    b"secret",
    b"password",
    b"passwd",
];

/// Header fields whose value is a URL or an authority alone, so that nothing
/// but its own delimiters ends a secret in it.
const URL_NAMES: [&[u8]; 9] = [
    b"host",
    b"location",
    b"content-location",
    b"referer",
    b"origin",
    b"destination",
    b"x-original-url",
    b"x-rewrite-url",
    b"x-forwarded-uri",
];

/// Authentication schemes whose credentials text may quote.
const SCHEMES: [&[u8]; 4] = [b"basic", b"bearer", b"negotiate", b"ntlm"];

/// Bytes of the shortest word that is taken for credentials.
const CREDENTIALS_MINIMUM: usize = 6;

/// Bytes of a header field's name that are looked at before a colon.
const NAME_LIMIT: usize = 64;

/// Whether the field's value is a secret as a whole.
fn is_secret_header(name: &[u8]) -> bool {
    let mut rest = name;
    while let [first, second, ..] = rest {
        // Most letters begin none of the words.
        if matches!(
            [first | 0x20, second | 0x20],
            [b'a', b'u' | b'p'] | [b'c' | b't', b'o'] | [b's', b'e'] | [b'p', b'a']
        ) && SECRET_NAMES.iter().any(|word| {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        }) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// The value of a header field, as it may be shown.
pub fn header_value<'a>(name: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
    if is_secret_header(name) {
        return Cow::Borrowed(REDACTED);
    }
    if URL_NAMES.iter().any(|url| name.eq_ignore_ascii_case(url)) {
        return url(value);
    }
    text(value)
}

/// A request target or another URL, as it may be shown: without userinfo and
/// without the values of secret keys in path, query and fragment.
pub fn url(url: &[u8]) -> Cow<'_, [u8]> {
    if holds_no_secret(url) { Cow::Borrowed(url) } else { searched_url(url) }
}

/// The same without a quick look before.
pub fn searched_url(url: &[u8]) -> Cow<'_, [u8]> {
    let front = (!url.starts_with(b"/")).then_some(0);
    then(userinfo(url, front), |url| pairs(url, b"&"))
}

/// Text with URLs in it (the fields Refresh and Link, a reason phrase, a
/// server's words), as it may be shown; header fields and credentials that it
/// quotes are hidden to its end.
pub fn text(text: &[u8]) -> Cow<'_, [u8]> {
    if holds_no_secret(text) { Cow::Borrowed(text) } else { searched_text(text) }
}

/// The same without a quick look before.
pub fn searched_text(text: &[u8]) -> Cow<'_, [u8]> {
    then(then(userinfo(text, None), |text| pairs(text, b"&>\"")), quotation)
}

/// What `next` makes of what came before it.
fn then(before: Cow<'_, [u8]>, next: impl Fn(&[u8]) -> Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match before {
        Cow::Borrowed(bytes) => next(bytes),
        Cow::Owned(bytes) => Cow::Owned(next(&bytes).into_owned()),
    }
}

/// Hides what stands behind the name of a secret header field and a colon, or
/// behind the name of an authentication scheme, and looks like credentials.
fn quotation(text: &[u8]) -> Cow<'_, [u8]> {
    let field = memchr_iter(b':', text)
        .map(|colon| (colon + 1, names_secret(text.get(..colon).unwrap_or_default())));
    let mut end = field.filter(|(_, secret)| *secret).map(|(at, _)| at).next();
    let mut at = 0;
    let mut scheme = false;
    for word in text.split(u8::is_ascii_whitespace) {
        if scheme && is_credentials(word) {
            end = Some(end.map_or(at, |end| end.min(at)));
            break;
        }
        scheme = is_scheme(word);
        at += word.len() + 1;
    }
    match end {
        Some(end) if end < text.len() => {
            let shown = text.get(..end).unwrap_or_default().trim_ascii_end();
            Cow::Owned([shown, b" ", REDACTED].concat())
        }
        _ => Cow::Borrowed(text),
    }
}

/// Whether a word is the name of a scheme.
fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Whether a word behind the name of a scheme can be credentials (`token68` of
/// RFC 9110 section 11.2) rather than a parameter.
fn is_credentials(word: &[u8]) -> bool {
    let end = word.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    end >= CREDENTIALS_MINIMUM && memchr(b'=', word.get(..end).unwrap_or_default()).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(redact: fn(&[u8]) -> Cow<'_, [u8]>, text: &str) -> String {
        String::from_utf8(redact(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn nothing_to_hide_is_borrowed() {
        for text in [
            "/roundcube/?_task=mail&_unlock=loading1475232887448&lang=en&_framed=1",
            "http://example.org:8080/@user?design=1&passenger=2&signal=3",
            "text/html;q=0.9",
            "*",
            "",
        ] {
            assert!(matches!(url(text.as_bytes()), Cow::Borrowed(_)), "{text}");
            assert!(matches!(super::text(text.as_bytes()), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn urls() {
        for (given, expected) in [
            ("/?pass=a&b=c", "/?pass=[redacted]&b=c"),
            ("/?a=1;password=x;b=2", "/?a=1;password=[redacted];b=2"),
            ("/?password=x;y#z", "/?password=[redacted]"),
            ("/?password=x#b=2", "/?password=[redacted]#b=2"),
            ("/?PASSWD=&x", "/?PASSWD=[redacted]&x"),
            ("/?%74oken=x", "/?%74oken=[redacted]"),
            ("/?%2574oken=x", "/?%2574oken=[redacted]"),
            ("/?user%5Bpass%5D=x", "/?user%5Bpass%5D=[redacted]"),
            ("/?X-Amz-Signature=x&sig=y", "/?X-Amz-Signature=[redacted]&sig=[redacted]"),
            ("/?token", "/?token"),
            ("/?u=%2F%3Ftoken%3Dx&b", "/?u=[redacted]&b"),
            ("/login%3Fpassword%3Dx", "[redacted]"),
            ("/password=x", "/password=[redacted]"),
            ("/reset-password/id=5", "/reset-password/id=5"),
            ("http://u:a//b@h/", "http://[redacted]@h/"),
            ("/?u=http%3A%2F%2Fu%3Ap%40h%2F", "/?u=[redacted]"),
            ("http://u:p@h/?a=b", "http://[redacted]@h/?a=b"),
            ("http://u:p@q@h/", "http://[redacted]@h/"),
            ("http://u:p/q@h/", "http://[redacted]@h/"),
            ("http://u@h?x=//v@i", "http://[redacted]@h?x=//[redacted]@i"),
            ("u:p@h:443", "[redacted]@h:443"),
        ] {
            assert_eq!(shown(url, given), expected);
        }
    }

    /// Each takes hours when what was looked at is looked at again.
    #[test]
    fn long_urls() {
        const LONG: usize = 1 << 20;
        for (front, piece) in [
            ("@", "/"),
            ("x@", "//a:b"),
            ("x@", "//a:b?"),
            ("/?a=%40", "%2f%2fa%3ab"),
            ("/?", "a:"),
        ] {
            let given = format!("{front}{}", piece.repeat(LONG / piece.len()));
            for redact in [url, text] {
                assert!(shown(redact, &given).len() >= LONG / 2, "{front}{piece}");
            }
        }
    }

    #[test]
    fn urls_in_text() {
        for (given, expected) in [
            ("5; url=/?token=x", "5; url=/?token=[redacted]"),
            (
                "<http://u:p@h/?sig=x>; rel=\"next\", </b?secret=y>",
                "<http://[redacted]@h/?sig=[redacted]>; rel=\"next\", </b?secret=[redacted]>",
            ),
            ("bot (admin@example.org)", "bot (admin@example.org)"),
            ("password=x", "password=[redacted]"),
            ("bad field Cookie: a=x; b", "bad field Cookie: [redacted]"),
            ("no Basic eDp5enp6 here", "no Basic [redacted]"),
            ("Basic realm=\"x\"", "Basic realm=\"x\""),
            ("Mon, 23 Nov 2026 07:32:24 GMT", "Mon, 23 Nov 2026 07:32:24 GMT"),
        ] {
            assert_eq!(shown(text, given), expected);
        }
    }
}
