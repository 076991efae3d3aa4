//! The life of the privileged process: start, wait for what happens, stop.

use std::{
    io::{self, IsTerminal as _},
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
    Worker, attach, capabilities, load, netlink::Notifications, notify::Manager, tracing::Tracing,
};
use crate::{
    handover::{FromWorker, ToWorker},
    settings::Running,
};

/// How often the stamp of programs that may outlive this process is renewed.
const REFRESH: Duration = Duration::from_millis(500);

/// For how long, after the last program was detached, one may still run on
/// another CPU: a thousand times what it takes for a packet.
const IN_FLIGHT: Duration = Duration::from_millis(20);

/// For how long the worker may take to print what is left. It gives up by
/// itself before that.
const WORKER_END: Duration = Duration::from_secs(15);

/// For how long a worker that has closed its socket may still be there.
const WORKER_EXIT: Duration = Duration::from_secs(1);

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

pub(super) fn system(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { operation, source }
}

/// Runs the privileged process.
///
/// # Errors
///
/// When tracing cannot begin, or ends because the worker died.
pub(super) fn run(running: Running, worker: Worker) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("starting the event loop"))?;
    let pid = worker.pid;
    let result = runtime.block_on(supervise(running, worker));
    // It has nothing to do any more. Once it has been waited for, its number
    // may be somebody else's.
    if result.is_err() && waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive) {
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
    /// Whether that asks for a reload.
    reloads: bool,
}

/// What a signal asks for.
enum Request {
    End,
    /// The settings' file has changed, or the output's was moved away.
    Reload,
}

impl Requested {
    /// At a terminal a hang-up is the end.
    fn new() -> io::Result<Self> {
        let is_at_terminal =
            io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
        Ok(Self {
            reloads: !is_at_terminal,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::End,
            _ = self.terminate.recv() => Request::End,
            _ = self.hangup.recv() => if self.reloads { Request::Reload } else { Request::End },
        }
    }

    /// Waits until the end is asked for.
    async fn end(&mut self) {
        while let Request::Reload = self.next().await {}
    }
}

/// Why the loop ended.
enum End {
    /// Somebody asked for it.
    Requested,
    /// The worker is gone.
    Worker,
}

async fn supervise(running: Running, worker: Worker) -> Result<ExitCode, Error> {
    // From here on a signal asks for an orderly end.
    let mut requested = Requested::new().map_err(system("installing signal handlers"))?;
    // Before the interfaces are listed, so that no change is missed.
    let notifications = Notifications::open().map_err(system("listening for interfaces"))?;
    let mut tracing = Tracing::start(running, worker)?;
    let end = tracing.run(&mut requested, notifications).await?;
    tracing.stop(end, &mut requested).await
}

impl Tracing {
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
        let traced = self.attachments.describe();
        log::info!("ready: {traced}");
        if self.manager.is_some() {
            Manager::ready(&traced);
        }

        let mut refresh = time::interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outliving = self.attachments.are_outliving();
        let managed = self.manager.as_ref().map(Manager::interval);
        let mut ask = time::interval(managed.unwrap_or(REFRESH));
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requested.next() => match request {
                    Request::End => return Ok(End::Requested),
                    Request::Reload => self.reload(),
                },
                ready = channel.readable() => {
                    match self.worker.channel.receive() {
                        Ok(Some(FromWorker::Stop)) => return Ok(End::Requested),
                        Ok(Some(FromWorker::Ready)) => {}
                        Ok(Some(FromWorker::Alive { number, figures })) => self.alive(number, figures),
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
                _ = ask.tick(), if managed.is_some() => self.ask(),
                () = flush(logger.as_mut()) => {}
            }
        }
    }

    /// Detaches, has the worker print what is left, and waits for its end.
    async fn stop(mut self, end: End, requested: &mut Requested) -> Result<ExitCode, Error> {
        if self.manager.is_some() {
            Manager::stopping();
        }
        self.attachments.detach_all();
        time::sleep(IN_FLIGHT).await;
        if let End::Requested = end {
            self.tell(&ToWorker::Stop);
        }
        let limit = match end {
            End::Requested => WORKER_END,
            End::Worker => WORKER_EXIT,
        };
        let limit = Instant::now() + limit;
        let status = loop {
            let waited = waitpid(self.worker.pid, Some(WaitPidFlag::WNOHANG));
            match waited.map_err(|error| system("waiting for the worker")(error.into()))? {
                WaitStatus::StillAlive => {}
                status => break status,
            }
            tokio::select! {
                () = time::sleep(LOOK) => {}
                () = requested.end() => {
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
}

/// How the worker ended, when it should not have.
pub(super) fn obituary(worker: &Worker) -> String {
    // It may have closed its socket and live on.
    let _ = kill(worker.pid, Signal::SIGKILL);
    waitpid(worker.pid, None).map_or_else(|error| error.to_string(), words)
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
