//! What happened, as plain data: the contract of the output.
//!
//! Decoders and the flow table push [`Event`]s into a [`Sink`]. Each kind of
//! message has a type in this module's folder that says the same thing twice:
//! as the nested fields of one JSON object (`Serialize`, names as in
//! docs/EVENTS.md) and as the info column of a text row (`Display`). A
//! protocol's messages stand in the file that bears its name.
//!
//! Secrets never get here: whoever makes an event has redacted them.

mod community;
pub mod email;
pub mod http;
pub mod imap;
mod label;
mod measure;
pub mod pop3;
mod process;
pub mod smtp;
pub mod tcp;
mod text;
pub mod tracer;

use std::{fmt, net::IpAddr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

pub use community::CommunityId;
pub use label::{Hue, Label};
pub use measure::{Size, Span};
pub use process::{Certainty, Process, Processes};
pub use text::{Escaped, REDACTED, Text, is_control, is_plain};
pub(crate) use text::{LOWER_CASE, NotUtf8};

use crate::capture::{Direction, Vlan};

/// Nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Nanoseconds from `earlier` to `self`; 0 when the order is the other.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
}

/// One of the two ends of a connection, and so one of its two streams: the
/// one that this end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Sent the SYN.
    Client,
    /// Answered it.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// What all events of a flow have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Who opened it.
    pub client: Endpoint,
    /// Who was called.
    pub server: Endpoint,
    /// VLAN tags of its frames.
    pub vlan: Vlan,
    /// What its protocol is called; `None` as long as that is not known.
    pub protocol: Option<&'static Label>,
    /// Name of the interface that owns the client's direction of the flow; empty
    /// where a file names none.
    pub interface: Arc<str>,
    /// How the client's packets cross that interface.
    pub direction: Direction,
    /// Whether that interface is the loopback: both ends are this host.
    pub loopback: bool,
    /// Its Community ID, once somebody has asked for it.
    pub community_id: CommunityId,
    /// Who has its ends; `None` where nobody asks.
    pub processes: Option<Arc<Processes>>,
}

impl Connection {
    /// The end that is `side`.
    pub const fn end(&self, side: Side) -> &Endpoint {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The Community ID (version 1, seed 0).
    pub fn community_id(&self) -> &str {
        self.community_id.of(&self.client, &self.server)
    }
}

/// Something that happened on a connection, or in the tracer itself.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// When: the time of the packet that completed it.
    pub time: Timestamp,
    /// The connection; `None` for what the tracer says of itself.
    pub connection: Option<&'a Connection>,
    /// Whose bytes say it; `None` where no side speaks.
    pub side: Option<Side>,
    /// What.
    pub message: Message<'a>,
}

/// Makes the schema of a message's fields.
pub type MessageSchema = fn(&mut SchemaGenerator) -> Schema;

/// Lists all messages in one place: makes the enum, and what follows from the
/// list alone. A new message is one line of it.
macro_rules! messages {
    (
        $(#[$documentation:meta])*
        pub enum $name:ident<'a> {
            $($action:literal => $variant:ident($message:ty),)+
        }
    ) => {
        $(#[$documentation])*
        #[derive(Clone, Debug, Serialize)]
        #[serde(untagged)]
        pub enum $name<'a> {
            $(#[doc = concat!("`", $action, "`")] $variant($message),)+
        }

        impl<'a> $name<'a> {
            /// The value of `event.action`.
            pub const fn action(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $action,)+
                }
            }

            /// All values of `event.action`.
            pub const ACTIONS: [&'static str; [$($action),+].len()] = [$($action),+];

            /// The place of its action among [`Self::ACTIONS`].
            pub const fn number(&self) -> usize {
                #[derive(Clone, Copy)]
                enum Number { $($variant,)+ }
                match self {
                    $(Self::$variant(_) => Number::$variant as usize,)+
                }
            }

            /// The message behind the variant.
            pub fn describe(&self) -> &dyn Describe {
                match self {
                    $(Self::$variant(message) => message,)+
                }
            }

            /// All actions, each with what makes the schema of the fields that
            /// its message has beside those of every event.
            pub fn schemas() -> Vec<(&'static str, MessageSchema)> {
                vec![$(($action, <$message>::json_schema),)+]
            }
        }
    };
}

