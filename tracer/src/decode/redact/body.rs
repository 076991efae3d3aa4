//! Bodies of messages, which may be text of any kind.

use super::{pairs::pairs, scan::Scan, userinfo::userinfo};

/// Character sets in which ASCII stands for itself, so that keys can be found;
/// by how their names begin.
const CHARSETS: [&[u8]; 13] = [
    b"utf-8",
    b"utf8",
    b"us-ascii",
    b"ascii",
    b"iso-8859-",
    b"iso8859-",
    b"latin",
    b"windows-125",
    b"cp125",
    b"koi8-",
    b"euc-",
    b"gb",
    b"big5",
];

/// What a body is, as far as its Content-Type says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::decode) struct BodyKind {
    /// The pairs of a form.
    form: bool,
    /// Its character set hides keys.
    foreign: bool,
}

impl BodyKind {
    /// What the value of Content-Type says.
    pub(in crate::decode) fn of(content_type: &[u8]) -> Self {
        let value = content_type.to_ascii_lowercase();
        let charset = value.split(|byte| matches!(byte, b';' | b',')).find_map(|parameter| {
            let name = parameter.trim_ascii().strip_prefix(b"charset")?.trim_ascii_start();
            Some(name.strip_prefix(b"=")?.trim_ascii_start())
        });
        let charset = charset.map(|name| name.strip_prefix(b"\"").unwrap_or(name));
        Self {
            form: value.trim_ascii_start().starts_with(b"application/x-www-form-urlencoded"),
            foreign: charset
                .is_some_and(|name| !CHARSETS.iter().any(|known| name.starts_with(known))),
        }
    }

    /// The body as it may be shown; `truncated` when something is missing at
    /// its end. `None`: it is not text in which secrets could be found.
    pub(in crate::decode) fn redact(self, body: &[u8], truncated: bool) -> Option<Vec<u8>> {
        if self.foreign || body.iter().any(|byte| is_binary(*byte)) {
            return None;
        }
        let shown = if self.form { pairs(body, b"&") } else { body.into() };
        let mut shown = Scan::new(&shown, truncated).redact();
        // A host may be a user whose `@` is not shown.
        shown.extend(truncated.then_some(b'@'));
        let mut shown = userinfo(&shown, None).into_owned();
        shown.truncate(shown.len() - usize::from(truncated));
        Some(shown)
    }
}

/// Controls that text does not have: in what has none of them, a character is
/// a byte or several, and those of ASCII stand for themselves.
const fn is_binary(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
}

