//! Messages of SMTP.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::{
    Common, Describe, Outcome, Place, Size, Span, Text,
    email::{Email, Headline},
    is_plain,
};

/// `smtp-command`: one line of the client that is no part of a mail.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Command<'a> {
    /// The object `smtp`.
    pub smtp: CommandObject<'a>,
    /// The line as sent, without its end, secrets replaced.
    #[serde(skip)]
    pub line: Text<'a>,
}

/// The object `smtp` of `smtp-command`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CommandObject<'a> {
    /// The object `smtp.command`.
    pub command: CommandFields<'a>,
    /// The object `smtp.auth`, for AUTH and the lines that belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
}

/// The object `smtp.command`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CommandFields<'a> {
    /// The verb in upper case; absent for a SASL response, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<Text<'a>>,
    /// What stands behind the verb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<Text<'a>>,
}

/// The object `smtp.auth`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Auth<'a> {
    /// Name of the SASL mechanism, in upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Text<'a>>,
    /// User name, where the mechanism tells it apart from the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
    /// How it ended; only in `smtp-message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// `smtp-reply`: one reply of the server, all its lines.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Reply<'a> {
    /// The object `smtp`.
    pub smtp: ReplyObject<'a>,
    /// Nanoseconds since the command that it answers, for `event.duration`.
    #[serde(skip)]
    pub duration: Option<u64>,
}

/// The object `smtp` of `smtp-reply`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReplyObject<'a> {
    /// The object `smtp.reply`.
    pub reply: ReplyFields<'a>,
}

/// The object `smtp.reply`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReplyFields<'a> {
    /// Reply code, 200 to 599; that of the last line, should lines differ.
    pub code: u16,
    /// Enhanced status code (RFC 2034) of the last line, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<Text<'a>>,
    /// Text of each line, behind its code.
    pub lines: ReplyLines<'a>,
    /// Keywords of the extensions that the reply to EHLO or LHLO offers, in
    /// upper case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Text<'a>>,
}

/// The lines of a reply, as sent and secrets replaced. Serialized as a list of
/// their texts; displayed with their codes, joined by ` | `.
#[derive(Clone, Debug, Default)]
pub struct ReplyLines<'a>(pub Cow<'a, [u8]>);

impl ReplyLines<'_> {
    /// Code, if it has one, and text of each line.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> {
        let mut rest = Some(self.0.strip_suffix(b"\n").unwrap_or(&self.0));
        let lines = std::iter::from_fn(move || {
            let all = rest.take()?;
            let Some(end) = memchr::memchr(b'\n', all) else { return Some(all) };
            rest = all.get(end + 1..);
            all.get(..end)
        });
        lines.map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match line.split_at_checked(3) {
                Some((code, rest)) if code.iter().all(u8::is_ascii_digit) => match rest {
                    [b' ' | b'-', text @ ..] => (Some(code), text),
                    [] => (Some(code), rest),
                    _ => (None, line),
                },
                _ => (None, line),
            }
        })
    }
}

impl Serialize for ReplyLines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(_, text)| Text::from(text)))
    }
}

impl JsonSchema for ReplyLines<'_> {
    fn schema_name() -> Cow<'static, str> {
        "ReplyLines".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Text<'_>>::json_schema(generator)
    }
}

/// `smtp-data`: a piece of a mail's data. Pieces are as the wire cut them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Data<'a> {
    /// The object `smtp`.
    pub smtp: DataObject,
    /// The mail in a line, with the piece that ends it.
    #[serde(skip)]
    pub headline: Option<Headline<'a>>,
}

/// The object `smtp` of `smtp-data`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct DataObject {
    /// The object `smtp.data`.
    pub data: PieceFields,
}

/// The object `smtp.data` of `smtp-data`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct PieceFields {
    /// Bytes of the piece as on the wire.
    pub bytes: u64,
}

/// `smtp-message`: one mail.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Mail<'a> {
    /// The object `email`; absent where nobody may look into mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Box<Email<'a>>>,
    /// The object `smtp`.
    pub smtp: Box<MailObject<'a>>,
    /// The mail in a line; the envelope stands for it where nobody may look into
    /// mails.
    #[serde(skip)]
    pub headline: Option<Headline<'a>>,
    /// `event.duration`, from MAIL to the final reply, and `event.outcome`.
    #[serde(skip)]
    pub common: Common,
}

