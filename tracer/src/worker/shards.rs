//! Several shards: a thread for each, and one output.

use std::{
    process, thread,
    thread::{ScopedJoinHandle, scope},
};

use super::{Error, Run, clock, lead, shard::Shard};
use crate::{
    capture::{Fill, live::LiveSource},
    event::Timestamp,
    output::{Feed, Look, Order, ShardWriter},
    pipeline::Pipeline,
};

impl Feed for Fill {
    fn written(&self) -> usize {
        Self::written(self)
    }

    fn read(&self) -> usize {
        Self::read(self)
    }
}

/// Reads all rings, each on a thread of its own, until they are told to stop.
///
/// # Errors
///
/// When a ring or the output broke, which ends them all.
pub(super) fn trace(
    sources: Vec<LiveSource>,
    run: &Run<'_>,
    begin: Timestamp,
    look: &Look,
) -> Result<(), Error> {
    let feeds = sources.iter().map(|source| Box::new(source.fill()) as Box<dyn Feed>);
    let order = Order::new(run.outlet.clone(), clock::monotonic, feeds);
    let config = run.config;
    let (_, offset) = run.clock.read();
    let shard = |number, source| {
        let writer = order.shard(number, config.format, config.view, offset);
        let writer = writer.with_look(look.clone()).counted_by(run.counting(number));
        let mut pipeline = Pipeline::new(source, run.table(number), writer);
        pipeline.begin(begin);
        Shard::new(number, pipeline, run)
    };
    let follow = |number, source| {
        let _guard = EndsTheProcess;
        let mut shard: Shard<'_, ShardWriter<_>> = shard(number, source);
        shard.trace(|_| {})
    };
    let mut sources = sources.into_iter().enumerate();
    let Some((number, first)) = sources.next() else { return Ok(()) };
    scope(|scope| {
        let others: Vec<ScopedJoinHandle<'_, _>> = sources
            .map(|(number, source)| {
                let thread = thread::Builder::new().name(format!("shard-{number}"));
                thread.spawn_scoped(scope, move || follow(number, source))
            })
            .collect::<Result<_, _>>()
            // Those that run already are told.
            .inspect_err(|_| run.control.halt())?;
        lead(&mut shard(number, first), || {
            let ended = others.into_iter().map(|other| other.join().unwrap_or(Ok(())));
            ended.fold(Ok(()), Result::and)
        })
    })
}

/// Ends the process with a thread that panics: without it, a part of the flows
/// would be missing.
struct EndsTheProcess;

impl Drop for EndsTheProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            process::exit(101);
        }
    }
}
