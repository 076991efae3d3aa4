//! The row of a segment.

use std::{borrow::Cow, fmt, num::NonZeroU64};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::{Analysis, DuplicateAck};
use crate::{
    capture::{TcpFlags, TcpOption, TcpOptions, Timestamps},
    event::{Describe, Place},
};

/// The largest shift of a window (RFC 7323 section 2.3).
const MAX_SHIFT: u8 = 14;

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
    /// Number of the packet in the capture file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<NonZeroU64>,
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
    /// Maximum segment size option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<u16>,
    /// Window scale option: the shift count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_scale: Option<u8>,
    /// True when the sender takes selective acknowledgements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sack_permitted: Option<bool>,
    /// Blocks of a selective acknowledgement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sack: Vec<SackBlock>,
    /// Timestamps option, the sender's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsval: Option<u32>,
    /// Timestamps option, echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsecr: Option<u32>,
    /// What the segments before it say of it.
    #[serde(skip_serializing_if = "Analysis::is_empty")]
    pub analysis: Analysis,
    /// Which acknowledgement it repeats, and for which time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_ack: Option<DuplicateAck>,
}

/// One block of `tcp.sack[]`: bytes that came behind missing ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SackBlock {
    /// Relative sequence number of its first byte.
    pub left: u32,
    /// Relative sequence number behind its last byte.
    pub right: u32,
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
        tcp.analysis.write(formatter, tcp.duplicate_ack)?;
        write!(formatter, "{source_port} → {destination_port} [")?;
        for (number, name) in names(tcp.flags).enumerate() {
            write!(formatter, "{}{name}", if number > 0 { ", " } else { "" })?;
        }
        if names(tcp.flags).next().is_none() {
            formatter.write_str("<None>")?;
        }
        write!(formatter, "] Seq={}", tcp.seq)?;
        if let Some(ack) = tcp.ack {
            write!(formatter, " Ack={ack}")?;
        }
        write!(formatter, " Win={} Len={}", tcp.window, tcp.len)?;
        for option in options.iter() {
            match option {
                TcpOption::MaximumSegmentSize(size) => write!(formatter, " MSS={size}")?,
                TcpOption::WindowScale(shift) => {
                    write!(formatter, " WS={}", 1_u32 << shift.min(MAX_SHIFT))?;
                }
                TcpOption::SackPermitted => formatter.write_str(" SACK_PERM")?,
                TcpOption::Sack(_) => {
                    for SackBlock { left, right } in &tcp.sack {
                        write!(formatter, " SLE={left} SRE={right}")?;
                    }
                }
                TcpOption::Timestamps(Timestamps { value, echo }) => {
                    write!(formatter, " TSval={value} TSecr={echo}")?;
                }
            }
        }
        Ok(())
    }
}

impl Describe for Row {
    fn place(&self) -> Place {
        Place::Row
    }
}
