//! What is told to who asks for metrics: the counters of all parts, at once.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt as _, process, sync::Arc};

use nix::unistd::{SysconfVar, sysconf};

use super::{clock::SECOND, ledger::Ledger, outlet::Outlet};
use crate::{
    capture::Fill,
    config::Config,
    event::Timestamp,
    metrics::{self, Board, Listener, Memory, Ring, Snapshot},
};

/// Bytes of `/proc/self/statm`, and more.
const STATM: usize = 256;

/// Who knows all counters.
pub(super) struct Teller {
    pub(super) board: Arc<Board>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) outlet: Outlet,
    /// One for each shard.
    pub(super) fills: Vec<Fill>,
    pub(super) begin: Timestamp,
    pub(super) resident: Option<Resident>,
}

impl Teller {
    /// Starts the thread that answers.
    ///
    /// # Errors
    ///
    /// When it is not to be had.
    pub(super) fn start(self, listener: Listener, config: &Config) -> io::Result<()> {
        let limits = Limits { flows: config.flows.total_limit, queue: config.queue };
        metrics::serve(listener, move || self.snapshot(&limits))
    }

    fn snapshot(&self, limits: &Limits) -> Snapshot {
        let actions = self.board.actions();
        let stats = self.ledger.stats(actions.values().sum()).without(self.outlet.dropped());
        let rings: Vec<_> = self.fills.iter().map(ring).collect();
        let of_rings = rings.iter().map(|ring| ring.size).sum();
        let memory = [
            ("flows", Memory { held: stats.flows.memory, limit: limits.flows as u64 }),
            ("output", Memory { held: self.outlet.waiting() as u64, limit: limits.queue as u64 }),
            ("rings", Memory { held: of_rings, limit: of_rings }),
        ];
        let memory = memory.map(|(kind, memory)| (kind.to_owned(), memory));
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            worker: process::id(),
            began: self.begin.0 / SECOND,
            stats,
            captured: self.ledger.bytes(),
            rings,
            memory: BTreeMap::from(memory),
            resident: self.resident.as_ref().and_then(Resident::bytes),
            actions,
            anomalies: self.board.anomalies(),
            services: self.board.services(),
        }
    }
}

/// Bytes that may be held.
struct Limits {
    flows: usize,
    queue: usize,
}

fn ring(fill: &Fill) -> Ring {
    Ring { size: fill.size() as u64, waiting: fill.waiting() as u64 }
}

/// What the kernel says of this process's memory.
pub(super) struct Resident {
    file: File,
    page: u64,
}

impl Resident {
    /// Opens it, which is not possible any more when the process is confined.
    pub(super) fn open() -> Option<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten()?.try_into().ok()?;
        let file = File::open("/proc/self/statm");
        let file = file.inspect_err(|error| log::debug!("/proc/self/statm: {error}")).ok()?;
        Some(Self { file, page })
    }

    fn bytes(&self) -> Option<u64> {
        let mut text = [0; STATM];
        let read = self.file.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..read)?).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_memory() {
        let bytes = Resident::open().unwrap().bytes().unwrap();
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
    }
}
