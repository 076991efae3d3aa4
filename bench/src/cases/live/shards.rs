//! What it costs to share the work: the same load with one ring and worker
//! thread, with two and with four, whose events are then put in order.

use std::time::Duration;

use anyhow::Result;
use tests::server::Nginx;

use super::{
    CPU, family,
    tool::Tool,
    watch::{Place, watch},
    wrk::{self, Wrk},
};
use crate::{figures::Figure, findings::Findings, options::Options, rounds::interleave};

const RATE: Figure = Figure::new("requests/s", "");

const ONE: &str = "tracer 1 shard";
pub(super) const TWO: &str = "tracer 2 shards";

/// One table where server, client and tracer share all cores, and one where
/// tracer has a core to itself: what more than one shard costs where it can
/// gain nothing is the price of the order.
pub(in crate::cases) fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    for (load, about, pinned) in [
        ("shards", "the load of live-small, everybody on all cores, `--shards N`", false),
        (
            "shards on one core",
            "the load of live-small, tracer on a core of its own, `--shards N`",
            true,
        ),
    ] {
        findings.table(load, about, Some((ONE, CPU)));
        measure(options, findings, pinned)?;
    }
    Ok(())
}

fn tools() -> Vec<Tool> {
    let sign = r#""action":"http-response""#;
    [(ONE, 1), (TWO, 2), ("tracer 4 shards", 4)]
        .map(|(name, shards)| Tool::tracer(name, &format!("--format json --shards {shards}"), sign))
        .into()
}

fn measure(options: &Options, findings: &mut Findings, pinned: bool) -> Result<()> {
    let tools = super::present(options, findings, &tools());
    let topology = super::topology()?;
    let workers = if pinned { 1 } else { 2 };
    let nginx = Nginx::start_with(topology.server(), &wrk::nginx(workers, &wrk::small()))?;
    if pinned {
        family::pin(nginx.pid(), 0)?;
    }
    let wrk = Wrk {
        threads: workers,
        connections: 32,
        core: pinned.then_some(0),
        pipeline: 1,
        target: "/small",
    };
    let time = super::time(options);
    if !options.quick {
        wrk.run(&topology, &nginx, Duration::from_secs(1))?;
    }
    interleave(options.rounds(), &tools, |tool, _| {
        let core = pinned.then_some(1);
        let place = Place { namespace: topology.traced(), core, patience: super::PATIENCE };
        let watched = watch(tool, &place, |_| wrk.run(&topology, &nginx, time))?;
        let answered = watched.load;
        findings.add(tool.name, RATE, answered.rate);
        if let Some(seen) = watched.tool {
            super::add(findings, tool, &seen, answered.answers, answered.possible);
        }
        Ok(())
    })
}
