//! The tallies of all shards, added up.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    names::Names,
    snapshot::Service,
    tally::{CLASSES, CODES, Counter, Counting, LATENCIES, Tally},
};
use crate::{decode::PROTOCOLS, event::Message, flow, output::View};

/// Ports with figures of their own: as many as an operator traces, and few
/// enough to be looked through for each event.
const PORTS: usize = 32;

/// Stands for the anomalies whose code came when there was no room for more.
const OTHER: &str = "other";

/// What all shards count.
#[derive(Debug)]
pub(crate) struct Board {
    tallies: Vec<Arc<Tally>>,
    ports: Arc<[u16]>,
    codes: Arc<Names<&'static str>>,
    /// Protocols on ports, each by its place among [`PROTOCOLS`], that are shown
    /// before anything was said on them.
    awaited: Vec<(usize, u16)>,
    view: View,
}

impl Board {
    /// Before anything was counted, for so many shards.
    pub(crate) fn new(shards: usize, flows: &flow::Settings, view: View) -> Self {
        let ports: Arc<[u16]> = flows.traced().take(PORTS).collect();
        let awaited = flows.ports.iter().filter_map(|(port, protocol)| {
            let place = PROTOCOLS.iter().position(|of| of.label.name == protocol.label.name)?;
            Some((place, *port))
        });
        Self {
            tallies: (0..shards).map(|_| Arc::new(Tally::new(ports.len()))).collect(),
            awaited: awaited.collect(),
            codes: Names::new(CODES),
            ports,
            view,
        }
    }

    /// Counts for a shard.
    pub(crate) fn counting(&self, shard: usize) -> Option<Counting> {
        let tally = Arc::clone(self.tallies.get(shard)?);
        Some(Counting::new(tally, Arc::clone(&self.ports), &self.codes, self.view))
    }

    fn sum(&self, counter: impl Fn(&Tally) -> Option<&Counter>) -> u64 {
        self.tallies.iter().filter_map(|tally| counter(tally)).map(Counter::get).sum()
    }

    /// Events by action, those that there were.
    pub(crate) fn actions(&self) -> BTreeMap<String, u64> {
        let counts = Message::ACTIONS.iter().enumerate().map(|(number, action)| {
            ((*action).to_owned(), self.sum(|tally| tally.actions.get(number)))
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Anomalies by code.
    pub(crate) fn anomalies(&self) -> BTreeMap<String, u64> {
        let codes = self.codes.all().into_iter().enumerate().chain([(CODES, OTHER)]);
        let counts = codes
            .map(|(place, code)| (code.to_owned(), self.sum(|tally| tally.anomalies.get(place))));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// What was said on each port that something is awaited on, or came.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut services = Vec::new();
        for (of_protocol, protocol) in PROTOCOLS.iter().enumerate() {
            let ports = self.ports.iter().copied().map(Some).chain([None]);
            for (at, port) in ports.enumerate() {
                let place = of_protocol * (self.ports.len() + 1) + at;
                let service = self.service(place, protocol.label.name, port);
                let is_awaited =
                    port.is_some_and(|port| self.awaited.contains(&(of_protocol, port)));
                if is_awaited || !service.is_silent() {
                    services.push(service);
                }
            }
        }
        services
    }

    fn service(&self, place: usize, protocol: &str, port: Option<u16>) -> Service {
        let classes = CLASSES.iter().enumerate().map(|(class, name)| {
            let of =
                |tally: &Tally| tally.services.get(place)?.classes.get(class).map(Counter::get);
            ((*name).to_owned(), self.tallies.iter().filter_map(|tally| of(tally)).sum())
        });
        let latencies = (0..=LATENCIES.len())
            .map(|bucket| self.sum(|tally| tally.services.get(place)?.latencies.get(bucket)));
        Service {
            protocol: protocol.to_owned(),
            port,
            requests: self.sum(|tally| Some(&tally.services.get(place)?.requests)),
            classes: classes.filter(|(_, count): &(_, u64)| *count > 0).collect(),
            latencies: latencies.collect(),
            waited: self.sum(|tally| Some(&tally.services.get(place)?.waited)),
        }
    }
}

#[cfg(test)]
mod tests;
