//! Replaces secrets before anything is formatted.
//!
//! Works on bytes as they came, and borrows where there is nothing to hide.
//! In doubt it hides: a value too many is a nuisance, one too few is a leak.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2, memmem, memrchr};

/// What stands in place of a secret.
pub const REDACTED: &[u8] = b"[redacted]";

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

/// Words that make a value a secret, wherever they stand in its key.
const SECRET_WORDS: [&[u8]; 6] =
    [b"password", b"passwd", b"token", b"secret", b"signature", b"awsaccesskeyid"];

/// Words that do so only where no letter or digit stands beside them, because
/// ordinary words begin with them (`passenger`, `signal`).
const SECRET_WHOLE_WORDS: [&[u8]; 2] = [b"pass", b"sig"];

/// How often a percent-encoding is undone before a key is compared: servers
/// behind proxies decode twice.
const DECODINGS: usize = 3;

/// Bytes of an offending line that an anomaly shows at most: a row must stay
/// readable.
pub const DETAIL_LIMIT: usize = 64;

/// Whether the field's value is a secret as a whole.
pub fn is_secret_header(name: &[u8]) -> bool {
    SECRET_NAMES.iter().any(|word| find_ignoring_case(name, word).is_some())
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
    let front = (!url.starts_with(b"/")).then_some(0);
    then(userinfo(url, front), |url| pairs(url, b"&"))
}

/// Text with URLs in it (the fields Refresh and Link, a reason phrase, a
/// server's words), as it may be shown; header fields and credentials that it
/// quotes are hidden to its end.
pub fn text(text: &[u8]) -> Cow<'_, [u8]> {
    // Without one of these there is no userinfo, parameter, field or scheme.
    if !text.iter().any(|byte| matches!(byte, b'@' | b'=' | b'%' | b':' | b' ')) {
        return Cow::Borrowed(text);
    }
    then(then(userinfo(text, None), |text| pairs(text, b"&>\"")), quotation)
}

