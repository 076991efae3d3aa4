//! What the header fields say about where a message ends
//! (RFC 9112 section 6.3).

use httparse::Header;

use super::{
    body::Body,
    name::Name,
    odd::{Odd, Oddities},
};
use crate::decode::redact;

/// The transfer codings that are registered (RFC 9112 section 7).
const TRANSFER_CODINGS: [&[u8]; 6] =
    [b"chunked", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];

/// The header fields that frame a message, as far as they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    has_length: bool,
    transfer: Transfer,
    upgrade: Option<&'static str>,
    hosts: usize,
    /// What was wrong with them.
    pub(super) odd: Oddities,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Transfer {
    /// No Transfer-Encoding, or only `identity` (which RFC 2616 had).
    #[default]
    None,
    /// `chunked` is the last encoding.
    Chunked,
    /// Another is the last.
    Other,
}

/// A version, as far as framing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Older than HTTP/1.1, or none was sent.
    Old,
    /// HTTP/1.1.
    New,
    /// One that nobody speaks.
    Unknown,
}

impl Version {
    /// What its number means; empty where none was sent.
    pub(super) fn of(number: &str) -> Self {
        match number {
            "1.1" => Self::New,
            "" | "1.0" => Self::Old,
            _ if number.starts_with('0') => Self::Old,
            _ => Self::Unknown,
        }
    }
}

/// A message's kind, with what its body depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request.
    Request,
    /// A response, and the request it answers, where that is known.
    Response {
        /// Status code.
        status: u16,
        /// What was asked.
        asked: Option<Asked>,
    },
}

/// What a response answers; it decides whether a body follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A request after which nothing is special.
    Plain,
    /// A request without a version: a body may follow at once, without a head.
    Simple,
    /// HEAD: no body, whatever the fields say.
    Head,
    /// CONNECT: success makes a tunnel.
    Connect,
    /// A request that offers another protocol.
    Upgrade,
}

impl Framing {
    /// Takes note of a header field whose name is known.
    #[inline(never)]
    pub(super) fn known(&mut self, name: Name, value: &[u8]) {
        match name {
            Name::Host => self.host(value),
            Name::Upgrade => self.upgrade(value),
            Name::ContentLength => self.content_length(value),
            _ => {}
        }
    }

    /// Takes note of a header field.
    pub(super) fn field(&mut self, name: &str, value: &[u8]) {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.host(value),
            7 if name.eq_ignore_ascii_case("upgrade") => self.upgrade(value),
            14 if name.eq_ignore_ascii_case("content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.transfer_encoding(value),
            _ => {}
        }
    }

