//! Messages about a connection's TCP.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::{Common, Describe, Place};
use crate::capture::{TcpFlags, TcpOptions};

/// `tcp-open`: the first segment of a connection was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Open {
    /// The object `tcp`.
    pub tcp: OpenFields,
}

/// The object `tcp` of `tcp-open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OpenFields {
    /// `syn` when its handshake was seen, `midstream` when it was there before.
    pub state: &'static str,
}

/// `tcp-close`: a connection ended, or the tracer let go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Close {
    /// The object `tcp`.
    pub tcp: CloseFields,
    /// What goes into `event.duration`, `client.bytes`, `server.bytes`.
    #[serde(skip)]
    pub common: Common,
}

/// The object `tcp` of `tcp-close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CloseFields {
    /// How it ended: `closed` (FIN of both sides), `reset`, `idle`, `reused`
    /// (a new connection took its ports), `evicted` (a limit), `end` (the
    /// tracer stopped first).
    pub state: &'static str,
    /// Segments that carried only bytes seen before.
    pub retransmissions: u64,
    /// Segments that came before an earlier one.
    pub out_of_order: u64,
    /// Gaps told of.
    pub gaps: u64,
    /// Bytes in them.
    pub lost_bytes: u64,
    /// Body bytes that nobody asked for and that were counted, not copied.
    pub skipped_bytes: u64,
}

/// `tcp-segment`: one row of the segments view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// The object `tcp`.
    pub tcp: RowFields,
    /// Port of the sender.
    #[serde(skip)]
    pub source_port: u16,
    /// Port of the receiver.
    #[serde(skip)]
    pub destination_port: u16,
    /// The options, for the text row.
    #[serde(skip)]
    pub options: TcpOptions,
}

/// The object `tcp` of `tcp-segment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RowFields {
    /// Flags by name, in the order of a protocol analyser: `SYN`, `ACK`, …
    pub flags: TcpFlags,
    /// Sequence number relative to the first one seen of its direction.
    pub seq: u32,
    /// Acknowledgement number, relative; absent without the flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<u32>,
    /// Window in bytes where the handshake was seen, else as in the header.
    pub window: u32,
    /// Payload bytes.
    pub len: u32,
    /// Timestamps option, the sender's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsval: Option<u32>,
    /// Timestamps option, echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsecr: Option<u32>,
}

/// Flag bits and their names in the order in which rows list them.
const FLAG_NAMES: [(TcpFlags, &str); 9] = [
    (TcpFlags::FIN, "FIN"),
    (TcpFlags::SYN, "SYN"),
    (TcpFlags::RST, "RST"),
    (TcpFlags::PSH, "PSH"),
    (TcpFlags::ACK, "ACK"),
    (TcpFlags::URG, "URG"),
    (TcpFlags::ECE, "ECE"),
    (TcpFlags::CWR, "CWR"),
    (TcpFlags::AE, "AE"),
];

fn names(flags: TcpFlags) -> impl Iterator<Item = &'static str> {
    FLAG_NAMES.iter().filter(move |(flag, _)| flags.has(*flag)).map(|(_, name)| *name)
}

impl Serialize for TcpFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(names(*self))
    }
}

impl JsonSchema for TcpFlags {
    fn schema_name() -> Cow<'static, str> {
        "TcpFlags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = FLAG_NAMES.map(|(_, name)| name);
        json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tcp, source_port, destination_port, options } = self;
        write!(formatter, "{source_port} → {destination_port} [")?;
        for (number, name) in names(tcp.flags).enumerate() {
            write!(formatter, "{}{name}", if number > 0 { ", " } else { "" })?;
        }
        write!(formatter, "] Seq={}", tcp.seq)?;
        if let Some(ack) = tcp.ack {
            write!(formatter, " Ack={ack}")?;
        }
        write!(formatter, " Win={} Len={}", tcp.window, tcp.len)?;
        if let Some(mss) = options.mss {
            write!(formatter, " MSS={mss}")?;
        }
        if options.sack_permitted {
            formatter.write_str(" SACK_PERM")?;
        }
        if let Some(timestamps) = options.timestamps {
            write!(formatter, " TSval={} TSecr={}", timestamps.value, timestamps.echo)?;
        }
        if let Some(shift) = options.window_scale {
            write!(formatter, " WS={}", 1_u32 << shift.min(14))?;
        }
        Ok(())
    }
}

impl fmt::Display for Open {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection opened ({})", self.tcp.state)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection ended ({})", self.tcp.state)
    }
}

impl Describe for Open {
    fn place(&self) -> Place {
        Place::Record
    }
}

impl Describe for Close {
    fn common(&self) -> Common {
        self.common
    }

    fn place(&self) -> Place {
        Place::Record
    }
}

impl Describe for Row {
    fn place(&self) -> Place {
        Place::Row
    }
}
