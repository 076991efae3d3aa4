//! Target `redact`: bytes as a URL, as text, as the value of a header field.
//!
//! The first byte says which secret is put where; the second how many of the
//! other bytes stand before it.
//!
//! - The quick look changes nothing: what is shown is the same without it.
//! - A secret in a place that names it is not shown, whatever stands around it.

use std::borrow::Cow;

use tracer::decode::redact;

/// A secret: nothing that redaction writes looks like it.
const SECRET: &[u8] = b"qX7vK2mRw9Zt4Lp";
/// Bytes of it that must not be seen in a row.
const WINDOW: usize = 6;

/// What makes a secret of what stands behind it, and what ends that.
const PLACES: [(&[u8], &[u8]); 9] = [
    (b"&password=", b"&"),
    (b"?user_token=", b"&"),
    (b"&pass=", b"&"),
    (b"&%70assword=", b"&"),
    (b"&X-Amz-Signature=", b"&"),
    (b" Cookie: ", b" "),
    (b" proxy-Authorization: Basic ", b" "),
    (b" Bearer ", b" "),
    (b" https://eve:", b"@host/"),
];

/// Names of fields, with values of each kind.
const FIELDS: [&[u8]; 3] = [b"Location", b"Link", b"X-Other"];

/// The two ways to look, which must not differ.
type Ways = [fn(&[u8]) -> Cow<'_, [u8]>; 2];

const URL: Ways = [redact::url, redact::searched_url];
const TEXT: Ways = [redact::text, redact::searched_text];

/// Holds what is shown of the bytes against what may be.
pub(crate) fn run(data: &[u8]) {
    let [place, before, bytes @ ..] = data else { return };
    let (before, behind) = bytes.split_at(bytes.len().min(usize::from(*before)));
    for [quick, searched] in [URL, TEXT] {
        for bytes in [bytes, before, behind] {
            let shown = quick(bytes);
            let expected = searched(bytes);
            assert!(shown == expected, "{shown:?} instead of {expected:?}");
        }
    }
    let place = usize::from(*place);
    let Some((name, end)) = PLACES.get(place % PLACES.len()) else { return };
    let whole = [before, name, SECRET, end, behind].concat();
    hidden("text", &whole, &redact::text(&whole));
    if end == b"&" {
        hidden("URL", &whole, &redact::url(&whole));
    }
    for field in FIELDS {
        // URLs alone hold neither fields nor schemes.
        if end == b"&" || field != b"Location" {
            hidden("field", &whole, &redact::header_value(field, &whole));
        }
    }
    let named = redact::header_value(b"X-Api-Token", &whole);
    hidden("named field", &whole, &named);
}

fn hidden(kind: &str, whole: &[u8], shown: &[u8]) {
    let leak = SECRET.windows(WINDOW).find(|window| shown.windows(WINDOW).any(|at| at == *window));
    assert!(leak.is_none(), "{kind}: {} shows {}", whole.escape_ascii(), shown.escape_ascii());
}
