//! Messages of IMAP.

use std::fmt;

use serde::Serialize;

use super::{Describe, Text};

/// `imap-command`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Command<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Command<'_> {
    fn action(&self) -> &'static str {
        "imap-command"
    }
}

/// `imap-response`
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
        "imap-response"
    }
}
