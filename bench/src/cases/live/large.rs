//! Large answers: what a tool copies of bodies that nobody asked to see.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tests::{
    kernel::{Held, count_runs},
    rings::Rings,
    server::Nginx,
    topology::{Ip, Topology},
};

use super::{
    pacer::{self, Questions},
    tool::{DEVICE, Tool},
    watch::{Place, Running, watch},
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
const LENGTH_PACED: &str = "length, paced";
const PIPELINED_PACED: &str = "pipelined, paced";
const CHUNKED_PACED: &str = "chunked, paced";
const LENGTH_ROOM: &str = "length, with room";
const PIPELINED_ROOM: &str = "pipelined, with room";
const CHUNKED_ROOM: &str = "chunked, with room";

/// Answers a second of a load that nobody loses anything of, whether bodies are
/// copied or not: only then can what that costs be compared.
const PACE: u32 = 100;

/// Of these, how many in a row.
const PIPELINE: usize = 4;

/// What paced loads take.
const PACED: Duration = Duration::from_millis(1500);

/// tracer with the skip window off: every byte is copied.
pub(super) const OPEN: &str = "tracer no window";

/// The case.
pub(in crate::cases) const CASE: Case = Case {
    name: "live-large",
    about: "HTTP answers of 1 MiB: throughput, and what is copied of them",
    run,
    marks: &[
        copied(LENGTH),
        in_path(LENGTH_ROOM),
        in_path(LENGTH_PACED),
        super::decoded(LENGTH, "decoded, %"),
        super::lost(LENGTH),
        copied(PIPELINED),
        in_path(PIPELINED_ROOM),
        in_path(PIPELINED_PACED),
        super::decoded(PIPELINED, "decoded, %"),
        super::lost(PIPELINED),
        copied(CHUNKED),
        in_path(CHUNKED_ROOM),
        in_path(CHUNKED_PACED),
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
    let piped = Wrk { pipeline: PIPELINE as u64, ..wrk };
    let chunked = Wrk { target: "/chunked", ..wrk };
    let one = Questions { target: "/large", rate: PACE, at_once: 1 };
    let rate = PACE / u32::try_from(PIPELINE)?;
    for ([load, room, paced], about, wrk, questions) in [
        ([LENGTH, LENGTH_ROOM, LENGTH_PACED], "Content-Length, one request at a time", wrk, one),
        (
            [PIPELINED, PIPELINED_ROOM, PIPELINED_PACED],
            "Content-Length, four requests at a time",
            piped,
            Questions { rate, at_once: PIPELINE, ..one },
        ),
        (
            [CHUNKED, CHUNKED_ROOM, CHUNKED_PACED],
            "chunked, one request at a time",
            chunked,
            Questions { target: "/chunked", ..one },
        ),
    ] {
        findings.table(load, about, Some(("none", RATE)));
        let mut tools = tools();
        if load == LENGTH {
            tools.push(Tool::suricata(r#""event_type":"http""#));
        }
        let tools = super::present(options, findings, &tools);
        variant(options, findings, &tools, &topology, &nginx, &wrk)?;
        let ours: Vec<Tool> = self::tools().into_iter().filter(Tool::is_ours).collect();
        let roomy: Vec<Tool> = ours.iter().cloned().map(Tool::with_room).collect();
        let as_fast =
            format!("{about}, as fast as they go; rings of 256 MiB, so that nothing is lost");
        findings.table(room, &as_fast, Some((OPEN, IN_PATH)));
        let time = super::time(options);
        in_the_path(options, findings, &roomy, &topology, || {
            let answered = wrk.run(&topology, &nginx, time)?;
            Ok((answered.answers, answered.possible))
        })?;
        let slowly = format!("{about}, {PACE} a second");
        findings.table(paced, &slowly, Some((OPEN, IN_PATH)));
        let server = SocketAddr::new(topology.address(Ip::V4).parse::<IpAddr>()?, 80);
        in_the_path(options, findings, &ours, &topology, || {
            let client = topology.client().namespace();
            let (asked, _) = client.within(move || pacer::ask(server, questions, PACED))?;
            Ok((asked, asked))
        })?;
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

fn variant(
    options: &Options,
    findings: &mut Findings,
    tools: &[Tool],
    topology: &Topology,
    nginx: &Nginx<'_>,
    wrk: &Wrk,
) -> Result<()> {
    let time = super::time(options);
    if !options.quick {
        wrk.run(topology, nginx, Duration::from_secs(1))?;
    }
    interleave(options.rounds(), tools, |tool, _| {
        let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
        let watched = watch(tool, &place, |running| {
            let running = running.filter(|_| tool.is_ours());
            let meter = running.map(|running| Meter::new(running, topology)).transpose()?;
            let answered = wrk.run(topology, nginx, time)?;
            Ok((answered, meter.map(|meter| meter.copied()).transpose()?))
        })?;
        let (answered, copied) = watched.load;
        findings.add(tool.name, RATE, answered.rate * number(BODY as u64) / 1e6);
        if let Some(copied) = copied {
            findings.add(tool.name, COPIED, 100.0 * copied);
        }
        if let Some(seen) = watched.tool {
            super::add(findings, tool, &seen, answered.answers, answered.possible);
        }
        Ok(())
    })
}

/// What tracer's programs cost for a MiB of bodies, as the kernel counts it,
/// with the window and without. A round in which something was lost does not
/// count. `ask` has answers sent: so many at least, and so many at most.
fn in_the_path(
    options: &Options,
    findings: &mut Findings,
    tools: &[Tool],
    topology: &Topology,
    ask: impl Fn() -> Result<(u64, u64)>,
) -> Result<()> {
    let tools = super::present(options, findings, tools);
    interleave(options.rounds(), &tools, |tool, round| {
        let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
        let watched = watch(tool, &place, |running| {
            let running = running.context("tracer")?;
            let meter = Meter::new(running, topology)?;
            let programs = Held::by(running.pid())?.hold()?;
            let _timed = count_runs()?;
            let before = programs.time();
            let (least, most) = ask()?;
            let spent = programs.time().saturating_sub(before);
            Ok((least, most, spent.as_secs_f64() * 1e6 / number(least), meter.copied()?))
        })?;
        let (least, most, in_path, copied) = watched.load;
        let seen = watched.tool.context("tracer")?;
        if seen.lost == Some(0) {
            findings.add(tool.name, IN_PATH, in_path);
            findings.add(tool.name, COPIED, 100.0 * copied);
        } else {
            findings.note(&format!(
                "{}: round {} does not count, because {:?} was lost in it",
                tool.name,
                round + 1,
                seen.lost
            ));
        }
        super::add(findings, tool, &seen, least, most);
        Ok(())
    })
}

/// Looks at how much tracer's programs copy of what passes the link.
struct Meter<'a> {
    rings: Rings,
    topology: &'a Topology,
    /// Bytes in the rings, and on the link.
    before: (u64, u64),
}

impl<'a> Meter<'a> {
    fn new(running: &Running, topology: &'a Topology) -> Result<Self> {
        let rings = Rings::of(&Held::by(running.pid())?)?;
        let before = (rings.written(), topology.traced().bytes(DEVICE)?);
        Ok(Self { rings, topology, before })
    }

    /// The share of the bytes that passed since then.
    fn copied(&self) -> Result<f64> {
        let (written, passed) = (self.rings.written(), self.topology.traced().bytes(DEVICE)?);
        Ok(number(written - self.before.0) / number(passed - self.before.1))
    }
}
