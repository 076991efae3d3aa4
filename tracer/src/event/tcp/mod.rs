//! Messages about a connection's TCP.

mod analysis;
mod row;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

pub use analysis::{Analysis, DuplicateAck, Word};
pub use row::{Row, RowFields, SackBlock};

use super::{Common, Describe, Place};

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
    /// (a new connection took its ports), `evicted` (a limit), `shed` (the
    /// tracer could not keep up and gave it up), `deselected` (its port is
    /// not traced any more since a reload), `end` (the tracer stopped first).
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
