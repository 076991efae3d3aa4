//! Large answers: what a tool copies of bodies that nobody asked to see.

use std::{process::Command, time::Duration};

use anyhow::Result;
use tests::{
    kernel::{Held, count_runs},
    program,
    rings::Rings,
    server::Nginx,
    topology::Topology,
    wait,
};

use super::{
    tool::{DEVICE, Tool},
    watch::{Place, watch},
    wrk::{self, Wrk},
};
use crate::{
    cases::Case,
    figures::{Figure, number},
    findings::Findings,
    marks::{Bound, Mark, Measure},
    options::Options,
    rounds::interleave,
};

const RATE: Figure = Figure::new("MB/s", "");
const COPIED: Figure = Figure::new("copied", "%");
const IN_PATH: Figure = Figure::new("in-path", "µs/MiB");

/// Bytes of an answer's body.
const BODY: usize = 1 << 20;

const LENGTH: &str = "length";
const PIPELINED: &str = "pipelined";
const CHUNKED: &str = "chunked";

/// tracer with the skip window off: every byte is copied.
pub(super) const OPEN: &str = "tracer no window";

/// The case.
pub(in crate::cases) const CASE: Case = Case {
    name: "live-large",
    about: "HTTP answers of 1 MiB: throughput, and what is copied of them",
    run,
    marks: &[
        copied(LENGTH),
        in_path(LENGTH),
        super::decoded(LENGTH, "decoded, %"),
        super::lost(LENGTH),
        copied(PIPELINED),
        in_path(PIPELINED),
        super::decoded(PIPELINED, "decoded, %"),
        super::lost(PIPELINED),
        copied(CHUNKED),
        in_path(CHUNKED),
        super::decoded(CHUNKED, "decoded, %"),
        super::lost(CHUNKED),
    ],
};

const fn copied(load: &'static str) -> Mark {
    Mark {
        load,
        what: "bytes copied to user space, % of those on the wire",
        measure: Measure::Value(("tracer json", COPIED.name)),
        bound: Bound::AtMost(0.5),
    }
}

const fn in_path(load: &'static str) -> Mark {
    Mark {
        load,
        what: "time in the path, of that with the window off",
        measure: Measure::Ratio(("tracer json", IN_PATH.name), (OPEN, IN_PATH.name)),
        bound: Bound::AtMost(0.1),
    }
}

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let topology = super::topology()?;
    // The server does not know the length of what it looks through for
    // commands of its own, and sends it in chunks.
    let locations = "location /chunked { ssi on; ssi_types *; }";
    let nginx = Nginx::start_with(topology.server(), &wrk::nginx(2, locations))?;
    for name in ["large", "chunked"] {
        nginx.document(name, &vec![b'x'; BODY])?;
    }
    let wrk = Wrk { threads: 1, connections: 4, core: None, pipeline: 1, target: "/large" };
    for (load, about, wrk) in [
        (LENGTH, "Content-Length, one request at a time", wrk),
        (PIPELINED, "Content-Length, four requests at a time", Wrk { pipeline: 4, ..wrk }),
        (CHUNKED, "chunked, one request at a time", Wrk { target: "/chunked", ..wrk }),
    ] {
        findings.table(load, about, Some(("none", RATE)));
        variant(options, findings, &topology, &nginx, &wrk)?;
    }
    Ok(())
}

fn tools() -> Vec<Tool> {
    let [_, json, _] = super::http_tracers();
    vec![
        Tool::none(),
        Tool::tcpdump(80),
        json,
        Tool::tracer(OPEN, "--format json --skip-from none", r#""action":"http-response""#),
        Tool::rival("httpry", &format!("-i {DEVICE} {{tcp port 80}}"), "\t<\t"),
    ]
}

/// Whether the tracer at hand skips anything at all.
fn has_window() -> bool {
    let help =
        wait::success(Command::new(program::tracer()).arg("--help"), Duration::from_secs(10));
    help.is_ok_and(|help| help.contains("--skip-from"))
}

fn variant(
    options: &Options,
    findings: &mut Findings,
    topology: &Topology,
    nginx: &Nginx<'_>,
    wrk: &Wrk,
) -> Result<()> {
    let mut tools = super::present(options, findings, &tools());
    if !has_window() {
        findings.absent(OPEN, "this tracer has no --skip-from");
        tools.retain(|tool| tool.name != OPEN);
    }
    let time = super::time(options);
    if !options.quick {
        wrk.run(topology, nginx, Duration::from_secs(1))?;
    }
    interleave(options.rounds(), &tools, |tool, _| {
        let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
        let watched = watch(tool, &place, |running| {
            let Some(running) = running.filter(|_| tool.is_ours()) else {
                let answered = wrk.run(topology, nginx, time)?;
                return Ok((answered, answered.answers, answered.possible, None, None));
            };
            let held = Held::by(running.pid())?;
            let (rings, wire) = (Rings::of(&held)?, || topology.traced().bytes(DEVICE));
            let before = (rings.written(), wire()?);
            let answered = wrk.run(topology, nginx, time)?;
            let copied = number(rings.written() - before.0) / number(wire()? - before.1);
            if options.quick {
                return Ok((answered, answered.answers, answered.possible, Some(copied), None));
            }
            // What it costs to have them timed is in no other figure.
            let programs = held.hold()?;
            let _timed = count_runs()?;
            let before = programs.time();
            let again = wrk.run(topology, nginx, Duration::from_secs(1))?;
            let each =
                programs.time().saturating_sub(before).as_secs_f64() * 1e6 / number(again.answers);
            let answers = answered.answers + again.answers;
            Ok((answered, answers, answered.possible + again.possible, Some(copied), Some(each)))
        })?;
        let (answered, answers, possible, copied, in_path) = watched.load;
        findings.add(tool.name, RATE, answered.rate * number(BODY as u64) / 1e6);
        if let Some(each) = in_path {
            findings.add(tool.name, IN_PATH, each);
        }
        if let Some(copied) = copied {
            findings.add(tool.name, COPIED, 100.0 * copied);
        }
        if let Some(seen) = watched.tool {
            super::add(findings, tool, &seen, answers, possible);
        }
        Ok(())
    })
}
