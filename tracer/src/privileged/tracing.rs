//! What is traced: the loaded programs, the interfaces that they sit on, and
//! what becomes of those.

use std::{collections::HashMap, io, os::fd::AsFd as _, time::Instant};

use super::{
    Worker,
    attach::{self, Attachments},
    capabilities, clsact,
    interfaces::{Selection, described},
    load::{self, Object},
    netlink::{Change, Link, Requests},
    notify::Manager,
    reload::Reload,
    supervise::{Error, obituary, system},
    tcx,
};
use crate::{
    cli::Hook,
    handover::{Figures, FromWorker, ToWorker},
    output,
    settings::Running,
};

/// Everything that is held while tracing.
pub(super) struct Tracing {
    pub(super) worker: Worker,
    pub(super) attachments: Attachments,
    /// Who wants to be told how things go.
    pub(super) manager: Option<Manager>,
    /// How often the worker was asked for a sign of life, and the number of the
    /// latest asking that it has answered.
    pub(super) asked: u64,
    answered: u64,
    /// What this is.
    pub(super) running: Running,
    /// The traced ports with their numbers.
    pub(super) numbers: Vec<(u16, u8)>,
    /// What it is going to be.
    pub(super) reload: Reload,
    pub(super) selection: Selection,
    pub(super) known: HashMap<u32, Link>,
}

impl Tracing {
    /// Loads, and hands over; nothing is attached yet.
    pub(super) fn start(running: Running, worker: Worker) -> Result<Self, Error> {
        let config = &running.config;
        let missing = capabilities::Set::effective().map(capabilities::Set::missing);
        if let Some(missing) = missing.ok().filter(|missing| !missing.is_empty()) {
            return Err(Error::Capabilities(missing));
        }
        let mut requests = Requests::open().map_err(system("opening a netlink socket"))?;
        let links = requests.links().map_err(system("listing interfaces"))?;
        let selection = Selection::new(config.live.interfaces.clone());
        find(&selection, &links)?;
        let tcx = match links.first() {
            Some(link) if config.live.hook != Hook::Clsact => tcx::is_supported(link.index)
                .map_err(|error| load::refused_call("asking for TCX", error))?,
            _ => false,
        };
        if let Err(error) = clsact::remove_leftovers(&mut requests) {
            log::warn!("looking for filters of a killed tracer: {error}");
        }
        let object = Object::load(config, !tcx, config.live.hook == Hook::Xdp)?;
        match &object.way {
            Some(Ok(way)) => log::debug!("processes are found out {way}"),
            Some(Err(error)) => log::warn!("--process: events name no process: {error}"),
            None => {}
        }
        let attachments =
            Attachments::new(object, requests, (config.live.hook, config.directions), tcx)
                .map_err(system("taking a name for filters"))?;
        let known = links.into_iter().map(|link| (link.index, link)).collect();
        let tracing = Self {
            worker,
            attachments,
            manager: Manager::new(),
            asked: 0,
            answered: 0,
            numbers: config.flows.numbered().collect(),
            running,
            reload: Reload::default(),
            selection,
            known,
        };
        tracing.hand_over()?;
        Ok(tracing)
    }

