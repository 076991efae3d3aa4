//! The unprivileged process: reads the rings, decodes, prints.
//!
//! It has no capability, no user's rights, and three things from outside: map
//! descriptors, a socket to the privileged process, and the standard output; a
//! fourth where packets are written to a file.

mod clock;
mod control;
mod pace;
mod shard;

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
    sync::Arc,
};

use nix::sys::{prctl, signal::Signal};

use self::{
    clock::Clock,
    control::{Control, Interruptible},
    shard::{Shard, Shared, apply},
};
use crate::{
    capture::live::{self, Counters, LiveSource},
    capture::windows::{MappedWindows, SlotMemory},
    cli,
    config::Config,
    confine,
    event::Timestamp,
    flow::{Table, Windows},
    handover::{Channel, FromWorker, Maps, ToWorker},
    output::{
        Look, Writer,
        pcapng::{PacketFile, Recorder},
    },
    overload,
    pipeline::{self, Pipeline},
    signals,
};

/// Seconds between two `stats` events.
const STATS_INTERVAL: u32 = 60;

/// What ends the worker before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A privilege is left.
    #[error(transparent)]
    Confine(#[from] confine::Error),
    /// The other side said something that does not belong there.
    #[error("the privileged process did not hand the rings over")]
    Handover,
    /// The rings cannot be read.
    #[error(transparent)]
    Rings(#[from] live::Error),
    /// New flows cannot be shed.
    #[error(transparent)]
    Overload(#[from] overload::Error),
    /// The events cannot be written.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error<live::Error>),
    /// The privileged process is gone, and with it everything that captures.
    #[error("the privileged process died; nothing is traced any more")]
    Orphaned,
    /// The system refused something that it usually grants.
    #[error("starting the worker: {0}")]
    System(#[from] io::Error),
}

/// Runs the worker in a process that was forked for it and has one thread.
///
/// # Errors
///
/// When it ends for another reason than that it was told to or that nobody
/// reads its output any more.
pub(crate) fn run(
    config: &Config,
    channel: Channel,
    packets: Option<PacketFile>,
) -> Result<ExitCode, Error> {
    confine::close_all_but(
        [Some(channel.as_fd()), packets.as_ref().map(AsFd::as_fd)].into_iter().flatten(),
    );
    confine::confine()?;
    let _ = prctl::set_name(c"tracer-worker");
    // The terminal's signals go to both processes; the other one acts on them.
    for signal in [Signal::SIGINT, Signal::SIGHUP] {
        signals::ignore(signal)?;
    }
    let Some((hello, descriptors)) = channel.receive_descriptors()? else {
        // It has said why.
        return Ok(ExitCode::FAILURE);
    };
    let ToWorker::Hello { maps, seed } = hello else { return Err(Error::Handover) };
    let mut maps = Maps::new(maps, descriptors).ok_or(Error::Handover)?;
    let overload = overload(&mut maps, seed, config.live.overload)?;
    let slots = slots(&mut maps)?;
    let mut source = source(maps)?;
    loop {
        match channel.receive()? {
            Some(ToWorker::Start) => break,
            Some(change) => apply(&mut source, change),
            None => return Ok(ExitCode::FAILURE),
        }
    }
    channel.send(&FromWorker::Ready, &[])?;
    let control = Control::start(channel, 1)?;

    let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let look = Look::new(&out, config.color)?;
    let out = Interruptible::new(out, Arc::clone(&control));
    let writer = Writer::new(out, config.format, config.view).with_look(look);
    let table = Table::new(config.flows.clone()).with_windows(windows(config, &slots, 0, seed));
    let mut pipeline =
        Pipeline::new(source, table, writer).with_recorder(packets.map(Recorder::new));
    let clock = Clock::new()?;
    pipeline.begin(Timestamp(clock.now()));
    let common = Shared { control: &control, clock: &clock, overload };
    let mut shard = Shard::new(0, pipeline, &common);
    let traced = trace(&mut shard, &control, config);
    let status =
        if shard.pipeline.finish_recorder() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match traced {
        Err(Error::Pipeline(error)) if error.is_output_gone() => Ok(status),
        Ok(()) if control.is_orphaned() => Err(Error::Orphaned),
        other => other.map(|()| status),
    }
}

/// Opens what new flows are shed by, if the operator wants that.
fn overload(
    maps: &mut Maps,
    seed: u64,
    wanted: cli::Overload,
) -> Result<Option<Arc<overload::Maps>>, Error> {
    if wanted == cli::Overload::Lose {
        return Ok(None);
    }
    let [state, stopped, admitted] = overload::MAPS.map(|name| maps.take(name));
    let maps = state.zip(stopped).zip(admitted);
    let ((state, stopped), admitted) = maps.ok_or(Error::Handover)?;
    Ok(Some(Arc::new(overload::Maps::new([state, stopped, admitted], seed)?)))
}

/// Maps what says which bytes need not be copied.
fn slots(maps: &mut Maps) -> Result<Arc<SlotMemory>, Error> {
    let slots = maps.take("SLOTS").ok_or(Error::Handover)?;
    let switches = maps.take("SWITCHES").ok_or(Error::Handover)?;
    Ok(SlotMemory::map(&slots, &switches)?)
}

/// What a shard tells of bytes that need not be copied; nothing where all of
/// them are wanted.
fn windows(
    config: &Config,
    slots: &Arc<SlotMemory>,
    shard: usize,
    seed: u64,
) -> Option<Box<dyn Windows>> {
    let threshold = config.skip_from()?;
    let ports = config.flows.numbered();
    Some(Box::new(MappedWindows::new(Arc::clone(slots), shard, seed, threshold, ports)))
}

/// Opens what was handed over.
fn source(mut maps: Maps) -> Result<LiveSource, Error> {
    let counters = Counters::new(maps.take("OUTCOMES").ok_or(Error::Handover)?)?;
    let [ring] = <[OwnedFd; 1]>::try_from(maps.rings()).map_err(|_| Error::Handover)?;
    Ok(LiveSource::new(ring, Arc::new(counters))?)
}

/// Reads, decodes and prints until it is told to stop and the rings are empty.
fn trace(
    shard: &mut Shard<'_, Writer<Interruptible<File>>>,
    control: &Control,
    config: &Config,
) -> Result<(), Error> {
    let mut seconds = 0;
    let result = shard.run(|pipeline| {
        seconds += 1;
        if seconds % STATS_INTERVAL == 0 {
            pipeline.report();
        }
    });
    let result = result.and_then(|()| Ok(shard.pipeline.finish().map(drop)?));
    let is_gone = matches!(&result, Err(Error::Pipeline(error)) if error.is_output_gone());
    if config.log >= log::LevelFilter::Warn && !is_gone && !control.is_unread() {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(io::stderr(), "{}", shard.pipeline.stats());
    }
    result
}
