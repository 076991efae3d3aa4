//! What a run has counted at a moment, as the daemon tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stats::Stats;

/// Everything that is told of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Of the program.
    pub(crate) version: String,
    /// Number of the process that reads packets.
    pub(crate) worker: u32,
    /// When tracing began, in seconds of Unix time.
    pub(crate) began: u64,
    /// The counters of the whole way.
    pub(crate) stats: Stats,
    /// Bytes of packets that the rings have brought.
    pub(crate) captured: u64,
    /// One for each shard.
    pub(crate) rings: Vec<Ring>,
    /// Bytes held, by kind.
    pub(crate) memory: BTreeMap<String, Memory>,
    /// Bytes of the worker that are in memory, where that is known.
    pub(crate) resident: Option<u64>,
    /// Events by action, those that were not written with them.
    pub(crate) actions: BTreeMap<String, u64>,
    /// Anomalies by code.
    pub(crate) anomalies: BTreeMap<String, u64>,
    /// Protocols on ports.
    pub(crate) services: Vec<Service>,
}

/// A ring between kernel and worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ring {
    /// Bytes that it takes.
    pub(crate) size: u64,
    /// Bytes that wait to be read.
    pub(crate) waiting: u64,
}

/// Memory of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Bytes that are held.
    pub(crate) held: u64,
    /// Bytes that may be.
    pub(crate) limit: u64,
}

/// What was said by a protocol on a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// Name of the protocol.
    pub(crate) protocol: String,
    /// Port of the server; `None` for all that have no figures of their own.
    pub(crate) port: Option<u16>,
    /// Requests, or commands.
    pub(crate) requests: u64,
    /// Answers, by the class of their status.
    pub(crate) classes: BTreeMap<String, u64>,
    /// Answers by how long they took: up to each bound, and longer.
    pub(crate) latencies: Vec<u64>,
    /// Nanoseconds that they took together.
    pub(crate) waited: u64,
}

impl Service {
    /// Whether nothing was said.
    pub(super) fn is_silent(&self) -> bool {
        self.requests == 0 && self.classes.values().all(|count| *count == 0)
    }

    /// The port as a label has it.
    pub(super) fn port(&self) -> String {
        self.port.map_or_else(|| "other".to_owned(), |port| port.to_string())
    }
}