/// Form text (`application/x-www-form-urlencoded`, or pairs between `;`), as
/// it may be shown.
pub fn form(form: &[u8]) -> Cow<'_, [u8]> {
    pairs(form, b"&")
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
    let field = memchr_iter(b':', text).map(|colon| {
        let before = text.get(..colon).unwrap_or_default().trim_ascii_end();
        let name = before.rsplit(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
        // A name longer than that is none: what is before it was looked at.
        let name = name.map(|name| name.get(name.len().saturating_sub(NAME_LIMIT)..));
        (colon + 1, name.flatten().next().is_some_and(is_secret_header))
    });
    let mut end = field.filter(|(_, secret)| *secret).map(|(at, _)| at).next();
    let mut at = 0;
    let mut scheme = false;
    for word in text.split(u8::is_ascii_whitespace) {
        if scheme && is_credentials(word) {
            end = Some(end.map_or(at, |end| end.min(at)));
            break;
        }
        scheme = SCHEMES.iter().any(|name| word.eq_ignore_ascii_case(name));
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

/// Whether a word behind the name of a scheme can be credentials (`token68` of
/// RFC 9110 section 11.2) rather than a parameter.
fn is_credentials(word: &[u8]) -> bool {
    let end = word.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    end >= CREDENTIALS_MINIMUM && memchr(b'=', word.get(..end).unwrap_or_default()).is_none()
}

/// What an anomaly may show of an offending line: its first
/// [`DETAIL_LIMIT`] bytes, read as header field, as text with URLs and as form.
pub fn detail(line: &[u8]) -> Cow<'_, [u8]> {
    if let Some(colon) = memchr(b':', line)
        && let Some((name, value)) = line.split_at_checked(colon)
        && is_secret_header(name)
    {
        let shown = name.get(..DETAIL_LIMIT).unwrap_or(name);
        let separator: &[u8] = if value.starts_with(b": ") { b": " } else { b":" };
        return Cow::Owned([shown, separator, REDACTED].concat());
    }
    let cut = |bytes: &[u8]| bytes.get(..DETAIL_LIMIT).unwrap_or(bytes).to_vec();
    match text(line) {
        Cow::Borrowed(line) => match form(line) {
            Cow::Borrowed(line) => Cow::Borrowed(line.get(..DETAIL_LIMIT).unwrap_or(line)),
            Cow::Owned(line) => Cow::Owned(cut(&line)),
        },
        Cow::Owned(line) => Cow::Owned(cut(&form(&line))),
    }
}

/// Replaces the userinfo of every authority: behind each `//`, and at `front`
/// where a target may be an authority alone (CONNECT).
fn userinfo(url: &[u8], front: Option<usize>) -> Cow<'_, [u8]> {
    let Some(last) = memrchr(b'@', url) else { return Cow::Borrowed(url) };
    let mut shown = Vec::new();
    let mut copied = 0;
    let mut words = Words { url, end: 0, at: None };
    // Before this, nothing is looked at twice: a URL may be slashes only.
    let mut looked = 0;
    let starts = memmem::find_iter(url, b"//").map(|at| at + 2);
    for mut start in front.into_iter().chain(starts) {
        if start < looked {
            continue;
        }
        while url.get(start) == Some(&b'/') {
            start += 1;
        }
        if start > last {
            break;
        }
        looked = start + 1;
        let Some(at) = words.userinfo_end(start) else { continue };
        shown.extend_from_slice(url.get(copied..start).unwrap_or_default());
        shown.extend_from_slice(REDACTED);
        copied = at;
        looked = at + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(url);
    }
    shown.extend_from_slice(url.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// What stands between blanks and brackets in text with URLs: the last one
/// that was looked at.
struct Words<'a> {
    url: &'a [u8],
    /// Where it ends.
    end: usize,
    /// Where its last `@` stands.
    at: Option<usize>,
}

impl Words<'_> {
    /// Where the `@` stands that ends the userinfo of the authority that begins
    /// at `start`, which never goes back.
    fn userinfo_end(&mut self, start: usize) -> Option<usize> {
        let authority = self.url.get(start..)?;
        let end = authority
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'<' | b'>' | b'"' | b' '));
        let inside = end.map_or(authority, |end| authority.get(..end).unwrap_or_default());
        if let Some(at) = memrchr(b'@', inside) {
            return Some(start + at);
        }
        // A password may hold the delimiters unescaped; then what looks like
        // the port is no number.
        let colon = memchr(b':', inside)?;
        let port = inside.get(colon + 1..).unwrap_or_default();
        if port.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if start >= self.end {
            let word = authority.iter().position(|byte| matches!(byte, b'<' | b'>' | b'"' | b' '));
            self.end = word.map_or(self.url.len(), |end| start + end);
            self.at = memrchr(b'@', self.url.get(start..self.end)?).map(|at| start + at);
        }
        self.at.filter(|at| *at >= start)
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'&' | b';' | b'?' | b'#')
}

/// Replaces the values of secret keys in the pairs that `bytes` are.
///
/// A secret ends at one of `ends`; at another separator only where a key
/// follows, because a password may hold a `;` or `#` of its own.
fn pairs<'a>(bytes: &'a [u8], ends: &[u8]) -> Cow<'a, [u8]> {
    let mut shown = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let stop = rest.iter().position(|byte| is_separator(*byte) || ends.contains(byte));
        let pair = stop.map_or(rest, |stop| rest.get(..stop).unwrap_or_default());
        let mut next = at + pair.len();
        let (key, value) = match memchr(b'=', pair) {
            Some(equals) => pair.split_at_checked(equals + 1).unwrap_or((pair, b"")),
            None => (&b""[..], pair),
        };
        // What stands before the last `/` is a path's, and no part of the key.
        let name = key.strip_suffix(b"=").unwrap_or(key);
        let name = if at == 0 { name.rsplit(|byte| *byte == b'/').next() } else { Some(name) };
        if name.is_some_and(is_secret_key) || hides_secret(value) {
            next = secret_end(bytes, next, ends);
            shown.extend_from_slice(bytes.get(copied..at + key.len()).unwrap_or_default());
            shown.extend_from_slice(REDACTED);
            copied = next;
        }
        at = next + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    shown.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Where a secret ends whose first separator stands at `at`.
