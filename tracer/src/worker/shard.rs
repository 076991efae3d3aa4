//! The loop of a shard: reads its ring, decodes, hands the events on.

use std::{os::fd::AsFd as _, sync::Arc, thread, time::Duration};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    Error,
    clock::{self, Clock, SECOND},
    control::Control,
    ledger::Ledger,
    outlet::Outlet,
    pace::{Next, Pace},
};
use crate::{
    capture::{
        Fill, Interface, Status,
        live::LiveSource,
        owners::{KernelOwners, OwnerTable},
        windows::{MappedWindows, SlotMemory},
    },
    config::Config,
    event::{Endpoint, Message, Timestamp, tracer::OutputLost},
    flow::{Owners, Table, Windows},
    handover::{Chosen, ToWorker},
    metrics::{Board, Counting},
    output::Output,
    overload::{self, Load, Overload},
    pipeline::Pipeline,
};

/// Milliseconds from one look for what time alone brings about (silent flows,
/// the end of an overload) to the next, where there is nothing to read.
const TICK: u16 = 1000;

/// Pause while nothing comes but lines wait for those of another shard, which
/// is still reading.
const OTHERS: Duration = Duration::from_millis(1);

/// What all shards see.
pub(super) struct Run<'a> {
    pub(super) config: &'a Config,
    pub(super) control: &'a Control,
    pub(super) clock: Clock,
    /// How new flows are shed, if they are to be.
    pub(super) overload: Option<Arc<overload::Maps>>,
    /// Where to say which bytes need not be copied.
    pub(super) slots: Arc<SlotMemory>,
    /// Who has the ends of connections, where that is asked.
    pub(super) owners: Option<Arc<OwnerTable>>,
    /// What the numbers of flows are made with.
    pub(super) seed: u64,
    pub(super) ledger: Arc<Ledger>,
    /// Where the events of all go.
    pub(super) outlet: Outlet,
    /// What they are counted on, where somebody may ask.
    pub(super) board: Option<Arc<Board>>,
}

impl Run<'_> {
    /// Counts the events of a shard, where somebody may ask.
    pub(super) fn counting(&self, shard: usize) -> Option<Counting> {
        self.board.as_ref()?.counting(shard)
    }

    /// An empty flow table for a shard. Nothing is kept from being copied where
    /// all bytes are wanted.
    pub(super) fn table(&self, shard: usize) -> Table {
        let Self { config, slots, seed, .. } = self;
        let windows = config.skip_from().map(|threshold| {
            let (slots, ports) = (Arc::clone(slots), config.flows.numbered());
            let windows = MappedWindows::new(slots, shard, *seed, threshold, ports);
            Box::new(windows.scanning(config.flows.responding())) as Box<dyn Windows>
        });
        let owners = self.owners.as_ref().map(|table| {
            Box::new(KernelOwners::new(Arc::clone(table), clock::ahead)) as Box<dyn Owners>
        });
        Table::new(config.shard_flows()).with_windows(windows).with_owners(owners)
    }
}

/// A shard: a ring, its flows, and where their events go.
pub(super) struct Shard<'a, O> {
    number: usize,
    pub(super) pipeline: Pipeline<LiveSource, O>,
    pub(super) run: &'a Run<'a>,
    fill: Fill,
    pace: Pace,
    overload: Option<Overload>,
    /// When silent flows were last looked for, by `CLOCK_MONOTONIC`.
    ticked: u64,
}

impl<'a, O: Output> Shard<'a, O> {
    /// Before its first batch.
    pub(super) fn new(
        number: usize,
        mut pipeline: Pipeline<LiveSource, O>,
        run: &'a Run<'a>,
    ) -> Self {
        let fill = pipeline.source().fill();
        let pace = Pace::new(fill.size(), fill.read());
        let maps = run.overload.as_ref();
        let overload = maps.map(|maps| Overload::new(maps, number, fill.size() as u64));
        if let Some(overload) = &overload {
            pipeline.set_gate(overload.gate());
        }
        Self { number, pipeline, run, fill, pace, overload, ticked: clock::monotonic() }
    }

    /// Reads and decodes until it is told to stop and the ring is empty, then
    /// ends the flows. `each_second` is called about once a second while there
    /// are flows.
    ///
    /// # Errors
    ///
    /// When the ring or the output broke; then all shards are told to stop.
    pub(super) fn trace(
        &mut self,
        each_second: impl FnMut(&mut Pipeline<LiveSource, O>),
    ) -> Result<(), Error> {
        let traced = self.follow(each_second).and_then(|()| Ok(self.pipeline.end()?));
        self.run.ledger.note(self.number, &self.pipeline);
        traced.inspect_err(|_| self.run.control.halt())
    }

