//! The privileged process: loads, attaches, follows interfaces, hands the
//! rings over, and takes everything back.
//!
//! It parses nothing that comes from the wire. The process that does is forked
//! off before anything is loaded, so that it never holds a privilege that it
//! would have to lose, and is watched from then on: whichever of the two dies,
//! the other one ends.

mod attach;
mod btf;
mod capabilities;
mod check;
mod clsact;
mod foreign;
mod interfaces;
mod load;
mod netlink;
mod notify;
mod owners;
mod reload;
mod supervise;
mod tcx;
mod tracing;
mod xdp;

use std::{io, mem, os::fd::AsFd as _, path::Path, process::ExitCode};

use nix::unistd::{ForkResult, Pid, fork};

pub use check::check;

use crate::{
    confine,
    handover::Channel,
    metrics::{self, Address},
    output::{
        self,
        pcapng::{self, PacketFile},
    },
    settings::Running,
    worker::{self, Open, Target},
};

/// Why live tracing did not work, or came to an end.
#[derive(Debug, thiserror::Error)]
#[error("{side}")]
pub struct Error {
    // Says it all by itself: its causes would only be said twice.
    side: Side,
}

impl From<Side> for Error {
    fn from(side: Side) -> Self {
        Self { side }
    }
}

/// The process whose error it is.
#[derive(Debug, thiserror::Error)]
enum Side {
    #[error("starting the worker: {0}")]
    Start(io::Error),
    #[error(transparent)]
    Confine(#[from] confine::Error),
    #[error(transparent)]
    Output(#[from] output::FileError),
    #[error(transparent)]
    Packets(#[from] pcapng::Error),
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    #[error(transparent)]
    Privileged(#[from] supervise::Error),
    #[error(transparent)]
    Worker(#[from] worker::Error),
}

/// The worker process, as its parent sees it.
struct Worker {
    pid: Pid,
    channel: Channel,
}

/// Where the events go.
fn target(path: Option<&Path>) -> Result<Target, Side> {
    match path {
        None => Target::stdout(),
        Some(path) => Target::of(output::open(path, [])?),
    }
    .map_err(Side::Start)
}

/// Traces this host until it is told to stop, or nobody reads any more.
///
/// To be called while the process has one thread. It returns in both
/// processes; each is to end with the result.
///
/// # Errors
///
/// When tracing cannot begin, or ended for another reason.
pub fn live(running: Running) -> Result<ExitCode, Error> {
    let config = &running.config;
    // Of both processes: the settings are in this one, the traffic in the other.
    confine::leave_no_dumps().map_err(Side::from)?;
    // While there are the rights to; the worker gets it open.
    let target = target(config.output.as_deref())?;
    let packets = config.packets.as_deref().map(|path| PacketFile::open(path, [target.as_fd()]));
    let packets = packets.transpose().map_err(Side::from)?;
    let metrics = config.live.metrics.as_ref().map(Address::listen);
    let (listener, socket) = metrics.transpose().map_err(Side::from)?.unzip();
    let (channel, theirs) = Channel::pair().map_err(Side::Start)?;
    #[expect(unsafe_code, reason = "fork is unsafe where there are threads")]
    // SAFETY: this process has one thread, as this function demands, so that
    // no lock can be held by somebody who is not there in the child.
    let forked = unsafe { fork() };
    let result = match forked.map_err(|error| Side::Start(error.into()))? {
        ForkResult::Child => {
            drop(channel);
            // It is the other's to take away.
            mem::forget(socket);
            let open = Open { packets, target, listener };
            worker::run(config, theirs, open).map_err(Side::Worker)
        }
        ForkResult::Parent { child: pid } => {
            drop((theirs, packets, target, listener));
            let ended = supervise::run(running, Worker { pid, channel });
            drop(socket);
            ended.map_err(Side::Privileged)
        }
    };
    Ok(result?)
}
