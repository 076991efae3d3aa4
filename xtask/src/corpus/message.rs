//! A message as both sides can say it.

use std::fmt;

/// What kind of message; each is compared with its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Head of an HTTP request.
    HttpRequest,
    /// Head of an HTTP response.
    HttpResponse,
    /// A line of an SMTP client.
    SmtpCommand,
    /// An SMTP reply, all its lines.
    SmtpReply,
    /// A mail handed over by SMTP, its header.
    Mail,
    /// A line of an IMAP client.
    ImapCommand,
    /// A response of an IMAP server.
    ImapResponse,
}

impl Kind {
    /// All, in the order of the report.
    pub(super) const ALL: [Self; 7] = [
        Self::HttpRequest,
        Self::HttpResponse,
        Self::SmtpCommand,
        Self::SmtpReply,
        Self::Mail,
        Self::ImapCommand,
        Self::ImapResponse,
    ];

    /// The name of tracer's event.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::HttpRequest => "http-request",
            Self::HttpResponse => "http-response",
            Self::SmtpCommand => "smtp-command",
            Self::SmtpReply => "smtp-reply",
            Self::Mail => "smtp-message",
            Self::ImapCommand => "imap-command",
            Self::ImapResponse => "imap-response",
        }
    }

    /// The protocol that it counts for.
    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Self::HttpRequest | Self::HttpResponse => "http",
            Self::SmtpCommand | Self::SmtpReply | Self::Mail => "smtp",
            Self::ImapCommand | Self::ImapResponse => "imap",
        }
    }

    /// Whether servers send it.
    pub(super) const fn is_from_server(self) -> bool {
        matches!(self, Self::HttpResponse | Self::SmtpReply | Self::ImapResponse)
    }

    /// The kind of that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One key field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// It reads so; empty where the message lacks it.
    Is(String),
    /// The reference does not tell, or tells it in a form of its own.
    Unknown,
}

impl Value {
    /// Whether both may be the same.
    fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Is(one), Self::Is(other)) => one == other,
            _ => true,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => {
                let short: String = text.chars().take(90).collect();
                let more = if short.len() < text.len() { "…" } else { "" };
                write!(formatter, "{short:?}{more}")
            }
            Self::Unknown => formatter.write_str("?"),
        }
    }
}

/// A message's key fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Where it was found: `12.1` is the second message of frame 12 for the
    /// reference; for tracer it is the packet's time.
    pub(super) place: String,
    /// The reference's number of the stream; empty for tracer's messages.
    pub(super) stream: String,
    /// The same fields in the same order for all messages of a kind.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// Whether bytes of its direction are missing before or behind it, or
    /// nothing came behind it.
    pub(super) cut: bool,
}

impl Message {
    /// A field that is known; else empty.
    pub(super) fn field(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        match field {
            Some((_, Value::Is(text))) => text,
            _ => "",
        }
    }

    /// Whether all key fields agree.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len()
            && self.fields.iter().zip(&other.fields).all(|((_, one), (_, other))| one.agrees(other))
    }

    /// The fields that do not agree: name, this one's, the other's.
    pub(super) fn differing<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'static str, &'a Value, &'a Value)> {
        self.fields
            .iter()
            .zip(&other.fields)
            .filter(|((_, one), (_, other))| !one.agrees(other))
            .map(|((name, one), (_, other))| (*name, one, other))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.fields.iter().enumerate() {
            if *value == Value::Is(String::new()) {
                continue;
            }
            let separator = if index == 0 { "" } else { " " };
            write!(formatter, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

/// Who sends the bytes that say a message, and to whom: `ip port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Direction {
    /// Sender.
    pub(super) source: String,
    /// Receiver.
    pub(super) destination: String,
}

impl Direction {
    /// The server's port, as the sender or receiver of such a message.
    pub(super) fn server_port(&self, kind: Kind) -> Option<u16> {
        port(if kind.is_from_server() { &self.source } else { &self.destination })
    }

    /// The client's port.
    pub(super) fn client_port(&self, kind: Kind) -> Option<u16> {
        port(if kind.is_from_server() { &self.destination } else { &self.source })
    }
}

fn port(end: &str) -> Option<u16> {
    end.rsplit_once(' ')?.1.parse().ok()
}

/// All messages of one kind in one direction, in order.
pub(super) type Lists = std::collections::BTreeMap<(Kind, Direction), Vec<Message>>;
