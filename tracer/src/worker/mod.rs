//! The unprivileged process: reads the rings, decodes, prints.
//!
//! It has no capability, no user's rights, and three things from outside: map
//! descriptors, a socket to the privileged process, and the standard output; a
//! fourth where packets are written to a file, and one more where metrics are
//! told.

mod clock;
mod control;
mod ledger;
mod outlet;
mod pace;
mod shard;
mod shards;
mod teller;

pub(crate) use self::outlet::Target;

use std::{
    io::{self, Write as _},
    os::fd::AsFd,
    process::ExitCode,
    sync::Arc,
};

use nix::sys::{prctl, signal::Signal};

use self::{
    clock::Clock,
    control::Control,
    ledger::Ledger,
    shard::{Run, Shard, apply},
    teller::{Resident, Teller},
};
use crate::{
    capture::{
        Counters,
        live::{self, LiveSource},
        owners::OwnerTable,
        windows::SlotMemory,
    },
    cli,
    config::Config,
    confine::{self, Role, Sandbox},
    event::Timestamp,
    handover::{Channel, FromWorker, Maps, ToWorker},
    metrics::{Board, Listener},
    output::{
        Look, Output, Writer,
        pcapng::{PacketFile, Recorder},
    },
    overload,
    pipeline::{self, Pipeline},
    signals,
};

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

/// What the worker gets open, beside the socket to the privileged process.
pub(crate) struct Open {
    /// Where packets are written, if they are.
    pub(crate) packets: Option<PacketFile>,
    /// Where events go.
    pub(crate) target: Target,
    /// Where metrics are asked for, if they may be.
    pub(crate) listener: Option<Listener>,
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
    Open { packets, target, listener }: Open,
) -> Result<ExitCode, Error> {
    let optional = [packets.as_ref().map(AsFd::as_fd), listener.as_ref().map(AsFd::as_fd)];
    let kept = [channel.as_fd(), target.as_fd()].into_iter();
    confine::close_all_but(kept.chain(optional.into_iter().flatten()));
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
    let owners = maps.take("OWNERS").map(OwnerTable::new).transpose()?.map(Arc::new);
    let counters = Counters::new(maps.take("OUTCOMES").ok_or(Error::Handover)?)?;
    let counters = Arc::new(counters);
    let sources = maps.rings().into_iter();
    let sources = sources.map(|ring| LiveSource::new(ring, Arc::clone(&counters)));
    let mut sources = sources.collect::<Result<Vec<_>, _>>()?;
    let board =
        listener.as_ref().map(|_| Arc::new(Board::new(sources.len(), &config.flows, config.view)));
    let resident = listener.as_ref().and_then(|_| Resident::open());
    loop {
        match channel.receive()? {
            Some(ToWorker::Start) => break,
            Some(change) => sources.iter_mut().for_each(|source| apply(source, &change)),
            None => return Ok(ExitCode::FAILURE),
        }
    }
    // Everything is open, no thread was started, and no packet read.
    if config.sandbox {
        Sandbox::of_this_kernel().enter(Role::Worker)?;
    }
    channel.send(&FromWorker::Ready, &[])?;
    let look = Look::new(&target, config.color)?;
    let ledger = Arc::new(Ledger::new(counters, sources.len()));
    let counts = Arc::clone(&ledger);
    let counted = move |events| counts.stats(events);
    let control = Control::start(channel, sources.len(), (target, config.queue), counted)?;
    let run = Run {
        config,
        control: &control,
        clock: Clock::new()?,
        overload,
        slots,
        owners,
        seed,
        ledger: Arc::clone(&ledger),
        outlet: control.outlet().clone(),
        board: board.clone(),
    };
    let begin = Timestamp(run.clock.now());
    if let Some((listener, board)) = listener.zip(board) {
        let fills = sources.iter().map(LiveSource::fill).collect();
        let outlet = control.outlet().clone();
        let teller = Teller { board, ledger, outlet, fills, begin, resident };
        teller.start(listener, config)?;
    }
    let (traced, is_recorded) = if sources.len() == 1 {
        let source = sources.remove(0);
        let writer = Writer::new(run.outlet.clone(), config.format, config.view);
        let writer = writer.with_look(look).counted_by(run.counting(0));
        let mut pipeline =
            Pipeline::new(source, run.table(0), writer).with_recorder(packets.map(Recorder::new));
        pipeline.begin(begin);
        let mut shard = Shard::new(0, pipeline, &run);
        let traced = lead(&mut shard, || Ok(()));
        (traced, shard.pipeline.finish_recorder())
    } else {
        (shards::trace(sources, &run, begin, &look), true)
    };
    let status = if is_recorded { ExitCode::SUCCESS } else { ExitCode::FAILURE };
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

/// Runs the first shard, which is on the main thread and counts for all. `join`
/// waits for the others when it has ended.
fn lead<O: Output>(
    shard: &mut Shard<'_, O>,
    join: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let Run { config, control, ledger, outlet, .. } = shard.run;
    let stats = |events| ledger.stats(events).without(outlet.dropped());
    let mut seconds = 0;
    let traced = shard.trace(|pipeline| {
        seconds += 1;
        if config.live.stats_interval.is_some_and(|interval| seconds % interval == 0) {
            pipeline.report(stats(pipeline.output().events()));
        }
    });
    // The first error is the one that the others follow from.
    let result = join().and(traced);
    let result = result.and_then(|()| {
        // So that there is room for what is still to be said.
        outlet.drain().map_err(pipeline::Error::Output)?;
        shard.tell_lost();
        let stats = stats(shard.pipeline.output().events());
        shard.pipeline.conclude(ledger.latest(), stats)?;
        Ok(outlet.drain().map_err(pipeline::Error::Output)?)
    });
    let is_gone = matches!(&result, Err(Error::Pipeline(error)) if error.is_output_gone());
    if config.log >= log::LevelFilter::Warn && !is_gone && !control.is_unread() {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(io::stderr(), "{}", stats(shard.pipeline.output().events()));
    }
    result
}
