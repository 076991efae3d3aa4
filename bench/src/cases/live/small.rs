//! Small exchanges, as many as the machine can: what a tool sees of them, and
//! what it leaves of the machine.

use std::time::Duration;

use anyhow::Result;
use tests::server::Nginx;

use super::{
    DECODED, LOST, SOON, family,
    tool::Tool,
    watch::{Place, watch},
    wrk::{self, Wrk},
};
use crate::{
    cases::Case,
    figures::{self, Figure},
    findings::Findings,
    marks::{Mark, Measure},
    options::Options,
    rounds::interleave,
};

const RATE: Figure = Figure::new("requests/s", "");
const SERVER: Figure = Figure::new("server CPU", "µs/request");

/// Rounds of the setting in which the server's own CPU time is compared, which
/// takes an interval.
const PINNED_ROUNDS: usize = 15;

/// Who has which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    /// All have both.
    Shared,
    /// Server and client have one, the tool the other.
    Pinned,
}

const SHARED: &str = "shared";
const PINNED: &str = "pinned";

/// Rivals that decode.
const RIVALS: &[&str] = &["httpry", "tcpflow", "ngrep", "tshark", "suricata"];

/// The case.
pub(in crate::cases) const CASE: Case = Case {
    name: "live-small",
    about: "small HTTP exchanges, as many as nginx and wrk can",
    run,
    marks: &[
        Mark::at_least(SHARED, "decoded, text, %", Measure::Least((TEXT, DECODED.name)), 100.0),
        Mark::at_least(SHARED, "decoded, JSON, %", Measure::Least((JSON, DECODED.name)), 100.0),
        Mark::at_most(SHARED, "lost, text", Measure::Greatest((TEXT, LOST.name)), 0.0),
        Mark::at_most(SHARED, "lost, JSON", Measure::Greatest((JSON, LOST.name)), 0.0),
        Mark::at_least(
            SHARED,
            "requests/s of untraced, text",
            Measure::Ratio((TEXT, RATE.name), ("none", RATE.name)),
            0.80,
        ),
        Mark::at_least(
            SHARED,
            "requests/s of untraced, JSON",
            Measure::Ratio((JSON, RATE.name), ("none", RATE.name)),
            0.72,
        ),
        Mark::at_least(
            SHARED,
            "requests/s of those under the best rival that decodes, text",
            Measure::RatioToBest((TEXT, RATE.name), RIVALS),
            1.4,
        ),
        Mark::at_least(
            SHARED,
            "requests/s of those under the best rival that decodes, JSON",
            Measure::RatioToBest((JSON, RATE.name), RIVALS),
            1.4,
        ),
        Mark::at_least(
            PINNED,
            "decoded 100 ms after the load, text, %",
            Measure::Least((TEXT, SOON.name)),
            100.0,
        ),
        Mark::at_least(
            PINNED,
            "decoded 100 ms after the load, JSON, %",
            Measure::Least((JSON, SOON.name)),
            100.0,
        ),
        Mark::at_most(PINNED, "lost, text", Measure::Greatest((TEXT, LOST.name)), 0.0),
        Mark::at_most(PINNED, "lost, JSON", Measure::Greatest((JSON, LOST.name)), 0.0),
        Mark::at_most(
            PINNED,
            "the server's CPU time a request of that under tcpdump, text",
            Measure::Ratio((TEXT, SERVER.name), ("tcpdump", SERVER.name)),
            1.1,
        ),
        Mark::at_most(
            PINNED,
            "the server's CPU time a request of that under tcpdump, JSON",
            Measure::Ratio((JSON, SERVER.name), ("tcpdump", SERVER.name)),
            1.1,
        ),
    ],
};

const TEXT: &str = "tracer text";
const JSON: &str = "tracer json";

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let about = "everybody on all cores: nginx, wrk and the tool";
    findings.table(SHARED, about, Some(("none", RATE)));
    rounds(options, findings, Setting::Shared, options.rounds(), &shared())?;
    let pinned_rounds = options.rounds_of(PINNED_ROUNDS);
    let about =
        format!("one core for nginx and wrk, the other for the tool; {pinned_rounds} rounds");
    findings.table(PINNED, &about, Some(("tcpdump", SERVER)));
    rounds(options, findings, Setting::Pinned, pinned_rounds, &pinned())?;
    intervals(findings);
    Ok(())
}

fn shared() -> Vec<Tool> {
    let mut tools = vec![Tool::none()];
    tools.extend(pinned());
    tools.extend(super::http_rivals());
    tools
}

fn pinned() -> Vec<Tool> {
    let mut tools = vec![Tool::tcpdump(80)];
    tools.extend(super::http_tracers());
    tools
}

fn rounds(
    options: &Options,
    findings: &mut Findings,
    setting: Setting,
    rounds: usize,
    tools: &[Tool],
) -> Result<()> {
    let tools = super::present(options, findings, tools);
    let topology = super::topology()?;
    let shared = setting == Setting::Shared;
    let workers = if shared { 2 } else { 1 };
    let nginx = Nginx::start_with(topology.server(), &wrk::nginx(workers, &wrk::small()))?;
    if !shared {
        family::pin(nginx.pid(), 0)?;
    }
    let wrk = Wrk {
        threads: if shared { 2 } else { 1 },
        connections: 32,
        core: (!shared).then_some(0),
        pipeline: 1,
        target: "/small",
    };
    let time = super::time(options);
    if !options.quick {
        wrk.run(&topology, &nginx, Duration::from_secs(1))?;
    }
    interleave(rounds, &tools, |tool, _| {
        let place = Place {
            namespace: topology.traced(),
            core: (!shared).then_some(1),
            patience: super::PATIENCE,
        };
        let watched = watch(tool, &place, |_| {
            let before = family::cpu(nginx.pid());
            let answered = wrk.run(&topology, &nginx, time)?;
            Ok((answered, family::cpu_since(nginx.pid(), before)))
        })?;
        let (answered, server) = watched.load;
        findings.add(tool.name, RATE, answered.rate);
        findings.add(tool.name, SERVER, super::micros_each(server, answered.served));
        if let Some(seen) = watched.tool {
            super::add(findings, tool, &seen, answered.answers, answered.possible);
        }
        Ok(())
    })
}

/// What the server pays under tracer against what it pays under tcpdump, with
/// the interval in which that lies.
fn intervals(findings: &mut Findings) {
    let Some(table) = findings.tables.last() else { return };
    let base = table.values("tcpdump", SERVER.name);
    let mut notes = Vec::new();
    for tool in super::http_tracers() {
        let ratios = figures::ratios(table.values(tool.name, SERVER.name), base);
        let (Some(median), Some(interval)) =
            (figures::median(&ratios), figures::interval_of_median(&ratios))
        else {
            continue;
        };
        notes.push(format!(
            "{}: the server's CPU time a request is {median:.3} times that under tcpdump, \
             between {:.3} and {:.3} with {:.0} % ({} rounds)",
            tool.name,
            interval.low,
            interval.high,
            interval.confidence * 100.0,
            ratios.len()
        ));
    }
    for note in notes {
        findings.note(&note);
    }
}
