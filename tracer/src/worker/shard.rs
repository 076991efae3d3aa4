//! The loop of a shard: reads its ring, decodes, hands the events on.

use std::{os::fd::AsFd as _, sync::Arc, thread};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    Error,
    clock::{self, Clock, SECOND},
    control::Control,
    pace::{Next, Pace},
};
use crate::{
    capture::{Fill, Interface, Status, live::LiveSource},
    event::Timestamp,
    handover::ToWorker,
    output::Output,
    overload::{self, Load, Overload},
    pipeline::Pipeline,
};

/// What all shards see.
pub(super) struct Shared<'a> {
    pub(super) control: &'a Control,
    pub(super) clock: &'a Clock,
    /// How new flows are shed, if they are to be.
    pub(super) overload: Option<Arc<overload::Maps>>,
}

/// A shard: a ring, its flows, and where their events go.
pub(super) struct Shard<'a, O> {
    number: usize,
    pub(super) pipeline: Pipeline<LiveSource, O>,
    shared: &'a Shared<'a>,
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
        shared: &'a Shared<'a>,
    ) -> Self {
        let fill = pipeline.source().fill();
        let pace = Pace::new(fill.size(), fill.read());
        let maps = shared.overload.as_ref();
        let overload = maps.map(|maps| Overload::new(maps, number, fill.size() as u64));
        if let Some(overload) = &overload {
            pipeline.set_gate(overload.gate());
        }
        Self { number, pipeline, shared, fill, pace, overload, ticked: clock::monotonic() }
    }

    /// Reads and decodes until it is told to stop and the ring is empty.
    /// `each_second` is called about once a second.
    ///
    /// # Errors
    ///
    /// When the ring or the output broke.
    pub(super) fn run(
        &mut self,
        mut each_second: impl FnMut(&mut Pipeline<LiveSource, O>),
    ) -> Result<(), Error> {
        let Self { number, shared: Shared { control, clock, .. }, .. } = *self;
        control.enter();
        loop {
            for change in control.changes(number) {
                apply(self.pipeline.source_mut(), change);
            }
            // Asked before the ring is: what comes in between is read.
            let stopping = control.is_stopping();
            let (now, offset) = clock.read();
            self.pipeline.source_mut().set_clock_offset(offset);
            if now.saturating_sub(self.ticked) >= SECOND {
                self.ticked = now;
                each_second(&mut self.pipeline);
                self.pipeline.tick(Timestamp(now.wrapping_add(offset)))?;
            }
            let waiting = self.fill.waiting() as u64;
            let status = self.pipeline.step()?;
            if let Some(overload) = &mut self.overload {
                let oldest = self.pipeline.source().oldest();
                let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest));
                let load = Load { waiting, size: self.fill.size() as u64, age };
                self.pipeline.watch(overload, now, &load);
            }
            control.progress();
            match status {
                Status::End => return Ok(()),
                Status::Idle if stopping => return Ok(()),
                Status::Idle => self.rest(),
                Status::More => {}
            }
        }
    }

    /// Waits until there may be something to do.
    fn rest(&mut self) {
        match self.pace.next(self.fill.read(), clock::monotonic()) {
            Next::Look => {}
            Next::Pause(pause) => thread::sleep(pause),
            // A record that is being written would be waited for in vain.
            Next::Sleep if self.fill.waiting() > 0 => thread::yield_now(),
            Next::Sleep => self.sleep(),
        }
    }

    /// Sleeps until there is something to read or to do, a second at most.
    fn sleep(&mut self) {
        const SECOND: u16 = 1000;
        let Shared { control, clock, .. } = *self.shared;
        self.pipeline.source_mut().rest();
        let source = self.pipeline.source();
        let clock_fd = (self.number == 0).then(|| clock.as_fd());
        let descriptors = [Some(source.as_fd()), control.wake(self.number), clock_fd];
        let ready = descriptors.into_iter().flatten();
        let mut ready: Vec<_> = ready.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // Interrupted at worst: then the ring is looked at once more.
        let _ = poll(&mut ready, PollTimeout::from(SECOND));
        if self.number == 0 {
            clock.look_for_step();
        }
    }
}

/// Tells a source of an interface.
pub(super) fn apply(source: &mut LiveSource, change: ToWorker) {
    match change {
        ToWorker::Interface(told) => {
            let interface = Interface { name: told.name.into(), loopback: told.loopback };
            source.set_interface(told.index, interface, told.vlans);
        }
        ToWorker::Gone { index } => source.remove_interface(index),
        ToWorker::Hello { .. } | ToWorker::Start | ToWorker::Stop => {}
    }
}
