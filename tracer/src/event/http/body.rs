//! Bodies: their size, and what `--body` shows of them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{Describe, Side, Text};

/// The object `body` of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Body<'a> {
    /// In `http-request` and `http-response` the bytes announced by
    /// Content-Length; elsewhere those that were sent, without the framing of
    /// chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The first bytes, without content codings and without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Text<'a>>,
    /// Whether more stood behind the content shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Why nothing of the body is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// Why nothing of a body is shown, although it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Omitted {
    /// It is not text, so that secrets in it cannot be found.
    Binary,
    /// Its content coding is not known to this build, or is broken from its
    /// first bytes on.
    Coding,
}

impl fmt::Display for Omitted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Binary => "binary",
            Self::Coding => "content coding",
        })
    }
}

/// `http-body`: what `--body` shows of a body is complete.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BodyShown<'a> {
    /// The object `http`.
    pub http: BodyHttp<'a>,
}

/// The object `http` of `http-body`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BodyHttp<'a> {
    /// The object `http.request`, where the client sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<BodyOf<'a>>,
    /// The object `http.response`, where the server did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<BodyOf<'a>>,
}

/// A message of which only the body is told.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BodyOf<'a> {
    /// The object `body`.
    pub body: Body<'a>,
}

impl<'a> BodyShown<'a> {
    /// The body of the message that `side` sends.
    pub const fn new(side: Side, body: Body<'a>) -> Self {
        let body = Some(BodyOf { body });
        let http = match side {
            Side::Client => BodyHttp { request: body, response: None },
            Side::Server => BodyHttp { request: None, response: body },
        };
        Self { http }
    }
}

impl fmt::Display for BodyShown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(BodyOf { body }) = self.http.request.as_ref().or(self.http.response.as_ref())
        else {
            return Ok(());
        };
        formatter.write_str("Body: ")?;
        match (&body.content, body.omitted) {
            (Some(content), _) => write!(formatter, "{content}")?,
            (None, Some(omitted)) => write!(formatter, "[not shown: {omitted}]")?,
            (None, None) => {}
        }
        if body.truncated { formatter.write_str(" …") } else { Ok(()) }
    }
}

impl Describe for BodyShown<'_> {}
