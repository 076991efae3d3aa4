//! What all shards count together.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    capture::{Counters, live::LiveSource},
    event::Timestamp,
    output::Output,
    pipeline::Pipeline,
    stats::{FlowCounters, Outcomes, Stats},
};

/// The kernel's counters, and those of each shard after its last batch.
pub(super) struct Ledger {
    counters: Arc<Counters>,
    accounts: Box<[Mutex<Account>]>,
}

/// What a shard counts.
#[derive(Clone, Copy, Default)]
struct Account {
    flows: FlowCounters,
    malformed: u64,
    bytes: u64,
    /// The time of its last segment or tick.
    time: Timestamp,
}

impl Ledger {
    /// For so many shards.
    pub(super) fn new(counters: Arc<Counters>, shards: usize) -> Self {
        Self { counters, accounts: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Notes what a shard counts by now.
    pub(super) fn note<O: Output>(&self, shard: usize, pipeline: &Pipeline<LiveSource, O>) {
        let account = Account {
            flows: pipeline.flows(),
            malformed: pipeline.source().malformed(),
            bytes: pipeline.source().bytes(),
            time: pipeline.now(),
        };
        if let Some(noted) = self.accounts.get(shard) {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = account;
        }
    }

    fn accounts(&self) -> impl Iterator<Item = Account> {
        self.accounts.iter().map(|account| *account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The counters of the whole way, after so many events.
    pub(super) fn stats(&self, events: u64) -> Stats {
        let mut flows = FlowCounters::default();
        let mut malformed = 0;
        for account in self.accounts() {
            flows = flows.and(account.flows);
            malformed += account.malformed;
        }
        let outcomes = self.counters.outcomes(malformed).unwrap_or_else(|error| {
            log::error!("{error}");
            Outcomes::default()
        });
        Stats::new(outcomes, flows, events)
    }

    /// Bytes of packets that the rings have brought.
    pub(super) fn bytes(&self) -> u64 {
        self.accounts().map(|account| account.bytes).sum()
    }

    /// The latest time that a shard has come to.
    pub(super) fn latest(&self) -> Timestamp {
        self.accounts().map(|account| account.time).max().unwrap_or_default()
    }
}
