//! Live traffic: servers and clients that nobody here wrote, in two network
//! namespaces with a veth pair between them, and a tool that looks on at the
//! server's end.
//!
//! In each round every tool has its turn: it is started, and when it sees
//! traffic the load runs. What it writes goes into memory, where it is counted
//! after the tool is through. What there was to see is told by the client and
//! the server, not by any tool.

pub(super) mod churn;
mod family;
mod imap;
mod large;
mod mail;
mod output;
mod paced;
mod pacer;
pub(super) mod shards;
mod small;
mod tool;
mod watch;
mod wrk;

use std::time::Duration;

use anyhow::Result;
use tests::{
    namespace::Namespace,
    topology::{Link, Topology},
};
use tool::{DEVICE, Tool};
use watch::Seen;

use crate::{
    figures::{Figure, number},
    findings::Findings,
    marks::{Mark, Measure},
    options::Options,
};

pub(super) use large::CASE as LARGE;
pub(super) use mail::CASE as MAIL;
pub(super) use paced::CASE as PACED;
pub(super) use small::CASE as SMALL;

const END: Figure = Figure::new("at the end", "%");
const SOON: Figure = Figure::new("+100 ms", "%");
const DECODED: Figure = Figure::new("decoded", "%");
const DONE: Figure = Figure::new("done after", "ms");
const CPU: Figure = Figure::new("CPU", "µs each");
const PEAK: Figure = Figure::new("memory", "MiB");
const LOST: Figure = Figure::count("lost");

const MEBIBYTE: f64 = 1_048_576.0;

/// How long a load runs.
const LOAD: Duration = Duration::from_secs(2);

/// How long a tool may go on after the load before it is ended.
const PATIENCE: Duration = Duration::from_secs(6);

/// tracer has to decode all that there is of a load.
const fn decoded(load: &'static str, what: &'static str) -> Mark {
    Mark::at_least(load, what, Measure::Least(("tracer json", DECODED.name)), 100.0)
}

/// tracer may lose nothing of a load.
const fn lost(load: &'static str) -> Mark {
    Mark::at_most(load, "lost", Measure::Greatest(("tracer json", LOST.name)), 0.0)
}

/// Two machines with a link between them, once those are gone that a run left
/// which was killed.
fn topology() -> Result<Topology> {
    Namespace::sweep();
    Topology::new(Link::Veth)
}

/// How long a load runs; a second if it is only to work at all.
fn time(options: &Options) -> Duration {
    if options.quick { Duration::from_secs(1) } else { LOAD }
}

/// The tools that are asked for and there; of the others the table says why
/// they are not. If it is only to work at all, and no tool was named, that is
/// tracer with JSON alone, and once with two shards.
fn present(options: &Options, findings: &mut Findings, tools: &[Tool]) -> Vec<Tool> {
    let mut present = Vec::new();
    for tool in tools {
        let quick = ["tracer json", shards::TWO].contains(&tool.name);
        let by_default = if options.quick { quick } else { !tool.asked };
        if options.tools.is_empty() && !by_default {
            continue;
        }
        match tool.lacks() {
            Some(reason) => findings.absent(tool.name, &reason),
            // What the others are held against is always there.
            None if !tool.is_there() || options.wants(tool.name) => {
                let tool = tool.clone();
                present.push(if options.quick { tool.with_room() } else { tool });
            }
            None => {}
        }
    }
    present
}

/// tracer, as operators run it on HTTP.
fn http_tracers() -> [Tool; 3] {
    [
        Tool::tracer("tracer text", "", "  HTTP  HTTP/1.1 200"),
        Tool::tracer("tracer json", "--format json", r#""action":"http-response""#),
        Tool::tracer(
            "tracer exchanges",
            "--format json --view exchanges",
            r#""action":"http-exchange""#,
        ),
    ]
}

/// What users would pick instead for HTTP, and what each writes once for an
/// answer.
fn http_rivals() -> Vec<Tool> {
    vec![
        Tool::rival("httpry", &format!("-i {DEVICE} {{tcp port 80}}"), "\t<\t"),
        Tool::rival(
            "tcpflow",
            &format!("-c -X /dev/null -i {DEVICE} {{tcp port 80}}"),
            ": HTTP/1.1 200",
        ),
        Tool::rival("ngrep", &format!("-q -d {DEVICE} HTTP {{tcp port 80}}"), "\n  HTTP/1.1 200"),
        Tool::rival(
            "tshark",
            &format!(
                "-i {DEVICE} -f {{tcp port 80}} -Y http -T fields \
                 -e http.request.method -e http.response.code"
            ),
            "\t200\n",
        ),
        Tool::tshark_ek(80, "http", r#""http_http_response_code""#),
        Tool::suricata(r#""event_type":"http""#),
    ]
}

/// Adds what a tool saw of so many exchanges, of which each may be on its way
/// when the client ends: at most `possible`. tracer has to have seen them all,
/// except where it is told to copy more than it is made for.
fn add(findings: &mut Findings, tool: &Tool, seen: &Seen, known: u64, possible: u64) {
    if tool.decodes() {
        for (figure, decoded) in [(END, seen.at_end), (SOON, seen.soon), (DECODED, seen.decoded)] {
            findings.add(tool.name, figure, share(decoded, known));
        }
        if let Some(done) = seen.done {
            findings.add(tool.name, DONE, done.as_secs_f64() * 1e3);
        }
    }
    let exchanges = if tool.decodes() { seen.decoded } else { possible };
    findings.add(tool.name, CPU, micros_each(seen.cpu, exchanges));
    findings.add(tool.name, PEAK, number(seen.peak) / MEBIBYTE);
    if let Some(lost) = seen.lost {
        findings.add(tool.name, LOST, number(lost));
    }
    if tool.is_ours() && tool.name != large::OPEN {
        let (name, Seen { decoded, lost, .. }) = (tool.name, seen);
        findings.hold((known..=possible).contains(decoded), || {
            format!("{name} has decoded {decoded} of {known} (at most {possible})")
        });
        findings.hold(*lost == Some(0), || match lost {
            Some(lost) => format!("{name} says that it lost {lost}"),
            None => format!("{name} does not say what it lost"),
        });
    }
}

/// A share in per cent; what was on its way when the client ended is not in
/// `all`, and may have been seen.
fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * number(part.min(all)) / number(all) }
}

/// Microseconds of it for each.
fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / number(count.max(1))
}

#[cfg(test)]
mod tests_of_shares {
    use super::*;

    #[test]
    fn what_was_on_its_way_is_no_more_than_all() {
        assert!((share(1, 3) - 33.333).abs() < 0.001);
        assert!((share(12, 10) - 100.0).abs() < f64::EPSILON);
        assert!(share(0, 0).abs() < f64::EPSILON);
    }

    #[test]
    fn tools_are_named_once() {
        let mut names: Vec<_> = http_tracers().iter().map(|tool| tool.name).collect();
        names.extend(http_rivals().iter().map(|tool| tool.name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
