//! Memory while connections come and go: what ended must leave nothing behind.

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tests::{server::Nginx, topology::Ip, wait};

use super::{
    family, pacer,
    tool::Tool,
    watch::{Place, watch},
    wrk,
};
use crate::{
    figures::{Figure, number},
    findings::Findings,
    options::Options,
};

/// Load and figures, for the marks.
pub(in crate::cases) const LOAD: &str = "live churn";
pub(in crate::cases) const EARLY: &str = "after a quarter";
pub(in crate::cases) const LATE: &str = "at the end";
pub(in crate::cases) const MEMORY: Figure = Figure::new("memory", "MB");

const CONNECTIONS: Figure = Figure::count("connections");

/// New connections a second.
const NEW: u32 = 1000;

/// When its memory is looked at, in parts of the time.
const PARTS: u32 = 40;

/// New connections for so many minutes, each with one exchange.
pub(in crate::cases) fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let time = if options.quick {
        Duration::from_secs(2)
    } else {
        Duration::from_mins(options.minutes.max(1))
    };
    let about = format!(
        "{NEW} new connections a second to nginx for {} s, an exchange each: memory of tracer's \
         processes, the median of what it was around then",
        time.as_secs()
    );
    findings.table(LOAD, &about, None);
    let tool = Tool::tracer(
        "tracer exchanges",
        "--format json --view exchanges",
        r#""action":"http-exchange""#,
    );
    let topology = super::topology()?;
    let nginx = Nginx::start_with(topology.server(), &wrk::nginx(1, &wrk::small()))?;
    let server = SocketAddr::new(topology.address(Ip::V4).parse::<IpAddr>()?, 80);
    let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
    let watched = watch(&tool, &place, |running| {
        let pid = running.context("tracer")?.pid();
        let visits = move || pacer::visit(server, "/small", NEW, time);
        let visits = topology.client().namespace().spawn(visits)?;
        let begun = Instant::now();
        let mut memory = Vec::new();
        for part in 1..=PARTS {
            thread::sleep((time / PARTS * part).saturating_sub(begun.elapsed()));
            memory.push(number(family::memory(pid)) / 1e6);
        }
        Ok((wait::join(visits)?, memory))
    })?;
    drop(nginx);
    let (visits, memory) = watched.load;
    let parts = memory.len();
    for (row, part) in
        [(EARLY, memory.get(parts / 5..parts * 3 / 10)), (LATE, memory.get(parts * 9 / 10..))]
    {
        for value in part.unwrap_or_default() {
            findings.add(row, MEMORY, *value);
        }
    }
    findings.add(LATE, CONNECTIONS, number(visits));
    let seen = watched.tool.context("tracer")?;
    findings.truth("exchanges of connections that came and went", seen.decoded, visits);
    findings.truth("lost of them", seen.lost.unwrap_or(u64::MAX), 0);
    Ok(())
}
