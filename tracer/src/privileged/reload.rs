//! Other settings while it runs: nothing is detached and attached again that
//! stays, and no flow is lost that is still wanted.
//!
//! The order is what makes that so. Each shard of the worker knows a port before
//! the kernel side copies the first packet of it, which is why the worker is
//! asked for a sign of life in between.

use std::mem;

use super::{
    interfaces::Selection,
    load,
    notify::Manager,
    supervise,
    tracing::{Tracing, find},
};
use crate::{
    flow,
    handover::{Chosen, ToWorker},
    settings::{self, Change},
};

/// Where a reload stands.
#[derive(Debug, Default)]
pub(super) struct Reload {
    pending: Option<Pending>,
    /// It was asked for once more meanwhile.
    again: bool,
}

/// What is going to hold once the worker knows.
#[derive(Debug)]
struct Pending {
    change: Change,
    selection: Selection,
    numbers: Vec<(u16, u8)>,
    /// The asking by whose answer all shards know.
    asked: u64,
}

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Settings(#[from] settings::Error),
    #[error(transparent)]
    Interfaces(#[from] supervise::Error),
    #[error("telling the worker: {0}")]
    Worker(#[from] std::io::Error),
}

impl Tracing {
    /// Opens the output's file anew, and reads the settings again.
    pub(super) fn reload(&mut self) {
        if self.reload.pending.is_some() {
            self.reload.again = true;
            return;
        }
        if self.manager.is_some() {
            Manager::reloading();
        }
        self.reopen();
        match self.prepare() {
            Ok(pending) => self.reload.pending = Some(pending),
            Err(error) => {
                log::error!("the settings stay as they are: {error}");
                self.reloaded();
            }
        }
    }

    /// Looks at what is wanted, and tells the worker.
    fn prepare(&mut self) -> Result<Pending, Error> {
        let change = self.running.read_again()?;
        let config = &change.running.config;
        let selection = Selection::new(config.live.interfaces.clone());
        find(&selection, &self.known.values().cloned().collect::<Vec<_>>())?;
        let numbers = flow::renumbered(&self.numbers, config.flows.traced());
        let chosen = ToWorker::Chosen(Chosen::new(config, &numbers));
        self.worker.channel.send(&chosen, &[])?;
        self.asked += 1;
        self.tell(&ToWorker::Ask { number: self.asked });
        Ok(Pending { change, selection, numbers, asked: self.asked })
    }

    /// The worker knows all that it was told before an asking.
    pub(super) fn chosen(&mut self, number: u64) {
        let Some(pending) = self.reload.pending.take_if(|pending| pending.asked <= number) else {
            return;
        };
        let Pending { change, selection, numbers, .. } = pending;
        let Change { running, changed, kept } = change;
        if let Err(error) = self.trace(&numbers) {
            log::error!("choosing the ports: {error}");
        }
        self.numbers = numbers;
        self.running = running;
        if selection != self.selection {
            self.selection = selection;
            let mut links: Vec<_> = self.known.values().cloned().collect();
            links.sort_by_key(|link| link.index);
            for link in &links {
                self.follow(link);
            }
        }
        if changed.is_empty() {
            log::info!("settings read again: nothing has changed that can while running");
        } else {
            log::info!("settings read again: {} changed", changed.join(", "));
        }
        for key in kept {
            log::warn!("{key} takes a restart; it stays as it is until then");
        }
        self.reloaded();
    }

    fn trace(&mut self, numbers: &[(u16, u8)]) -> Result<(), load::Error> {
        self.attachments.object.choose_ports(numbers)
    }

    /// It is over, one way or the other.
    fn reloaded(&mut self) {
        if self.manager.is_some() {
            Manager::ready(&self.attachments.describe());
        }
        if mem::take(&mut self.reload.again) {
            self.reload();
        }
    }
}
