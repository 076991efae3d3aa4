//! A request with its responses.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Body, RequestFields, ResponseFields, Url, UserAgent, write_mime_type, write_request_line,
};
use crate::event::{Common, Describe, Outcome, Place, Size, Span};

/// `http-exchange`: a request and its final response are complete, or one of
/// them never will be.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Exchange<'a> {
    /// The object `http`.
    pub http: ExchangeHttp<'a>,
    /// The object `url`.
    #[serde(skip_serializing_if = "Url::is_empty")]
    pub url: Url<'a>,
    /// The object `user_agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<UserAgent<'a>>,
    /// Nanoseconds from the first byte of the request to the last of the
    /// response, where both were seen, and in this order.
    #[serde(skip)]
    pub duration: Option<u64>,
    /// How its messages ended.
    #[serde(skip)]
    pub ended: Ended,
    /// Whether the response has a body, by its framing.
    #[serde(skip)]
    pub has_body: bool,
}

/// The object `http` of `http-exchange`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExchangeHttp<'a> {
    /// Version of the request as sent; of the response where the request was
    /// not seen; empty where the request line has none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub version: &'a str,
    /// The object `http.request`; absent where the request was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFields<'a>>,
    /// The object `http.response`; absent where none was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseFields<'a>>,
}

/// How the messages of an exchange ended: of the two, the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// As their framing says.
    #[default]
    Whole,
    /// Nobody saw.
    Unseen,
    /// The connection was closed before.
    Cut,
}

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExchangeHttp { version, request, response } = &self.http;
        match request {
            Some(request) => {
                let target = self.url.original.as_ref();
                write_request_line(formatter, request.method, target, version)?;
            }
            None => write!(formatter, "(request not seen) HTTP/{version}")?,
        }
        formatter.write_str(" → ")?;
        match response {
            Some(response) => {
                response.write_status(formatter)?;
                write_mime_type(formatter, self.has_body, response.mime_type.as_ref())?;
            }
            None => formatter.write_str("(no response seen)")?,
        }
        match self.ended {
            Ended::Unseen if response.is_some() => formatter.write_str("  [end not seen]"),
            Ended::Cut => formatter.write_str("  [cut short]"),
            Ended::Whole | Ended::Unseen => Ok(()),
        }
    }
}

impl Describe for Exchange<'_> {
    fn common(&self) -> Common {
        Common { duration: self.duration, outcome: Some(self.outcome()), ..Common::default() }
    }

    fn place(&self) -> Place {
        Place::Exchange
    }

    fn exchange(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        let bytes = |body: &Option<Body<'_>>| body.as_ref().and_then(|body| body.bytes);
        let sent = self.http.request.as_ref().and_then(|request| bytes(&request.body));
        let received = self.http.response.as_ref().and_then(|response| bytes(&response.body));
        let sent = sent.filter(|sent| *sent > 0);
        if let Some(sent) = sent {
            write!(formatter, "  {} up", Size(sent))?;
        }
        let separator = if sent.is_some() { ", " } else { "  " };
        match (received.map(Size), self.duration.map(Span)) {
            (Some(size), Some(span)) => write!(formatter, "{separator}{size} in {span}"),
            (Some(size), None) => write!(formatter, "{separator}{size}"),
            (None, Some(span)) => write!(formatter, "{separator}in {span}"),
            (None, None) => Ok(()),
        }
    }
}

impl Exchange<'_> {
    /// From 400 on, or cut: a failure, whatever else was not seen.
    fn outcome(&self) -> Outcome {
        let refused = self.http.response.as_ref().map(ResponseFields::is_failure);
        match (refused, self.ended) {
            (Some(true), _) | (_, Ended::Cut) => Outcome::Failure,
            (Some(false), Ended::Whole) => Outcome::Success,
            (None, _) | (_, Ended::Unseen) => Outcome::Unknown,
        }
    }
}
