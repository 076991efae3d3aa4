//! Messages of IMAP.
//!
//! A message is one line with all its literals and what stands between and
//! behind them. The text row shows its first line as it was sent.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{Common, Describe, Outcome, Place, Size, Span, Text, email::Email};

/// `imap-command`: what the client said, a command or a line that continues
/// one (a SASL response, IDLE's DONE).
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Command<'a> {
    /// The object `imap`.
    pub imap: CommandObject<'a>,
    /// The header of the first mail in it, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Box<Email<'a>>>,
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
    /// Whether there was more than was kept until the command's completion.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
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
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Response<'a> {
    /// The object `imap`.
    pub imap: ResponseObject<'a>,
    /// Whether it completes a command.
    #[serde(skip)]
    pub completes: bool,
    /// Nanoseconds since that command began; `None` for one that was not seen,
    /// and for IDLE, which takes as long as the client likes.
    #[serde(skip)]
    pub waited: Option<u64>,
    /// The header of the first mail in it, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Box<Email<'a>>>,
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
    /// The mailbox that the data is about, unquoted, modified UTF-7 decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<Text<'a>>,
    /// The rest of the first line, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
}

/// `imap-exchange`: a command and all that the server said to it, when its
/// tagged completion is in or can no longer come. The greeting, and a BYE that
/// no command asked for, are exchanges without a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exchange<'a> {
    /// The object `imap`.
    pub imap: ExchangeObject<'a>,
    /// Duration and outcome.
    #[serde(skip)]
    pub common: Common,
}

/// The object `imap` of `imap-exchange`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExchangeObject<'a> {
    /// The object `imap.command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandFields<'a>>,
    /// The object `imap.literal`, when the command has literals.
    #[serde(skip_serializing_if = "Literals::is_empty")]
    pub literal: Literals<'a>,
    /// The object `imap.auth`, when the command authenticates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
    /// Whether it is the server's greeting.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub greeting: bool,
    /// Status of the completion: `OK`, `NO`, `BAD`; without a command `OK`,
    /// `PREAUTH`, `BYE`. Absent when nobody saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// Response code of the completion, its arguments included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// Untagged responses by name or status, with their numbers.
    #[serde(skip_serializing_if = "Untagged::is_empty")]
    pub untagged: Untagged<'a>,
    /// Bytes of the server's responses to it, literals and line ends included.
    pub bytes: u64,
}

/// How many untagged responses there were of each name, in the order in which
/// the names came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untagged<'a>(pub &'a [(Cow<'static, str>, u64)]);

impl Untagged<'_> {
    /// Whether there were none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Untagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

impl JsonSchema for Untagged<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Untagged".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Numbers of untagged responses by name or status.",
            "type": "object",
            "additionalProperties": { "type": "integer", "minimum": 1 },
        })
    }
}

/// What a header says, unless it says nothing.
pub fn email(email: Email<'_>) -> Option<Box<Email<'_>>> {
    (!email.is_empty()).then(|| Box::new(email))
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Request: ")?;
        self.line.fmt(formatter)
    }
}

impl Describe for Command<'_> {}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Response: ")?;
        self.line.fmt(formatter)
    }
}

impl Describe for Response<'_> {
    fn is_failure(&self) -> bool {
        matches!(self.imap.response.status, Some("NO" | "BAD"))
    }
}

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(command) = &self.imap.command {
            write!(formatter, "{command} ")?;
        } else if self.imap.greeting {
            formatter.write_str("greeting ")?;
        }
        formatter.write_str("→ ")?;
        formatter.write_str(self.imap.status.unwrap_or("no completion"))?;
        if let Some(code) = &self.imap.code {
            let name = code.0.split(|byte| *byte == b' ').next().unwrap_or_default();
            write!(formatter, " [{}]", Text::from(name))?;
        }
        let mut separator = "  ";
        for (name, count) in self.imap.untagged.0 {
            write!(formatter, "{separator}{count} {name}")?;
            separator = ", ";
        }
        write!(formatter, "  {}", Size(self.imap.bytes))?;
        match self.common.duration {
            Some(duration) => write!(formatter, " in {}", Span(duration)),
            None => Ok(()),
        }
    }
}

/// The command as it was sent, but for the case of its name.
impl fmt::Display for CommandFields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tag) = &self.tag {
            write!(formatter, "{tag}")?;
        }
        if self.uid {
            formatter.write_str(" UID")?;
        }
        if let Some(name) = &self.name {
            write!(formatter, " {name}")?;
        }
        if let Some(arguments) = &self.arguments {
            write!(formatter, " {arguments}")?;
        }
        if self.truncated {
            formatter.write_str("…")?;
        }
        Ok(())
    }
}

impl Describe for Exchange<'_> {
    fn common(&self) -> Common {
        self.common
    }

    fn place(&self) -> Place {
        Place::Exchange
    }
}

impl Exchange<'_> {
    /// What a status says of the outcome.
    pub fn outcome(status: Option<&str>) -> Outcome {
        match status {
            Some("OK" | "PREAUTH") => Outcome::Success,
            Some(_) => Outcome::Failure,
            None => Outcome::Unknown,
        }
    }
}
