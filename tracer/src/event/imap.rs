//! Messages of IMAP.
//!
//! A message is one line with all its literals and what stands between and
//! behind them. The text row shows its first line as it was sent.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Describe, Text};

/// `imap-command`: what the client said, a command or a line that continues
/// one (a SASL response, IDLE's DONE).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Command<'a> {
    /// The object `imap`.
    pub imap: CommandObject<'a>,
    /// The first line without its line end, for the text row.
    #[serde(skip)]
    pub line: Text<'a>,
}

/// The object `imap` of `imap-command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CommandObject<'a> {
    /// The object `imap.command`.
    pub command: CommandFields<'a>,
    /// The object `imap.literal`, when the command has literals.
    #[serde(skip_serializing_if = "Literals::is_empty")]
    pub literal: Literals<'a>,
    /// The object `imap.auth`, when the command authenticates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
}

/// The object `imap.command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CommandFields<'a> {
    /// The tag; for a line that continues a command, that command's tag, where
    /// it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Text<'a>>,
    /// Name in upper case; of `UID FETCH` it is `FETCH`. A SASL response has
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// Whether `UID` stood before the name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uid: bool,
    /// The mailbox that the command names, unquoted, modified UTF-7 decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<Text<'a>>,
    /// What follows the name in the first line, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Text<'a>>,
}

/// The object `imap.literal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Literals<'a> {
    /// Octets of each literal, in the order in which they were sent.
    pub bytes: &'a [u64],
}

impl Literals<'_> {
    /// Whether the message had no literal.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The object `imap.auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Auth<'a> {
    /// SASL mechanism in upper case; absent for LOGIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<&'static str>,
    /// Who wants to be let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
}

/// `imap-response`: what the server said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Response<'a> {
    /// The object `imap`.
    pub imap: ResponseObject<'a>,
    /// The first line without its line end, for the text row.
    #[serde(skip)]
    pub line: Text<'a>,
}

/// The object `imap` of `imap-response`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResponseObject<'a> {
    /// The object `imap.response`.
    pub response: ResponseFields<'a>,
    /// The object `imap.literal`, when the response has literals.
    #[serde(skip_serializing_if = "Literals::is_empty")]
    pub literal: Literals<'a>,
}

/// The object `imap.response`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResponseFields<'a> {
    /// `*` for untagged, `+` for continuation, else the command's tag.
    pub tag: Text<'a>,
    /// `OK`, `NO`, `BAD`, `BYE` or `PREAUTH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// Response code: what stands in the brackets, its arguments included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// Message number or count before the name, as in `7 FETCH`, `23 EXISTS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Name of untagged data in upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// The rest of the first line, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Request: {}", self.line)
    }
}

impl Describe for Command<'_> {}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Response: {}", self.line)
    }
}

impl Describe for Response<'_> {
    fn is_failure(&self) -> bool {
        matches!(self.imap.response.status, Some("NO" | "BAD"))
    }
}
