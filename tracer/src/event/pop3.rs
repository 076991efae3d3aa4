//! Messages of POP3.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Common, Describe, Outcome, Place, Size, Span, Text,
    email::{Email, Headline},
};

/// `pop3-command`: one line of the client, a command or a SASL response.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Command<'a> {
    /// The object `pop3`.
    pub pop3: CommandObject<'a>,
}

/// The object `pop3` of `pop3-command`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CommandObject<'a> {
    /// The object `pop3.command`.
    pub command: CommandFields<'a>,
    /// The object `pop3.auth`, when the command authenticates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
}

/// The object `pop3.command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CommandFields<'a> {
    /// Keyword in upper case; a SASL response has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<Text<'a>>,
    /// What stands behind the keyword, or the whole of another line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<Text<'a>>,
}

/// The object `pop3.auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Auth<'a> {
    /// SASL mechanism in upper case, or `APOP`; absent for USER and PASS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Text<'a>>,
    /// Who wants to be let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
}

/// `pop3-response`: one response of the server, all its lines.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Response<'a> {
    /// The object `pop3`.
    pub pop3: ResponseObject<'a>,
    /// The header of the mail that it brings, and its attachments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Box<Email<'a>>>,
    /// The mail in a line.
    #[serde(skip)]
    pub headline: Option<Headline<'a>>,
    /// Duration since its command.
    #[serde(skip)]
    pub common: Common,
}

/// The object `pop3` of `pop3-response`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResponseObject<'a> {
    /// The object `pop3.response`.
    pub response: ResponseFields<'a>,
}

/// The object `pop3.response`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResponseFields<'a> {
    /// `+OK`, `-ERR`, or `+` for a challenge (RFC 5034).
    pub status: Status,
    /// Response code: what stands in the brackets (RFC 2449 section 8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// The rest of the first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
    /// The object `pop3.response.data`, where more lines follow the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
}

/// The status indicator of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Status {
    /// Positive.
    #[default]
    #[serde(rename = "+OK")]
    Ok,
    /// Negative.
    #[serde(rename = "-ERR")]
    Err,
    /// The server asks for more of a SASL exchange.
    #[serde(rename = "+")]
    Challenge,
}

/// The object `pop3.response.data`: the lines behind the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Data {
    /// How many, without the one that ends them.
    pub lines: u64,
    /// Their bytes, without the dots that the transport adds.
    pub bytes: u64,
    /// Whether bytes of them, or their end, were not seen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// `pop3-exchange`: a command and its response, when that is complete or can
/// no longer come. The greeting is an exchange without a command.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Exchange<'a> {
    /// The object `pop3`.
    pub pop3: ExchangeObject<'a>,
    /// As of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Box<Email<'a>>>,
    /// The mail in a line.
    #[serde(skip)]
    pub headline: Option<Headline<'a>>,
    /// Duration and outcome.
    #[serde(skip)]
    pub common: Common,
}

/// The object `pop3` of `pop3-exchange`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExchangeObject<'a> {
    /// As of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandFields<'a>>,
    /// As of the command, and the user of a SASL exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
    /// As of the response; absent when nobody saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseFields<'a>>,
}

impl Status {
    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "+OK",
            Self::Err => "-ERR",
            Self::Challenge => "+",
        }
    }
}

impl fmt::Display for CommandFields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for part in [&self.verb, &self.argument].into_iter().flatten() {
            write!(formatter, "{separator}{part}")?;
            separator = " ";
        }
        Ok(())
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "C: {}", self.pop3.command)
    }
}

/// The first line as on the wire, and how much followed.
impl fmt::Display for ResponseFields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.status.name())?;
        if let Some(code) = &self.code {
            write!(formatter, " [{code}]")?;
        }
        if let Some(text) = &self.text {
            write!(formatter, " {text}")?;
        }
        match self.data {
            Some(Data { lines, bytes, incomplete }) => {
                let less = if incomplete { ", incomplete" } else { "" };
                let plural = if lines == 1 { "" } else { "s" };
                write!(formatter, "  ({lines} line{plural}, {}{less})", Size(bytes))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "S: {}", self.pop3.response)?;
        match &self.headline {
            Some(headline) => write!(formatter, "  {headline}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pop3.command {
            Some(command) => write!(formatter, "{command} → ")?,
            None => formatter.write_str("greeting → ")?,
        }
        match &self.pop3.response {
            Some(response) => write!(formatter, "{response}")?,
            None => formatter.write_str("no response")?,
        }
        if let Some(headline) = &self.headline {
            write!(formatter, "  {headline}")?;
        }
        match self.common.duration {
            Some(duration) => write!(formatter, "  in {}", Span(duration)),
            None => Ok(()),
        }
    }
}

impl Describe for Command<'_> {}

impl Describe for Response<'_> {
    fn common(&self) -> Common {
        self.common
    }

    fn is_failure(&self) -> bool {
        self.pop3.response.status == Status::Err
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
    /// What a response says of the outcome.
    pub fn outcome(response: Option<&ResponseFields<'_>>) -> Outcome {
        match response {
            Some(ResponseFields { data: Some(Data { incomplete: true, .. }), .. }) | None => {
                Outcome::Unknown
            }
            Some(ResponseFields { status: Status::Err, .. }) => Outcome::Failure,
            Some(_) => Outcome::Success,
        }
    }
}
