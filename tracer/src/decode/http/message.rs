//! Makes events of heads, without their secrets.

use std::borrow::Cow;

use httparse::Header;
use memchr::{memchr, memchr2, memmem, memrchr};

use super::{
    body::Body,
    name::{Holds, Name},
    start_line::{RequestLine, StatusLine},
};
use crate::{
    block::Block,
    decode::redact,
    event::{
        REDACTED, Text,
        http::{
            Body as BodyObject, Headers, Request, RequestFields, RequestHttp, Response,
            ResponseFields, ResponseHttp, Url, UserAgent,
        },
    },
};

/// Values that had to be written anew to hide a part of them, by the number of
/// their field.
#[derive(Debug, Default)]
pub(super) struct Rewritten(Vec<(usize, Vec<u8>)>);

impl Rewritten {
    /// Replaces the values that are secrets as a whole, and writes anew those
    /// that are in part.
    pub(super) fn new(headers: &mut [Header<'_>], names: &[Option<Name>]) -> Self {
        let mut rewritten = Vec::new();
        for (number, (header, name)) in headers.iter_mut().zip(names).enumerate() {
            let shown = match name.map(Name::holds) {
                Some(Holds::Text) => redact::text(header.value),
                Some(Holds::Url) => redact::url(header.value),
                Some(Holds::Secret) => Cow::Borrowed(REDACTED),
                None => redact::header_value(header.name.as_bytes(), header.value),
            };
            match shown {
                Cow::Borrowed(value) => header.value = value,
                Cow::Owned(value) => rewritten.push((number, value)),
            }
        }
        Self(rewritten)
    }

    /// The fields with the values written anew in their places.
    pub(super) fn apply<'h, 'b>(&'b self, headers: &'h [Header<'b>]) -> Cow<'h, [Header<'b>]> {
        if self.0.is_empty() {
            return Cow::Borrowed(headers);
        }
        let mut headers = headers.to_vec();
        for (number, value) in &self.0 {
            if let Some(header) = headers.get_mut(*number) {
                header.value = value;
            }
        }
        Cow::Owned(headers)
    }
}

/// The fields that an event has in places of their own.
#[derive(Default)]
struct Known<'a> {
    content_type: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    referer: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
}

impl<'a> Known<'a> {
    fn new(headers: &[Header<'a>], names: &[Option<Name>]) -> Self {
        let mut known = Self::default();
        for (Header { value, .. }, name) in headers.iter().zip(names) {
            let place = match name {
                Some(Name::Host) => &mut known.host,
                Some(Name::Referer) => &mut known.referer,
                Some(Name::UserAgent) => &mut known.user_agent,
                Some(Name::ContentType) => &mut known.content_type,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        known
    }

    fn mime_type(&self) -> Option<Text<'a>> {
        let value = self.content_type?;
        let end = memchr2(b';', b',', value).unwrap_or(value.len());
        let mime_type = value.get(..end)?.trim_ascii();
        if mime_type.is_empty() {
            return None;
        }
        let is_lower = Block::none(mime_type, |block| block.within(b'A', b'Z').marks());
        Some(if is_lower { mime_type.into() } else { mime_type.to_ascii_lowercase().into() })
    }
}

/// The event of a request, whose header fields and target hold no secret.
pub(super) fn request<'a>(
    line: RequestLine<'a>,
    (headers, names): (&'a [Header<'a>], &[Option<Name>]),
    body: Option<Body>,
    announced: Option<u64>,
) -> Request<'a> {
    let known = Known::new(headers, names);
    Request {
        http: RequestHttp {
            version: line.version,
            request: RequestFields {
                method: line.method,
                mime_type: known.mime_type(),
                referrer: known.referer.map(Text::from),
                body: announced
                    .map(|bytes| BodyObject { bytes: Some(bytes), ..BodyObject::default() }),
                header: Headers(headers),
                trailer: Headers::default(),
            },
        },
        url: url(line.method, line.target, known.host),
        user_agent: known.user_agent.map(|value| UserAgent { original: value.into() }),
        has_body: has_body(body),
    }
}

/// The event of a response, whose header fields and reason hold no secret.
pub(super) fn response<'a>(
    line: StatusLine<'a>,
    (headers, names): (&'a [Header<'a>], &[Option<Name>]),
    body: Option<Body>,
    announced: Option<u64>,
) -> Response<'a> {
    Response {
        http: ResponseHttp {
            version: line.version,
            response: ResponseFields {
                status_code: Some(line.status),
                reason: (!line.reason.is_empty()).then(|| line.reason.into()),
                mime_type: Known::new(headers, names).mime_type(),
                body: announced
                    .map(|bytes| BodyObject { bytes: Some(bytes), ..BodyObject::default() }),
                header: Headers(headers),
                trailer: Headers::default(),
                interim_status_codes: &[],
                time_to_first_byte: None,
            },
        },
        has_body: has_body(body),
        waited: None,
    }
}

/// Whether a message has a body, by its framing.
pub(super) fn has_body(body: Option<Body>) -> bool {
    body.is_none_or(|body| !body.is_empty())
}

/// Takes a target apart (RFC 9112 section 3.2).
fn url<'a>(method: &str, target: &'a [u8], host: Option<&'a [u8]>) -> Url<'a> {
    let original = (!target.is_empty()).then(|| target.into());
    if method == "CONNECT" {
        return Url { original, ..authority(target) };
    }
    let is_local = matches!(target, [b'/', ..] | b"*");
    let (place, rest) = match memmem::find(if is_local { b"" } else { target }, b"://") {
        None => (host.map(authority), target),
        Some(scheme) => {
            let rest = target.get(scheme + 3..).unwrap_or_default();
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
                .unwrap_or(rest.len());
            let (place, rest) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            (Some(authority(place)), rest)
        }
    };
    let rest = memchr(b'#', rest).and_then(|end| rest.get(..end)).unwrap_or(rest);
    let (path, query) = match memchr(b'?', rest) {
        Some(at) => (rest.get(..at), rest.get(at + 1..)),
        None => (Some(rest), None),
    };
    let text = |bytes: Option<&'a [u8]>| bytes.filter(|bytes| !bytes.is_empty()).map(Text::from);
    Url { original, path: text(path), query: text(query), ..place.unwrap_or_default() }
}

/// Host and port of an authority (RFC 3986 section 3.2), without userinfo.
fn authority(authority: &[u8]) -> Url<'_> {
    let place =
        memrchr(b'@', authority).and_then(|at| authority.get(at + 1..)).unwrap_or(authority);
    let (host, port) = match memrchr(b':', place).and_then(|at| place.split_at_checked(at)) {
        Some((host, port)) if !port.contains(&b']') => (host, port.get(1..)),
        _ => (place, None),
    };
    let port = port.and_then(|port| str::from_utf8(port).ok()?.parse().ok());
    Url { domain: (!host.is_empty()).then(|| host.into()), port, ..Url::default() }
}
