//! Messages of HTTP.

mod body;
mod exchange;
mod header;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::{
    body::{Body, BodyShown, Omitted},
    exchange::{Ended, Exchange, ExchangeHttp},
    header::Headers,
};
use super::{Describe, Text};

/// `http-request`: the head of a request is complete.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Request<'a> {
    /// The object `http`.
    pub http: RequestHttp<'a>,
    /// The object `url`.
    #[serde(skip_serializing_if = "Url::is_empty")]
    pub url: Url<'a>,
    /// The object `user_agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<UserAgent<'a>>,
    /// Whether a body follows, by the message's framing.
    #[serde(skip)]
    pub has_body: bool,
}

/// The object `http` of `http-request`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RequestHttp<'a> {
    /// Version as sent, as `1.1`; empty where the request line has none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub version: &'a str,
    /// The object `http.request`.
    pub request: RequestFields<'a>,
}

/// The object `http.request`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RequestFields<'a> {
    /// Method as sent.
    pub method: &'a str,
    /// Media type of the body, without parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Text<'a>>,
    /// Value of Referer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Text<'a>>,
    /// The object `http.request.body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body<'a>>,
    /// Header fields.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub header: Headers<'a>,
    /// Fields of the trailer section (RFC 9110 section 6.5); of an exchange only.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub trailer: Headers<'a>,
}

/// The object `url`: what the request's target names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Url<'a> {
    /// Target as sent (RFC 9112 section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Text<'a>>,
    /// Host of an absolute or authority target, else of the Host field; the
    /// brackets of an IPv6 address included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text<'a>>,
    /// Port beside the host, if one stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<'a>>,
    /// What stands behind the `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Text<'a>>,
}

impl Url<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The object `user_agent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserAgent<'a> {
    /// Value of User-Agent.
    pub original: Text<'a>,
}

/// `http-response`: the head of a response is complete.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Response<'a> {
    /// The object `http`.
    pub http: ResponseHttp<'a>,
    /// Whether a body follows, by the message's framing.
    #[serde(skip)]
    pub has_body: bool,
    /// Nanoseconds from the first byte of its request to its own, for a final
    /// response to a request that was alone.
    #[serde(skip)]
    pub waited: Option<u64>,
}

/// The object `http` of `http-response`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResponseHttp<'a> {
    /// Version as sent, as `1.1`.
    pub version: &'a str,
    /// The object `http.response`.
    pub response: ResponseFields<'a>,
}

/// The object `http.response`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResponseFields<'a> {
    /// Status code; a response of HTTP/0.9 has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// Reason phrase, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// Media type of the body, without parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Text<'a>>,
    /// The object `http.response.body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body<'a>>,
    /// Header fields.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub header: Headers<'a>,
    /// Fields of the trailer section (RFC 9110 section 6.5); of an exchange only.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub trailer: Headers<'a>,
    /// Status codes of the responses before the final one (RFC 9110 section
    /// 15.2), in order; of an exchange only.
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    pub interim_status_codes: &'a [u16],
    /// Nanoseconds from the first byte of the request to the first of this
    /// response; of an exchange only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_byte: Option<u64>,
}

/// Two spaces and the media type, as protocol analysers end a row whose
/// message has a body.
fn write_mime_type(
    formatter: &mut fmt::Formatter<'_>,
    has_body: bool,
    mime_type: Option<&Text<'_>>,
) -> fmt::Result {
    match mime_type {
        Some(mime_type) if has_body => {
            formatter.write_str("  (")?;
            fmt::Display::fmt(mime_type, formatter)?;
            formatter.write_str(")")
        }
        _ => Ok(()),
    }
}

/// Method, target and version, as they stand in the request line.
fn write_request_line(
    formatter: &mut fmt::Formatter<'_>,
    method: &str,
    target: Option<&Text<'_>>,
    version: &str,
) -> fmt::Result {
    formatter.write_str(method)?;
    if let Some(target) = target {
        formatter.write_str(" ")?;
        fmt::Display::fmt(target, formatter)?;
    }
    if !version.is_empty() {
        formatter.write_str(" HTTP/")?;
        formatter.write_str(version)?;
    }
    Ok(())
}

impl ResponseFields<'_> {
    /// Whether the server says that something went wrong (RFC 9110 section 15).
    fn is_failure(&self) -> bool {
        self.status_code.is_some_and(|status_code| status_code >= 400)
    }

    /// Status code and reason phrase.
    fn write_status(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status_code {
            Some(status_code) => write!(formatter, "{status_code:03}")?,
            None => formatter.write_str("(no status line)")?,
        }
        if let Some(reason) = &self.reason {
            formatter.write_str(" ")?;
            fmt::Display::fmt(reason, formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestHttp { version, request } = &self.http;
        write_request_line(formatter, request.method, self.url.original.as_ref(), version)?;
        write_mime_type(formatter, self.has_body, request.mime_type.as_ref())
    }
}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResponseHttp { version, response } = &self.http;
        formatter.write_str("HTTP/")?;
        formatter.write_str(version)?;
        formatter.write_str(" ")?;
        response.write_status(formatter)?;
        write_mime_type(formatter, self.has_body, response.mime_type.as_ref())
    }
}

impl Describe for Request<'_> {}

impl Describe for Response<'_> {
    fn is_failure(&self) -> bool {
        self.http.response.is_failure()
    }
}