    fn hand_over(&self) -> Result<(), Error> {
        let object = &self.attachments.object;
        let (maps, descriptors) = object.handed_over();
        let send = |message: &ToWorker, descriptors: &[_]| {
            let sent = self.worker.channel.send(message, descriptors);
            sent.map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Error::WorkerDied(obituary(&self.worker)),
                _ => system("handing the rings over")(error),
            })
        };
        send(&ToWorker::Hello { maps, seed: object.seed() }, &descriptors)?;
        for link in self.known.values().filter(|link| self.selection.takes(link)) {
            send(&ToWorker::Interface(described(link, &self.known)), &[])?;
        }
        send(&ToWorker::Start, &[])?;
        match self.worker.channel.receive() {
            Ok(Some(FromWorker::Ready)) => {}
            _ => return Err(Error::WorkerDied(obituary(&self.worker))),
        }
        self.worker.channel.set_nonblocking().map_err(system("preparing the event loop"))
    }

    /// Attaches to everything that was chosen.
    pub(super) fn attach_all(&mut self) -> Result<(), Error> {
        let mut chosen: Vec<_> =
            self.known.values().filter(|link| self.selection.takes(link)).cloned().collect();
        chosen.sort_by_key(|link| link.index);
        let mut last = None;
        for link in chosen {
            let carries_vlans = carries_vlans(&self.known, link.index);
            match self.attachments.attach(&link, carries_vlans) {
                Ok(()) => self.attachments.warn(&link),
                Err(error) => {
                    log::warn!("{} is not traced: {error}", link.name);
                    last = Some((link.name, error));
                }
            }
        }
        match last {
            Some((name, source)) if self.attachments.indices().is_empty() => {
                Err(Error::NothingAttached { name, source: Box::new(source) })
            }
            _ => Ok(()),
        }
    }

    /// Follows a change of an interface.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Gone(index) => {
                self.known.remove(&index);
                if let Some(name) = self.attachments.forget(index) {
                    self.tell(&ToWorker::Gone { index });
                    log::info!("{name} is gone");
                }
            }
            Change::Is(link) => {
                self.known.insert(link.index, link.clone());
                // The device below may have been attached in a way that does
                // not go together with VLAN devices.
                let below = link.vlan.and_then(|vlan| vlan.parent);
                if let Some(below) = below.and_then(|index| self.known.get(&index)).cloned()
                    && self.attachments.is_xdp(below.index)
                {
                    self.attachments.detach(below.index);
                    self.attach(&below);
                }
                self.follow(&link);
            }
        }
    }

    pub(super) fn follow(&mut self, link: &Link) {
        let attached = self.attachments.has(link.index);
        // An interface that goes down may come up again; that it is not
        // traced meanwhile would only lose its first packets.
        let taken = self.selection.takes(link) || (attached && self.selection.is_everything());
        match (attached, taken) {
            (false, true) => self.attach(link),
            (true, false) => {
                self.attachments.detach(link.index);
                self.tell(&ToWorker::Gone { index: link.index });
                log::info!("{} is not traced any more", link.name);
            }
            (true, true) => {
                if self.attachments.rename(link) {
                    self.tell(&ToWorker::Interface(described(link, &self.known)));
                }
                self.attachments.warn(link);
            }
            (false, false) => {}
        }
    }

    fn attach(&mut self, link: &Link) {
        self.tell(&ToWorker::Interface(described(link, &self.known)));
        let carries_vlans = carries_vlans(&self.known, link.index);
        match self.attachments.attach(link, carries_vlans) {
            Ok(()) => {
                log::info!("{} is traced from now on", link.name);
                self.attachments.warn(link);
            }
            Err(attach::Error::Gone) => {}
            Err(error) => log::warn!("{} is not traced: {error}", link.name),
        }
    }

    /// Compares what is there with what was known, after changes were lost.
    pub(super) fn resynchronise(&mut self) {
        let links = match self.attachments.requests.links() {
            Ok(links) => links,
            Err(error) => return log::error!("listing interfaces: {error}"),
        };
        let there: HashMap<_, _> = links.into_iter().map(|link| (link.index, link)).collect();
        let gone: Vec<_> =
            self.known.keys().copied().filter(|index| !there.contains_key(index)).collect();
        for index in gone {
            self.change(Change::Gone(index));
        }
        for (index, link) in there {
            // An index may mean another interface by now.
            if self.attachments.has(index) && !self.attachments.are_in_place(&link) {
                self.change(Change::Gone(index));
            }
            self.change(Change::Is(link));
        }
    }

    /// Asks the worker for a sign of life, unless one is awaited: a worker that
    /// is stopped would only find more and more askings.
    pub(super) fn ask(&mut self) {
        if self.answered == self.asked {
            self.asked += 1;
            self.tell(&ToWorker::Ask { number: self.asked });
        }
    }

    /// Takes a sign of life, and hands it on.
    pub(super) fn alive(&mut self, number: u64, figures: Figures) {
        self.answered = number;
        self.chosen(number);
        if let Some(manager) = &mut self.manager {
            manager.alive(Instant::now(), figures);
        }
    }

    /// Opens the output's file anew, which may be another by now.
    pub(super) fn reopen(&self) {
        let Some(path) = &self.running.config.output else { return };
        let file = match output::open(path, []) {
            Ok(file) => file,
            Err(error) => return log::error!("the output stays what it is: {error}"),
        };
        match self.worker.channel.send(&ToWorker::Output, &[file.as_fd()]) {
            Ok(()) => log::info!("events go to {}, opened anew", path.display()),
            Err(error) => log::error!("the output stays what it is: {error}"),
        }
    }

    /// Tells the worker, unless it has ended: why is said when its status is
    /// known. Else it was stopped by somebody with hundreds of messages unread.
    pub(super) fn tell(&self, message: &ToWorker) {
        match self.worker.channel.send(message, &[]) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                log::warn!("telling the worker: {error}");
            }
            _ => {}
        }
    }
}

/// Looks for what was chosen by name; what is chosen by a glob may come.
///
/// # Errors
///
/// When there is none of a name.
pub(super) fn find(selection: &Selection, links: &[Link]) -> Result<(), Error> {
    let (missing, globs) = selection.unmatched(links);
    if !missing.is_empty() {
        let missing = missing.into_iter().map(str::to_owned).collect();
        let there = links.iter().map(|link| link.name.clone()).collect();
        return Err(Error::NoSuchInterface { missing, there });
    }
    for glob in globs {
        log::warn!("no interface matches {glob} yet; waiting for one");
    }
    Ok(())
}

/// Whether there are VLAN devices above an interface.
fn carries_vlans(known: &HashMap<u32, Link>, index: u32) -> bool {
    known.values().filter_map(|link| link.vlan).any(|vlan| vlan.parent == Some(index))
}