fn secret_end(bytes: &[u8], mut at: usize, ends: &[u8]) -> usize {
    loop {
        match bytes.get(at) {
            None => return bytes.len(),
            Some(byte) if ends.contains(byte) => return at,
            Some(_) => {}
        }
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let stop = rest
            .iter()
            .position(|byte| is_separator(*byte) || ends.contains(byte))
            .unwrap_or(rest.len());
        if rest.get(..stop).is_some_and(|pair| memchr(b'=', pair).is_some()) {
            return at;
        }
        at += 1 + stop;
    }
}

/// Whether a key names a secret, however it is encoded.
pub fn is_secret_key(key: &[u8]) -> bool {
    if matches_secret(key) {
        return true;
    }
    if memchr2(b'%', b'+', key).is_none() {
        return false;
    }
    let mut decoded = key.to_vec();
    for _ in 0..DECODINGS {
        decoded = percent_decoded(&decoded);
        if matches_secret(&decoded) {
            return true;
        }
    }
    false
}

fn matches_secret(key: &[u8]) -> bool {
    let alone = |at: usize, len: usize| {
        let before = at.checked_sub(1).and_then(|at| key.get(at));
        let after = key.get(at + len);
        // `userPass`, `mypass`: the end of a key is enough for a password.
        after.is_none() && len == 4
            || ![before, after].into_iter().flatten().any(u8::is_ascii_alphanumeric)
    };
    key.iter().enumerate().any(|(at, first)| {
        // Most letters begin none of the words.
        if !matches!(first | 0x20, b'p' | b't' | b's' | b'a') {
            return false;
        }
        let rest = key.get(at..).unwrap_or_default();
        let begins = |word: &&[u8]| -> bool {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        SECRET_WORDS.iter().any(begins)
            || SECRET_WHOLE_WORDS.iter().any(|word| begins(word) && alone(at, word.len()))
    })
}

/// Whether a percent-encoded value is itself a URL or form with a secret in it.
fn hides_secret(value: &[u8]) -> bool {
    // Neither `=`, `@` nor `%` is encoded in most values.
    if ![b"%3", b"%4", b"%2"].into_iter().any(|escape| memmem::find(value, escape).is_some()) {
        return false;
    }
    let mut decoded = Cow::Borrowed(value);
    for _ in 0..DECODINGS {
        if memchr(b'%', &decoded).is_none() {
            return false;
        }
        decoded = Cow::Owned(percent_decoded(&decoded));
        let pieces = decoded.split(|byte| is_separator(*byte));
        let secret =
            pieces.filter_map(|piece| memchr(b'=', piece).and_then(|equals| piece.get(..equals)));
        if matches!(userinfo(&decoded, None), Cow::Owned(_))
            || secret.into_iter().any(matches_secret)
        {
            return true;
        }
    }
    false
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Where `word`, which is in lower case, stands in `bytes`.
fn find_ignoring_case(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
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
            assert!(matches!(form(text.as_bytes()), Cow::Borrowed(_)), "{text}");
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
            for redact in [url, text, form] {
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

    #[test]
    fn forms() {
        assert_eq!(
            shown(form, "_user=a&_pass=b%26c&_token=d;x=y"),
            "_user=a&_pass=[redacted]&_token=[redacted];x=y"
        );
        assert_eq!(shown(form, "password=x"), "password=[redacted]");
    }

    #[test]
    fn details() {
        assert_eq!(shown(detail, "Authorization: Basic x"), "Authorization: [redacted]");
        assert_eq!(shown(detail, "X Cookie :x"), "X Cookie :[redacted]");
        assert_eq!(shown(detail, "GET /?pass=x HTTP/1.1"), "GET /?pass=[redacted]");
        assert_eq!(shown(detail, &"y".repeat(100)), "y".repeat(64));
    }
}