/// The bytes without a character of UTF-8 that is cut at their end.
pub(in crate::decode) fn whole_characters(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).unwrap_or(bytes)
        }
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "hunter2-CANARY";

    /// Bodies of all kinds, with a secret in each, in `@`.
    const BODIES: [(&str, &str); 44] = [
        ("application/x-www-form-urlencoded", "user=a&password=@&b=c"),
        ("application/x-www-form-urlencoded", "user%5Bpass%5D=@&b=c"),
        ("application/x-www-form-urlencoded", "a=b&_token=@"),
        ("application/x-www-form-urlencoded", "{\"user\":\"a\",\"password\":\"@\"}"),
        ("application/x-www-form-urlencoded", "json=%7B%22password%22%3A%22@%22%7D&b=c"),
        ("application/x-www-form-urlencoded", "json=%7B%22password%22%3A+%22@%22%7D&b=c"),
        ("application/x-www-form-urlencoded", "password=a\"b<c;d @&b=c"),
        ("text/plain", "user=a&password=@&b=c"),
        ("text/plain", "password=a\"b @\nb"),
        ("text/plain", "password: @\nmore"),
        ("text/plain", "Password = @"),
        ("text/plain", "see https://user:@@example.org/"),
        ("text/plain", "see https://h/?sig=@&x=y"),
        ("text/plain", "'password' => '@',"),
        ("text/plain", "secret:\n  key: @\n  other: @\nnext: x"),
        ("message/http", "TRACE / HTTP/1.1\r\nCookie: a=b; c=@\r\nHost: h\r\n\r\n"),
        ("message/http", "TRACE / HTTP/1.1\r\nAuthorization: Basic\r\n @\r\nHost: h\r\n\r\n"),
        ("message/http", "X-Auth: Bearer @\r\n"),
        ("application/json", "{\"password\":\"@\"}"),
        ("application/json", "{ \"password\" : \"a\\\"b\\\\\\\"@\", \"b\": 1 }"),
        ("application/json", "{\"pass\\u0077ord\":\"@\"}"),
        ("application/json", "{\"tokens\":{\"a\":\"@\",\"b\":[\"}@\"]},\"c\":1}"),
        ("application/json", "{\"passwords\":[\"a\",\"@\"]}"),
        ("application/json", "{\"inner\":\"{\\\"password\\\":\\\"@\\\"}\"}"),
        ("application/json", "{\"inner\":\"{\\\"password\\\":\\\"a\\\\\\\"@\\\"}\"}"),
        (
            "application/json",
            "{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"password\\\\\\\":\\\\\\\"@\\\\\\\"}\\\"}\"}",
        ),
        ("application/json", "[{\"name\":\"password\",\"value\":\"@\"}]"),
        ("application/json", "[{\"value\":\"@\",\"name\":\"password\"}]"),
        ("application/json", "{\"url\":\"/?token\\u003d@\\u0026b\"}"),
        ("application/json", "{\"url\":\"/?token=@\",\"b\":1}"),
        ("application/json", "{\"pass\":@,\"b\":1}"),
        ("application/graphql", "mutation { login(user: \"a\", password: \"@\") { id } }"),
        ("text/html", "<input type=\"hidden\" name=\"_token\" value=\"@\">"),
        ("text/html", "<input value=\"@\" name='password'>"),
        ("text/html", "<meta name=\"csrf-token\" content=\"@\">"),
        ("text/html", "<div data-page=\"{&quot;csrf_token&quot;:&quot;@&quot;}\">"),
        ("text/html", "<script>var csrfToken = '@';</script>"),
        ("text/xml", "<a><Password>@</Password><b>c</b></a>"),
        ("text/xml", "<wsse:Password Type=\"x>y\">@</wsse:Password>"),
        ("text/xml", "<password><![CDATA[<@]]></password>"),
        ("text/xml", "<member><name>password</name><value><string>@</string></value></member>"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n@\r\n--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=password\r\n\
             Content-Type: text/plain\r\n\r\na\r\n@\r\n--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data;\r\n name=\"user_pass\"; filename=\"f\"\r\n\r\n@",
        ),
    ];

    /// No six bytes of the secret in a row.
    fn assert_hidden(shown: &[u8], body: &str, at: usize) {
        let shown = String::from_utf8_lossy(shown);
        for piece in CANARY.as_bytes().windows(6) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!shown.contains(piece), "{body}\ncut at {at}: {shown}");
        }
    }

    #[test]
    fn secrets_of_all_kinds_whole_and_cut_anywhere() {
        for (content_type, body) in BODIES {
            let kind = BodyKind::of(content_type.as_bytes());
            let body = body
                .replace('@', CANARY)
                .replace(&format!("{CANARY}{CANARY}e"), &format!("{CANARY}@e"));
            for at in 0..=body.len() {
                let cut = body.get(..at).unwrap().as_bytes();
                let shown = kind.redact(cut, at < body.len()).unwrap();
                assert_hidden(&shown, &body, at);
            }
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for (content_type, body) in [
            ("application/json", "{\"user\":\"a\",\"design\":1,\"passenger\":{\"n\":[1,2]}}"),
            ("text/html", "<html><p>Forgot your password?</p><a href=\"/a?b=c\">x</a></html>"),
            ("text/plain", "Some basic information, at 12:30: a=b; c=d"),
            ("text/plain", "\u{e4}\u{f6}\u{fc}"),
            ("application/x-www-form-urlencoded", "_remote=1&_unlock=loading1475232887448"),
        ] {
            let shown = BodyKind::of(content_type.as_bytes()).redact(body.as_bytes(), false);
            assert_eq!(String::from_utf8(shown.unwrap()).unwrap(), body);
        }
    }

    #[test]
    fn only_the_secret_is_hidden() {
        for (content_type, body, expected) in [
            (
                "application/x-www-form-urlencoded",
                "a=b&password=c;d&e=f",
                "a=b&password=[redacted]&e=f",
            ),
            (
                "application/json",
                "{\"password\":\"a\",\"b\":\"c\"}",
                "{\"password\":\"[redacted]\",\"b\":\"c\"}",
            ),
            ("application/json", "{\"pass\":1,\"b\":2}", "{\"pass\":[redacted],\"b\":2}"),
            (
                "text/xml",
                "<Password>x</Password><b>c</b>",
                "<Password>[redacted]</Password><b>c</b>",
            ),
            ("text/plain", "token: a\nb: c", "token: [redacted]\nb: c"),
        ] {
            let shown = BodyKind::of(content_type.as_bytes()).redact(body.as_bytes(), false);
            assert_eq!(String::from_utf8(shown.unwrap()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_text_is_not_shown() {
        for (content_type, body) in [
            ("application/octet-stream", &b"\x01\x02password=x"[..]),
            ("text/plain; charset=utf-16", b"password=x"),
            ("text/plain; charset=\"UTF-7\"", b"+AHA-"),
            ("text/plain", b"p\0a\0s\0s\0"),
        ] {
            assert_eq!(BodyKind::of(content_type.as_bytes()).redact(body, false), None);
        }
    }

    /// Each takes hours when what was looked at is looked at again.
    #[test]
    fn long_bodies() {
        for piece in [
            "token=",
            "\"token\" ",
            "<token ",
            "\"token\":[",
            "<a name=\"token\" ",
            "%25%25token",
            "token:\n ",
            "{\"token\"",
            "'token'=\\\"",
            "a\"",
            "Basic ",
        ] {
            let body = piece.repeat((1 << 18) / piece.len());
            let started = std::time::Instant::now();
            assert!(BodyKind::default().redact(body.as_bytes(), true).is_some(), "{piece}");
            eprintln!("{piece:?} {:?}", started.elapsed());
        }
    }
}
