//! Messages of HTTP.

use std::fmt;

use serde::Serialize;

use super::{Describe, Text};

/// `http-request`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Request<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Request<'_> {
    fn action(&self) -> &'static str {
        "http-request"
    }
}

/// `http-response`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Response<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Response<'_> {
    fn action(&self) -> &'static str {
        "http-response"
    }
}
