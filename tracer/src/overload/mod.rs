//! When this side cannot keep up: new flows are shed whole, so that what is
//! followed is followed completely.
//!
//! A [`Controller`] decides by how far the reader of a ring is behind; the
//! kernel side carries it out at the SYN of each new flow, and sheds them all
//! by itself while the ring is nearly full, whatever this side is stuck in.
//! Where even the flows that are followed are too many, some of them are given
//! up, whole as well. The operator is told of each change by an event.

mod controller;
mod kernel;
mod report;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use tracer_common::{Address, FlowHash};

pub(crate) use self::controller::Load;
pub(crate) use self::kernel::{Error, MAPS, Maps};
use self::{
    controller::{Controller, brake},
    kernel::{Kernel, OfShard},
    report::Report,
};
use crate::{
    capture::Segment,
    event::{Endpoint, Event, Message, Sink, Timestamp},
    flow::{Gate, Table},
};

/// Nanoseconds after the last flow was shed until which those that were are
/// still kept out. Those that then go on are followed in mid-stream, like any
/// connection that was there before.
const MEMORY: u64 = 60_000_000_000;

/// The overload of one shard.
pub(crate) struct Overload {
    kernel: Arc<dyn Kernel>,
    seed: u64,
    controller: Controller,
    brake: u32,
    /// Flows that the kernel side had shed when it was last asked.
    shed: u64,
    /// Followed flows that were given up.
    given_up: u64,
    /// When something was last shed.
    seen: u64,
    report: Report,
}

impl Overload {
    /// Begins to watch over a ring of `size` bytes, and has the kernel side shed
    /// new flows from now on when that is nearly full.
    pub(crate) fn new(maps: &Arc<Maps>, shard: usize, size: u64) -> Self {
        let seed = maps.seed;
        Self::with(Arc::new(OfShard { maps: Arc::clone(maps), shard }), seed, size)
    }

    fn with(kernel: Arc<dyn Kernel>, seed: u64, size: u64) -> Self {
        let brake = brake(size);
        kernel.set(0, brake);
        Self {
            kernel,
            seed,
            controller: Controller::new(),
            brake,
            shed: 0,
            given_up: 0,
            seen: 0,
            report: Report::default(),
        }
    }

    /// What keeps shed flows out of the shard's table.
    pub(crate) fn gate(&self) -> Box<dyn Gate> {
        Box::new(Shut { kernel: Arc::clone(&self.kernel), seed: self.seed })
    }

    /// Whether nothing is shed and nothing that was is still kept out: then
    /// time alone brings nothing about.
    pub(crate) fn is_quiet(&self) -> bool {
        self.controller.level() == 0 && self.controller.given_up() == 0 && !self.kernel.is_active()
    }

    /// Takes in how the reading stands at `now`, in nanoseconds of
    /// `CLOCK_MONOTONIC`, and does what there is to do. `time`: that of events.
    /// Cheap when nothing is to be done. True when events went into the sink,
    /// for which nobody should wait until the next packet comes.
    pub(crate) fn observe(
        &mut self,
        now: u64,
        load: &Load,
        time: Timestamp,
        table: &mut Table,
        sink: &mut dyn Sink,
    ) -> bool {
        let shed = self.kernel.shed();
        let braked = std::mem::replace(&mut self.shed, shed) != shed;
        let (level, given_up) = (self.controller.level(), self.controller.given_up());
        self.controller.observe(now, load, braked);
        if self.controller.level() != level {
            self.kernel.set(self.controller.level(), self.brake);
        }
        let mut said = false;
        if self.controller.given_up() > given_up {
            self.give_up(time, table, sink);
            said = true;
        }
        if braked || self.controller.level() > 0 {
            self.seen = now;
        } else if now.saturating_sub(self.seen) >= MEMORY && self.kernel.is_active() {
            self.kernel.release();
        }
        let state = report::State {
            level: self.controller.level(),
            giving_up: self.controller.given_up() > 0,
            shed,
            given_up: self.given_up,
        };
        if let Some(overload) = self.report.due(now, &state, load) {
            let message = Message::Overload(overload);
            sink.event(&Event { time, connection: None, side: None, message });
            said = true;
        }
        said
    }

    /// Gives up the flows whose share of all is.
    fn give_up(&mut self, time: Timestamp, table: &mut Table, sink: &mut dyn Sink) {
        let Self { kernel, seed, controller, given_up, .. } = self;
        let mut picks = |client: &Endpoint, server: &Endpoint, syn: Option<u32>| {
            let flow = number(*client, *server, *seed);
            let picked = flow.share() < controller.given_up();
            if picked {
                kernel.stop(flow, Some(syn.unwrap_or_default()));
            }
            picked
        };
        *given_up += table.give_up(&mut picks, time, sink);
    }
}

/// Lets no flow into the table in mid-stream while there are flows that were
/// shed, and has the kernel side stop those that get that far.
struct Shut {
    kernel: Arc<dyn Kernel>,
    seed: u64,
}

impl Gate for Shut {
    fn admits(&mut self, segment: &Segment<'_>) -> bool {
        if !self.kernel.is_active() {
            return true;
        }
        self.kernel.stop(number(segment.source, segment.destination, self.seed), None);
        false
    }

    fn shed(&self) -> u64 {
        self.kernel.shed()
    }
}

/// The number of the flow between two ends, as the kernel side makes it.
fn number(left: Endpoint, right: Endpoint, seed: u64) -> FlowHash {
    let end = |end: Endpoint| (address(end.ip), end.port);
    FlowHash::new(end(left), end(right), seed)
}

fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.octets()),
        IpAddr::V6(address) => {
            #[expect(clippy::cast_possible_truncation, reason = "one half after the other")]
            let half = |bits: u128| (bits as u64).to_be_bytes();
            Address::v6(half(address.to_bits() >> 64), half(address.to_bits()))
        }
    }
}