    fn follow(
        &mut self,
        mut each_second: impl FnMut(&mut Pipeline<LiveSource, O>),
    ) -> Result<(), Error> {
        let Self { number, run, .. } = *self;
        let Run { control, clock, ledger, .. } = run;
        // Up to where the ring is to be read.
        let mut last = None;
        loop {
            for change in control.changes(number) {
                match change {
                    ToWorker::Ask { number: asked } => {
                        control.came_round(number, asked, self.pipeline.output().events());
                    }
                    ToWorker::Chosen(chosen) => self.choose(&chosen),
                    change => apply(self.pipeline.source_mut(), &change),
                }
            }
            // Asked before the ring is: what comes in between is read. Programs
            // that outlive whoever attached them may go on writing for a while.
            let stopping = control.is_stopping();
            if stopping {
                last.get_or_insert_with(|| self.fill.written());
            }
            let (now, offset) = clock.read();
            self.pipeline.source_mut().set_clock_offset(offset);
            self.pipeline.output_mut().set_clock_offset(offset);
            self.pipeline.set_clock_step(clock.step());
            if now.saturating_sub(self.ticked) >= SECOND {
                self.ticked = now;
                each_second(&mut self.pipeline);
                self.pipeline.tick(Timestamp(now.wrapping_add(offset)))?;
            }
            self.tell_lost();
            let waiting = self.fill.waiting() as u64;
            let status = self.pipeline.step()?;
            if let Some(overload) = &mut self.overload {
                let oldest = self.pipeline.source().oldest();
                let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest));
                let load = Load { waiting, size: self.fill.size() as u64, age };
                self.pipeline.watch(overload, now, &load)?;
            }
            ledger.note(number, &self.pipeline);
            control.progress();
            match status {
                Status::End => return Ok(()),
                Status::Idle if stopping => return Ok(()),
                Status::More if last.is_some_and(|last| is_reached(last, self.fill.read())) => {
                    return Ok(());
                }
                Status::Idle => self.rest(),
                Status::More => {}
            }
        }
    }

    /// Traces what was chosen from now on.
    fn choose(&mut self, chosen: &Chosen) {
        let settings = chosen.flows(&self.run.config.flows);
        let ports: Vec<u16> = settings.traced().collect();
        let traces = |end: &Endpoint| ports.contains(&end.port);
        self.pipeline.choose(settings, &chosen.numbers(), &mut |client, server| {
            traces(client) || traces(server)
        });
    }

    /// Tells of events that were not written, once there is room to.
    pub(super) fn tell_lost(&mut self) {
        if let Some(lost) = self.run.outlet.lost() {
            self.pipeline.tell(Message::OutputLost(OutputLost::new(lost.events, lost.bytes)));
        }
    }

    /// Waits until there may be something to do.
    fn rest(&mut self) {
        match self.pace.next(self.fill.read(), clock::monotonic()) {
            Next::Look => {}
            Next::Pause(pause) => thread::sleep(pause),
            Next::Sleep if self.pipeline.output().is_waiting() => thread::sleep(OTHERS),
            // A record that is being written would be waited for in vain.
            Next::Sleep if self.fill.waiting() > 0 => thread::yield_now(),
            Next::Sleep => self.sleep(),
        }
    }

    /// Sleeps until there is something to read or to do.
    fn sleep(&mut self) {
        let Run { control, clock, .. } = self.run;
        self.pipeline.source_mut().rest();
        let source = self.pipeline.source();
        // One shard is enough to see a step of the clock, and to count seconds.
        let is_first = self.number == 0;
        let wake = control.wake(self.number).unwrap_or_else(|| source.as_fd());
        let mut ready = [source.as_fd(), wake, clock.as_fd()]
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        let watched = if is_first { 3 } else { 2 };
        let has_flows = self.pipeline.flows().memory > 0;
        let sheds = self.overload.as_ref().is_some_and(|overload| !overload.is_quiet());
        let ticks = is_first || has_flows || sheds;
        let timeout = if ticks { TICK.into() } else { PollTimeout::NONE };
        // Interrupted at worst: then the ring is looked at once more.
        let _ = poll(ready.get_mut(..watched).unwrap_or_default(), timeout);
        if is_first {
            clock.look_for_step();
        }
    }
}

/// Whether a position in the ring, which wraps, was read.
const fn is_reached(position: usize, read: usize) -> bool {
    read.wrapping_sub(position) <= usize::MAX / 2
}

/// Tells a source of an interface.
pub(super) fn apply(source: &mut LiveSource, change: &ToWorker) {
    match change {
        ToWorker::Interface(told) => {
            let interface = Interface { name: told.name.as_str().into(), loopback: told.loopback };
            source.set_interface(told.index, interface, told.vlans.clone());
        }
        ToWorker::Gone { index } => source.remove_interface(*index),
        ToWorker::Hello { .. }
        | ToWorker::Start
        | ToWorker::Ask { .. }
        | ToWorker::Chosen(_)
        | ToWorker::Output
        | ToWorker::Stop => {}
    }
}