/// The object `smtp` of `smtp-message`: how the mail was handed over.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct MailObject<'a> {
    /// Name that the client gave in EHLO, HELO or LHLO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<Text<'a>>,
    /// Reverse-path of MAIL; empty for the null sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_from: Option<Text<'a>>,
    /// Parameters of MAIL, as sent: `SIZE=1000`, `SMTPUTF8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mail_parameters: Vec<Text<'a>>,
    /// Recipients of RCPT, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rcpt_to: Vec<Recipient<'a>>,
    /// The object `smtp.data`; absent where none of the mail was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataFields>,
    /// The object `smtp.reply`: the final reply or, where none of the mail was
    /// sent, the last that refused something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<FinalReply<'a>>,
    /// The object `smtp.auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
    /// Set when STARTTLS was agreed upon and the flow went on readable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub starttls: bool,
    /// Whether the client sent commands without waiting for replies.
    pub pipelined: bool,
    /// The server's name for the mail, from its final reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<Text<'a>>,
}

/// The object `smtp.reply` of `smtp-message`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct FinalReply<'a> {
    /// Reply code.
    pub code: u16,
    /// Enhanced status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<Text<'a>>,
}

/// An element of `smtp.rcpt_to`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Recipient<'a> {
    /// Forward-path of RCPT.
    pub address: Text<'a>,
    /// Code of the reply to RCPT; in LMTP that of the recipient's final reply,
    /// once it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<u16>,
    /// Parameters of RCPT, as sent: `NOTIFY=NEVER`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Text<'a>>,
}

/// The object `smtp.data` of `smtp-message`.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct DataFields {
    /// How the mail was sent.
    pub mode: DataMode,
    /// Bytes of the mail: header and body, the dots that DATA adds taken away,
    /// without the line that ends it. Missing bytes are counted as well.
    pub bytes: u64,
    /// Set when bytes of the mail are missing, or its end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// How a mail is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataMode {
    /// DATA, up to a line with a dot.
    #[default]
    Data,
    /// BDAT, in chunks of known size (RFC 3030).
    Bdat,
    /// BURL: the server fetches it elsewhere (RFC 4468).
    Burl,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("C: ")?;
        self.line.fmt(formatter)
    }
}

impl fmt::Display for Reply<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("S: ")?;
        let raw = &self.smtp.reply.lines.0;
        if let Some(line) = raw.strip_suffix(b"\r\n")
            && matches!(line, [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', _, ..])
            && is_plain(line)
        {
            // One line, as most have.
            return Text::from(line).fmt(formatter);
        }
        for (number, (code, text)) in self.smtp.reply.lines.iter().enumerate() {
            if number > 0 {
                formatter.write_str(" | ")?;
            }
            if let Some(code) = code {
                Text::from(code).fmt(formatter)?;
                if !text.is_empty() {
                    formatter.write_str(" ")?;
                }
            }
            Text::from(text).fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Data<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.headline {
            Some(headline) => write!(formatter, "{headline}"),
            None => write!(formatter, "C: DATA fragment, {} bytes", self.smtp.data.bytes),
        }
    }
}

impl fmt::Display for Mail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(data) = &self.smtp.data else {
            formatter.write_str("refused: ")?;
            return self.envelope(formatter);
        };
        if let Some(headline) = &self.headline {
            return write!(formatter, "{headline}");
        }
        self.envelope(formatter)?;
        write!(formatter, ", {}", Size(data.bytes))
    }
}

impl Mail<'_> {
    /// `<from> → <to>`, and how many more.
    fn envelope(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.smtp.mail_from {
            Some(from) => write!(formatter, "<{from}>")?,
            None => formatter.write_str("?")?,
        }
        let Some(first) = self.smtp.rcpt_to.first() else { return Ok(()) };
        write!(formatter, " → <{}>", first.address)?;
        match self.smtp.rcpt_to.len() - 1 {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

impl Describe for Command<'_> {}

impl Describe for Reply<'_> {
    fn common(&self) -> Common {
        Common { duration: self.duration, ..Common::default() }
    }

    fn is_failure(&self) -> bool {
        self.smtp.reply.code >= 400
    }
}

impl Describe for Data<'_> {
    fn place(&self) -> Place {
        Place::Piece
    }
}

impl Describe for Mail<'_> {
    fn place(&self) -> Place {
        Place::Summary
    }

    fn common(&self) -> Common {
        self.common
    }

    fn exchange(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.envelope(formatter)?;
        if let Some(reply) = &self.smtp.reply {
            write!(formatter, "  {}", reply.code)?;
        }
        if let Some(data) = &self.smtp.data {
            if let Some(headline) = &self.headline {
                write!(formatter, "  {headline}")?;
            }
            write!(formatter, "  {}", Size(data.bytes))?;
            match self.email.as_ref().map_or(0, |email| email.attachments.len()) {
                0 => {}
                1 => formatter.write_str(", 1 attachment")?,
                more => write!(formatter, ", {more} attachments")?,
            }
        }
        match self.common.duration {
            Some(duration) => write!(formatter, " in {}", Span(duration)),
            None => Ok(()),
        }
    }
}