    /// Takes note of all header fields.
    pub(super) fn fields(&mut self, fields: &[Header<'_>]) {
        for field in fields {
            self.field(field.name, field.value);
        }
    }

    fn host(&mut self, value: &[u8]) {
        self.hosts += 1;
        if self.hosts > 1 {
            self.odd.insert_of(Odd::SeveralHosts, &redact::url(value));
        }
    }

    fn content_length(&mut self, value: &[u8]) {
        let mut again = std::mem::replace(&mut self.has_length, true);
        if let (false, Some(number)) = (again, decimal(value)) {
            self.length = Some(number);
            return;
        }
        for number in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match (decimal(number), self.length) {
                (None, _) => self.odd.insert_of(Odd::InvalidContentLength, value),
                // Which of two a server believes cannot be known; the first is as good.
                (Some(number), Some(first)) if first != number => {
                    let both = format!("{first}, {number}");
                    self.odd.insert_of(Odd::ContentLengthConflict, both.as_bytes());
                }
                (Some(number), _) => {
                    self.length = Some(number);
                    // A list of equal values is one value (RFC 9110 section 8.6).
                    if again {
                        self.odd.insert(Odd::RepeatedContentLength);
                    }
                }
            }
            again = true;
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        for coding in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if coding.is_empty() {
                continue;
            }
            // Of RFC 2616, and withdrawn: some take it for nothing, others for
            // a coding that they do not know.
            if coding.eq_ignore_ascii_case(b"identity") {
                self.odd.insert_of(Odd::UnknownTransferCoding, coding);
                continue;
            }
            if self.transfer == Transfer::Chunked {
                self.odd.insert_of(Odd::InvalidTransferEncoding, value);
            }
            self.transfer = if coding.eq_ignore_ascii_case(b"chunked") {
                Transfer::Chunked
            } else {
                Transfer::Other
            };
            if !TRANSFER_CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known)) {
                self.odd.insert_of(Odd::UnknownTransferCoding, coding);
            }
        }
    }

    fn upgrade(&mut self, value: &[u8]) {
        let first = value.split(|byte| matches!(byte, b',' | b'/')).next().unwrap_or_default();
        let first = first.trim_ascii();
        let known = ["websocket", "h2c", "tls"];
        let to = known.into_iter().find(|name| first.eq_ignore_ascii_case(name.as_bytes()));
        self.upgrade = Some(to.unwrap_or("tunnel"));
    }

    /// Notes what is wrong with the version.
    pub(super) fn version(&mut self, version: &str) {
        match version {
            "1.0" | "1.1" => {}
            "" => self.odd.insert(Odd::NoVersion),
            _ => self.odd.insert_of(Odd::UnknownVersion, version.as_bytes()),
        }
    }

    /// The length that was announced for this body.
    pub(super) fn announced(&self, body: Option<Body>) -> Option<u64> {
        self.length.filter(|length| body == Some(Body::Length(*length)))
    }

    /// Whether a request asks for what makes its connection something else.
    pub(super) fn asked(&self, method: &str, version: &str) -> Asked {
        match method {
            _ if version.is_empty() => Asked::Simple,
            "HEAD" => Asked::Head,
            "CONNECT" => Asked::Connect,
            _ if self.upgrade.is_some() => Asked::Upgrade,
            _ => Asked::Plain,
        }
    }

    /// What the connection becomes by a response, if it becomes anything.
    pub(super) fn becomes(&self, status: u16, asked: Option<Asked>) -> Option<&'static str> {
        match (status, asked) {
            (101, _) => Some(self.upgrade.unwrap_or("tunnel")),
            (200..=299, Some(Asked::Connect)) => Some("tunnel"),
            _ => None,
        }
    }

    /// Notes what is wrong with the fields as a whole, when all were read.
    pub(super) fn check(&mut self, version: Version, kind: Kind) {
        match kind {
            Kind::Request => {
                if self.hosts == 0 && version == Version::New {
                    self.odd.insert(Odd::MissingHost);
                }
                if self.transfer == Transfer::Other {
                    self.odd.insert(Odd::InvalidTransferEncoding);
                }
            }
            Kind::Response { status, asked } => {
                // A length of 0 misleads nobody, and many servers send it.
                let framed = self.transfer != Transfer::None || self.length.unwrap_or(0) > 0;
                let tunnel = asked == Some(Asked::Connect) && matches!(status, 200..=299);
                if framed && (matches!(status, 100..=199 | 204) || tunnel) {
                    self.odd.insert(Odd::UnexpectedFraming);
                }
                if status == 101 && asked.is_some_and(|asked| asked != Asked::Upgrade) {
                    self.odd.insert(Odd::UnaskedUpgrade);
                }
            }
        }
        if self.transfer != Transfer::None {
            if self.has_length {
                self.odd.insert(Odd::ContentLengthWithTransferEncoding);
            }
            if version == Version::Old {
                self.odd.insert(Odd::TransferEncodingInOldVersion);
            }
        }
    }

    /// The body of a message; `None` when its end cannot be known.
    pub(super) fn body(&self, kind: Kind) -> Option<Body> {
        match kind {
            Kind::Request => self.request_body(),
            Kind::Response { status, asked } => self.response_body(status, asked),
        }
    }

    fn request_body(&self) -> Option<Body> {
        match self.transfer {
            Transfer::Chunked => Some(Body::chunked()),
            Transfer::Other => None,
            Transfer::None if self.has_length => self.length.map(Body::Length),
            Transfer::None => Some(Body::Length(0)),
        }
    }

    fn response_body(&self, status: u16, asked: Option<Asked>) -> Option<Body> {
        let bare = matches!(status, 100..=199 | 204 | 304);
        if bare || asked == Some(Asked::Head) || self.becomes(status, asked).is_some() {
            return Some(Body::Length(0));
        }
        match self.transfer {
            Transfer::Chunked => Some(Body::chunked()),
            Transfer::None if self.has_length => self.length.map(Body::Length),
            Transfer::None | Transfer::Other => Some(Body::UntilClose),
        }
    }
}

/// A decimal number without sign; `None` also when it is too large.
fn decimal(digits: &[u8]) -> Option<u64> {
    let number = digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    number.filter(|_| !digits.is_empty())
}
