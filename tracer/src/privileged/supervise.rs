//! The life of the privileged process: start, follow, stop.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, AsRawFd},
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::sys::{
    signal::{Signal, kill},
    wait::{WaitPidFlag, WaitStatus, waitpid},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{Signal as Signals, SignalKind, signal},
    time::{self, MissedTickBehavior},
};

use super::{
    Worker,
    attach::{self, Attachments},
    capabilities, clsact,
    interfaces::{Selection, described},
    load::{self, Object},
    netlink::{Change, Link, Notifications, Requests},
    tcx,
};
use crate::{
    cli::Hook,
    config::Config,
    handover::{FromWorker, ToWorker},
};

/// How often the stamp of programs that may outlive this process is renewed.
const REFRESH: Duration = Duration::from_millis(500);

/// For how long, after the last program was detached, one may still run on
/// another CPU: they run for microseconds, and not with preemption off only.
const IN_FLIGHT: Duration = Duration::from_millis(20);

/// For how long the worker may take to print what is left. It gives up by
/// itself before that.
const WORKER_END: Duration = Duration::from_secs(15);

/// Pause between two looks at whether the worker has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Exit status after a second Ctrl-C: that of a shell for SIGINT.
const INTERRUPTED: u8 = 130;

/// What ends the privileged process before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The kernel side could not be loaded.
    #[error(transparent)]
    Load(#[from] load::Error),
    /// A needed capability is not there.
    #[error("{0}")]
    Capabilities(capabilities::Missing),
    /// An interface that was named is not there.
    #[error("no interface is called {}; there are {}", .missing.join(", "), .there.join(", "))]
    NoSuchInterface {
        /// Names that were given.
        missing: Vec<String>,
        /// Names that there are.
        there: Vec<String>,
    },
    /// None of the chosen interfaces can be traced.
    #[error("no interface could be attached; the last one, {name}: {source}")]
    NothingAttached {
        /// Its name.
        name: String,
        /// Why.
        source: Box<attach::Error>,
    },
    /// The worker ended by itself.
    #[error("the worker {0}; nothing is traced any more")]
    WorkerDied(String),
    /// A system call failed that usually does not.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

fn system(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { operation, source }
}

/// Runs the privileged process.
///
/// # Errors
///
/// When tracing cannot begin, or ends because the worker died.
pub(super) fn run(config: &Config, worker: Worker) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("starting the event loop"))?;
    let pid = worker.pid;
    let result = runtime.block_on(supervise(config, worker));
    if result.is_err() {
        // It has nothing to do any more; it may have ended already.
        let _ = kill(pid, Signal::SIGKILL);
        let _ = waitpid(pid, None);
    }
    result
}

/// What asks this process to end.
struct Requested {
    interrupt: Signals,
    terminate: Signals,
    hangup: Signals,
}

impl Requested {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Why the loop ended.
enum End {
    /// Somebody asked for it.
    Requested,
    /// The worker is gone.
    Worker,
}

async fn supervise(config: &Config, worker: Worker) -> Result<ExitCode, Error> {
    // From here on a signal asks for an orderly end.
    let mut requested = Requested::new().map_err(system("installing signal handlers"))?;
    // Before the interfaces are listed, so that no change is missed.
    let notifications = Notifications::open().map_err(system("listening for interfaces"))?;
    let mut tracing = Tracing::start(config, worker)?;
    let end = tracing.run(&mut requested, notifications).await?;
    tracing.stop(end, &mut requested).await
}

/// Everything that is held while tracing.
struct Tracing {
    worker: Worker,
    attachments: Attachments,
    selection: Selection,
    known: HashMap<u32, Link>,
}

impl Tracing {
    /// Loads, and hands over; nothing is attached yet.
    fn start(config: &Config, worker: Worker) -> Result<Self, Error> {
        let missing = capabilities::Set::effective().map(capabilities::Set::missing);
        if let Some(missing) = missing.ok().filter(|missing| !missing.is_empty()) {
            return Err(Error::Capabilities(missing));
        }
        let mut requests = Requests::open().map_err(system("opening a netlink socket"))?;
        let links = requests.links().map_err(system("listing interfaces"))?;
        let selection = Selection::new(config.live.interfaces.clone());
        let (missing, globs) = selection.unmatched(&links);
        if !missing.is_empty() {
            let missing = missing.into_iter().map(str::to_owned).collect();
            let there = links.into_iter().map(|link| link.name).collect();
            return Err(Error::NoSuchInterface { missing, there });
        }
        for glob in globs {
            log::warn!("no interface matches {glob} yet; waiting for one");
        }
        let tcx = match links.first() {
            Some(link) if config.live.hook != Hook::Clsact => {
                tcx::is_supported(link.index).map_err(system("asking for TCX"))?
            }
            _ => false,
        };
        if let Err(error) = clsact::remove_leftovers(&mut requests) {
            log::warn!("looking for filters of a killed tracer: {error}");
        }
        let object = Object::load(config, !tcx, config.live.hook == Hook::Xdp)?;
        let attachments = Attachments::new(object, requests, config.live.hook, tcx)
            .map_err(system("taking a name for filters"))?;
        let known = links.into_iter().map(|link| (link.index, link)).collect();
        let tracing = Self { worker, attachments, selection, known };
        tracing.hand_over()?;
        Ok(tracing)
    }