messages! {
    /// What an event says. In JSON the fields of the message stand beside the
    /// common ones; `Display` of what [`Message::describe`] returns gives the
    /// info column.
    pub enum Message<'a> {
        "http-request" => HttpRequest(http::Request<'a>),
        "http-response" => HttpResponse(http::Response<'a>),
        "http-body" => HttpBody(http::BodyShown<'a>),
        "http-exchange" => HttpExchange(http::Exchange<'a>),
        "smtp-command" => SmtpCommand(smtp::Command<'a>),
        "smtp-reply" => SmtpReply(smtp::Reply<'a>),
        "smtp-data" => SmtpData(smtp::Data<'a>),
        "smtp-message" => SmtpMessage(smtp::Mail<'a>),
        "imap-command" => ImapCommand(imap::Command<'a>),
        "imap-response" => ImapResponse(imap::Response<'a>),
        "imap-exchange" => ImapExchange(imap::Exchange<'a>),
        "pop3-command" => Pop3Command(pop3::Command<'a>),
        "pop3-response" => Pop3Response(pop3::Response<'a>),
        "pop3-exchange" => Pop3Exchange(pop3::Exchange<'a>),
        "tcp-open" => TcpOpen(tcp::Open),
        "tcp-close" => TcpClose(tcp::Close),
        "tcp-segment" => TcpSegment(tcp::Row),
        "gap" => Gap(tracer::Gap),
        "anomaly" => Anomaly(tracer::Anomaly<'a>),
        "upgrade" => Upgrade(tracer::Upgrade),
        "undecoded" => Undecoded(tracer::Undecoded),
        "overload" => Overload(tracer::Overload),
        "output-lost" => OutputLost(tracer::OutputLost),
        "stats" => Stats(tracer::Stats),
    }
}

/// What every message can be asked, whatever it says.
pub trait Describe: fmt::Display {
    /// Parts of objects that the envelope writes: `event` and the ends.
    fn common(&self) -> Common {
        Common::default()
    }

    /// Where the message belongs in the views.
    fn place(&self) -> Place {
        Place::Message
    }

    /// Whether it tells of something that went wrong: a refusal, an error, a
    /// loss. A terminal shows it in the colour of that.
    fn is_failure(&self) -> bool {
        self.common().outcome == Some(Outcome::Failure)
    }

    /// Writes the info column of its line in the view of exchanges, which says
    /// how long it took and how much was sent ([`Span`], [`Size`]). For those
    /// of [`Place::Summary`], whose line among messages is another.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn exchange(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A message as the view of exchanges words it.
pub struct Exchange<'a>(pub &'a dyn Describe);

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.exchange(formatter)
    }
}

/// Where a message belongs in the views of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Said by a side: a line of its own among messages; among segments it
    /// stands in the row of the segment that completed it.
    Message,
    /// A piece of what a side says: only in the row of its segment.
    Piece,
    /// Sums up messages that were told of and says what none of them did: among
    /// messages, and the line of its exchange.
    Summary,
    /// Request and answer in one: only among exchanges.
    Exchange,
    /// Noticed by the tracer: a line of its own in every view.
    Note,
    /// The row of a segment: only among segments.
    Row,
    /// For machines: only in JSON, among messages.
    Record,
    /// For machines: only in JSON, in every view.
    Stats,
}

/// What a message adds to the objects that every event has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// `event.duration`, nanoseconds.
    pub duration: Option<u64>,
    /// `event.outcome`.
    pub outcome: Option<Outcome>,
    /// `client.bytes`.
    pub client_bytes: Option<u64>,
    /// `server.bytes`.
    pub server_bytes: Option<u64>,
}

/// The value of `event.outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The server accepted it.
    Success,
    /// The server refused it, or it never came to an end.
    Failure,
    /// Nobody saw how it ended.
    Unknown,
}

/// Takes events as they happen.
///
/// Events are borrowed: what a sink wants to keep, it writes down before it
/// returns. A sink that cannot write (a closed pipe) remembers that and says
/// so when asked; it never stops the flow of events by a panic or an error.
pub trait Sink {
    /// Takes one event.
    fn event(&mut self, event: &Event<'_>);
}
