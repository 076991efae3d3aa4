//! The overload with a table, its kernel side played.

use std::{convert::Infallible, io, sync::Mutex};

use super::*;
use crate::{
    capture::{Source, Status},
    cli::{CommonArgs, LiveArgs},
    config::Config,
    output::Output,
    pipeline::Pipeline,
    stats::Outcomes,
};

/// What was asked of the kernel side.
#[derive(Default)]
struct Played {
    level: u32,
    brake: u32,
    shed: u64,
    active: bool,
    stopped: Vec<(FlowHash, Option<u32>)>,
}

impl Kernel for Mutex<Played> {
    fn set(&self, level: u32, brake: u32) {
        let mut played = self.lock().unwrap();
        (played.level, played.brake) = (level, brake);
    }

    fn shed(&self) -> u64 {
        self.lock().unwrap().shed
    }

    fn is_active(&self) -> bool {
        self.lock().unwrap().active
    }

    fn stop(&self, flow: FlowHash, syn: Option<u32>) {
        let mut played = self.lock().unwrap();
        played.stopped.push((flow, syn));
        played.active = true;
    }

    fn release(&self) {
        self.lock().unwrap().active = false;
    }
}

const SECOND: u64 = 1_000_000_000;
const SIZE: u64 = 1 << 20;
const SEED: u64 = 5;

/// Writes down the actions and texts of events.
#[derive(Default)]
struct Said(Vec<String>);

impl Sink for Said {
    fn event(&mut self, event: &Event<'_>) {
        assert!(event.connection.is_none());
        self.0.push(format!("{} {}", event.message.action(), event.message.describe()));
    }
}

/// A ring in which nothing comes any more.
struct Silent;

impl Source for Silent {
    type Error = Infallible;

    fn read(&mut self, _: &mut dyn FnMut(&Segment<'_>)) -> Result<Status, Infallible> {
        Ok(Status::Idle)
    }

    fn outcomes(&self) -> Outcomes {
        Outcomes::default()
    }
}

/// Counts events, and those of them that have left.
#[derive(Default)]
struct Outbox {
    events: u64,
    left: u64,
}

impl Sink for Outbox {
    fn event(&mut self, _: &Event<'_>) {
        self.events += 1;
    }
}

impl Output for Outbox {
    fn flush(&mut self) -> io::Result<()> {
        self.left = self.events;
        Ok(())
    }

    fn events(&self) -> u64 {
        self.events
    }
}

struct Rig {
    played: Arc<Mutex<Played>>,
    overload: Overload,
    table: Table,
    said: Said,
}

fn rig() -> Rig {
    let played = Arc::new(Mutex::new(Played::default()));
    let overload = Overload::with(Arc::clone(&played) as Arc<dyn Kernel>, SEED, SIZE);
    let settings = Config::new(&LiveArgs::default(), &CommonArgs::default()).unwrap().flows;
    let mut table = Table::new(settings);
    table.set_gate(overload.gate());
    Rig { played, overload, table, said: Said::default() }
}

impl Rig {
    fn observe(&mut self, now: u64, waiting: u64) {
        let load = Load { waiting, size: SIZE, age: 0 };
        let Self { overload, table, said, .. } = self;
        overload.observe(now, &load, Timestamp(now), table, said);
    }

    /// Level and brake.
    fn told(&self) -> (u32, u32) {
        let played = self.played();
        (played.level, played.brake)
    }

    fn played(&self) -> std::sync::MutexGuard<'_, Played> {
        self.played.lock().unwrap()
    }
}

#[test]
fn the_kernel_side_is_told_of_the_brake_at_once_and_of_each_level() {
    let mut rig = rig();
    assert_eq!(rig.told(), (0, 786_432));
    rig.observe(SECOND, SIZE * 5 / 8);
    assert_eq!(rig.told(), (16, 786_432));
    assert_eq!(
        rig.said.0,
        ["overload [overload: 7 % of new connections are not followed; the ring is 63 % full, \
          0 ns behind; 0 not followed so far]"]
    );
}

#[test]
fn what_was_stopped_is_let_go_a_minute_after_the_last_flow_was_shed() {
    let mut rig = rig();
    rig.played().shed = 3;
    rig.played().active = true;
    rig.observe(SECOND, 0);
    assert_eq!(rig.played().level, 16);
    for second in 2..10 {
        rig.observe(second * SECOND, 0);
    }
    assert_eq!(rig.played().level, 0);
    assert!(rig.played().active);
    let over = rig.said.0.last().unwrap();
    assert_eq!(over, "overload [overload is over: 3 not followed so far]");
    rig.observe(50 * SECOND, 0);
    assert!(rig.played().active);
    rig.observe(66 * SECOND, 0);
    assert!(!rig.played().active);
}

#[test]
fn what_it_has_to_say_leaves_with_no_packet_behind_it() {
    let Rig { mut overload, table, .. } = rig();
    let mut pipeline = Pipeline::new(Silent, table, Outbox::default());
    let full = Load { waiting: SIZE, size: SIZE, age: 0 };
    pipeline.watch(&mut overload, SECOND, &full).unwrap();
    let outbox = pipeline.output_mut();
    assert_eq!((outbox.events, outbox.left), (1, 1));
}

#[test]
fn both_sides_number_flows_alike() {
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    let (client, server) = (end("10.0.0.1", 40_000), end("10.0.0.2", 80));
    let expected =
        FlowHash::new((Address::v4([10, 0, 0, 1]), 40_000), (Address::v4([10, 0, 0, 2]), 80), SEED);
    assert_eq!(number(client, server, SEED), expected);
    assert_eq!(number(server, client, SEED), expected);
    let v6 = number(end("fd77::1", 1), end("fd77::2", 2), SEED);
    let high = [0xfd, 0x77, 0, 0, 0, 0, 0, 0];
    let low = |last| Address::v6(high, [0, 0, 0, 0, 0, 0, 0, last]);
    assert_eq!(v6, FlowHash::new((low(1), 1), (low(2), 2), SEED));
}