    fn hand_over(&self) -> Result<(), Error> {
        let object = &self.attachments.object;
        let hello = ToWorker::Hello { abi: tracer_common::ABI, shards: object.shards() };
        let send = |message: &ToWorker, descriptors: &[_]| {
            self.worker.channel.send(message, descriptors).map_err(system("handing the rings over"))
        };
        send(&hello, &object.descriptors())?;
        for link in self.known.values().filter(|link| self.selection.takes(link)) {
            send(&ToWorker::Interface(described(link, &self.known)), &[])?;
        }
        send(&ToWorker::Start, &[])?;
        match self.worker.channel.receive() {
            Ok(Some(FromWorker::Ready)) => {}
            _ => return Err(Error::WorkerDied(self.obituary())),
        }
        self.worker.channel.set_nonblocking().map_err(system("preparing the event loop"))
    }

    /// Attaches, and follows the interfaces until somebody or something ends
    /// it.
    async fn run(
        &mut self,
        requested: &mut Requested,
        notifications: Notifications,
    ) -> Result<End, Error> {
        let register = system("preparing the event loop");
        let channel = self.worker.channel.as_fd().try_clone_to_owned().map_err(&register)?;
        let channel = readable(channel).map_err(&register)?;
        let mut notifications = readable(notifications).map_err(&register)?;
        let logger = self.attachments.object.logger.take();
        let mut logger = logger.map(readable).transpose().map_err(&register)?;
        self.attach_all()?;
        log::info!("ready: {}", self.attachments.describe());

        let mut refresh = time::interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outliving = self.attachments.are_outliving();
        loop {
            tokio::select! {
                () = requested.next() => return Ok(End::Requested),
                ready = channel.readable() => {
                    match self.worker.channel.receive() {
                        Ok(Some(FromWorker::Stop)) => return Ok(End::Requested),
                        Ok(Some(FromWorker::Ready)) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            ready.map_err(&register)?.clear_ready();
                        }
                        Ok(None) | Err(_) => return Ok(End::Worker),
                    }
                }
                ready = notifications.readable_mut() => {
                    let mut ready = ready.map_err(&register)?;
                    match ready.get_inner_mut().next() {
                        Ok(changes) => changes.into_iter().for_each(|change| self.change(change)),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                        Err(error) => {
                            log::debug!("changes of interfaces were lost ({error}); listing them anew");
                            self.resynchronise();
                        }
                    }
                }
                _ = refresh.tick(), if outliving => {
                    if let Err(error) = self.attachments.object.refresh() {
                        log::error!("the programs are going to stop: {error}");
                    }
                }
                () = flush(logger.as_mut()) => {}
            }
        }
    }

    /// Attaches to everything that was chosen.
    fn attach_all(&mut self) -> Result<(), Error> {
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
    fn change(&mut self, change: Change) {
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

    fn follow(&mut self, link: &Link) {
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
    fn resynchronise(&mut self) {
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

    /// Tells the worker. If that fails it is dead, which the loop sees, or
    /// was stopped by somebody with hundreds of messages unread.
    fn tell(&self, message: &ToWorker) {
        if let Err(error) = self.worker.channel.send(message, &[]) {
            log::warn!("telling the worker: {error}");
        }
    }

    /// Detaches, has the worker print what is left, and waits for its end.
    async fn stop(mut self, end: End, requested: &mut Requested) -> Result<ExitCode, Error> {
        self.attachments.detach_all();
        time::sleep(IN_FLIGHT).await;
        if let End::Requested = end {
            self.tell(&ToWorker::Stop);
        }
        let limit = Instant::now() + WORKER_END;
        let status = loop {
            let waited = waitpid(self.worker.pid, Some(WaitPidFlag::WNOHANG));
            match waited.map_err(|error| system("waiting for the worker")(error.into()))? {
                WaitStatus::StillAlive => {}
                status => break status,
            }
            tokio::select! {
                () = time::sleep(LOOK) => {}
                () = requested.next() => {
                    let _ = kill(self.worker.pid, Signal::SIGKILL);
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            }
            if Instant::now() > limit {
                let _ = kill(self.worker.pid, Signal::SIGKILL);
            }
        };
        match (status, end) {
            // Told to stop, or nobody reads its output any more.
            (WaitStatus::Exited(_, 0), _) => Ok(ExitCode::SUCCESS),
            // It has said why.
            (WaitStatus::Exited(..), End::Requested) => Ok(ExitCode::FAILURE),
            (status, _) => Err(Error::WorkerDied(words(status))),
        }
    }

    /// How the worker ended, when it should not have.
    fn obituary(&self) -> String {
        // It may have closed its socket and live on.
        let _ = kill(self.worker.pid, Signal::SIGKILL);
        waitpid(self.worker.pid, None).map_or_else(|error| error.to_string(), words)
    }
}

/// Whether there are VLAN devices above an interface.
fn carries_vlans(known: &HashMap<u32, Link>, index: u32) -> bool {
    known.values().filter_map(|link| link.vlan).any(|vlan| vlan.parent == Some(index))
}

/// How a process ended.
fn words(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, status) => format!("ended with status {status}"),
        WaitStatus::Signaled(_, signal, _) => format!("was killed by {signal}"),
        other => format!("changed to {other:?}"),
    }
}

/// Has the event loop wait for a descriptor to become readable.
fn readable<T: AsFd + AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    #[expect(unsafe_code, reason = "the event loop remembers the descriptor by its number")]
    // SAFETY: the owner, which holds the descriptor open, goes into the result
    // and is only lent out of it.
    let registered = unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) };
    registered.map_err(Into::into)
}

/// Hands on what the programs log; never comes back without a logger.
async fn flush(logger: Option<&mut AsyncFd<aya_log::EbpfLogger<&'static dyn log::Log>>>) {
    match logger {
        Some(logger) => {
            if let Ok(mut ready) = logger.readable_mut().await {
                ready.get_inner_mut().flush();
                ready.clear_ready();
            }
        }
        None => std::future::pending().await,
    }
}
