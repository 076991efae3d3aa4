//! What a mail's header says (RFC 5322).

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::Text;

/// The object `email`: the mail's header, decoded.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Email<'a> {
    /// Authors.
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    pub from: Addresses<'a>,
    /// Who sent it, if not the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender<'a>>,
    /// Recipients.
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    pub to: Addresses<'a>,
    /// Recipients of a copy.
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    pub cc: Addresses<'a>,
    /// Recipients whom the header should not have named.
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    pub bcc: Addresses<'a>,
    /// Where answers should go.
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    pub reply_to: Addresses<'a>,
    /// Subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text<'a>>,
    /// Message-ID without its angle brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Text<'a>>,
    /// The Date field, RFC 3339, in its own time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origination_timestamp: Option<String>,
    /// Media type, without parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Text<'a>>,
    /// The X-Mailer field, else User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_mailer: Option<Text<'a>>,
    /// Parts of the mail that have a file's name or are meant to be saved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment<'a>>,
}

impl Email<'_> {
    /// Whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        let Self {
            from,
            sender,
            to,
            cc,
            bcc,
            reply_to,
            subject,
            message_id,
            origination_timestamp,
            content_type,
            x_mailer,
            attachments,
        } = self;
        from.is_empty()
            && sender.is_none()
            && to.is_empty()
            && cc.is_empty()
            && bcc.is_empty()
            && reply_to.is_empty()
            && subject.is_none()
            && message_id.is_none()
            && origination_timestamp.is_none()
            && content_type.is_none()
            && x_mailer.is_none()
            && attachments.is_empty()
    }
}

/// An element of `email.attachments`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Attachment<'a> {
    /// The object `file`.
    pub file: File<'a>,
}

/// The object `file` of an attachment.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct File<'a> {
    /// Name that the sender gave it, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// What stands behind the last dot of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<Text<'a>>,
    /// Media type, without parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Text<'a>>,
    /// Bytes of its content, Base64 and quoted-printable undone; absent where
    /// bytes of it are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// An object with a list `address`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Addresses<'a> {
    /// Addresses without the names.
    pub address: Vec<Text<'a>>,
}

impl Addresses<'_> {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.address.is_empty()
    }
}

/// The object `email.sender`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Sender<'a> {
    /// Address without the name.
    pub address: Text<'a>,
}

/// A mail in a line: `subject: …, from: …, (type)`. What the header does not
/// have is left out.
#[derive(Clone, Debug, Default)]
pub struct Headline<'a> {
    /// Subject, decoded.
    pub subject: Option<Text<'a>>,
    /// The From field, decoded.
    pub from: Option<Text<'a>>,
    /// Media type.
    pub content_type: Option<Text<'a>>,
}

impl fmt::Display for Headline<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(subject) = &self.subject {
            write!(formatter, "subject: {subject}")?;
            separator = ", ";
        }
        if let Some(from) = &self.from {
            write!(formatter, "{separator}from: {from}")?;
            separator = ", ";
        }
        match &self.content_type {
            Some(content_type) => write!(formatter, "{separator}({content_type})"),
            None if separator.is_empty() => formatter.write_str("mail without subject or author"),
            None => Ok(()),
        }
    }
}
