//! Small exchanges at a fixed rate that leaves the machine idle: what each
//! costs, and how long its events take.

use std::{
    fs::File,
    io::{PipeReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Error, Result, bail, ensure};
use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    time::{ClockId, clock_gettime},
};
use tests::{
    server::Nginx,
    topology::{Ip, Topology},
    wait,
};

use super::{
    CPU, family,
    pacer::{self, Questions},
    tool::{DEVICE, Tool},
    watch::{Place, Running, watch},
    wrk,
};
use crate::{
    cases::Case,
    figures::{Figure, number, quantile},
    findings::Findings,
    marks::{Mark, Measure},
    options::Options,
    rounds::interleave,
};

/// What the machine could do of [`QUESTIONS`].
const REACHED: Figure = Figure::new("requests/s", "");
const IDLE: Figure = Figure::new("idle", "% of a core");
const P50: Figure = Figure::new("p50", "ms");
const P99: Figure = Figure::new("p99", "ms");
const GREATEST: Figure = Figure::new("max", "ms");

/// 5,000 requests a second.
const QUESTIONS: Questions = Questions { target: "/small", rate: 5000, at_once: 1 };

/// The name of a thread that decodes nothing.
const SLEEPER: &str = "sleeper";

/// How long it sleeps: with what comes on top, no longer than an event may take.
const NAP: Duration = Duration::from_millis(4);

/// Bytes that it writes for an exchange: about as many as JSON has of one.
const WRITTEN: usize = 1000;

/// How long an idle tool is looked at.
const REST: Duration = Duration::from_secs(1);

/// How long the events of the last packets may take.
const LAST: Duration = Duration::from_millis(1500);

const COST: &str = "cost";
const TIME: &str = "time";

/// The case.
pub(in crate::cases) const CASE: Case = Case {
    name: "live-paced",
    about: "5,000 small HTTP exchanges a second: what each costs, and when its event is there",
    run,
    marks: &[
        Mark::at_most(
            COST,
            "CPU time an exchange, µs: exchanges, JSON to a file",
            Measure::Value(("tracer exchanges", CPU.name)),
            1.5,
        ),
        Mark::at_most(
            COST,
            "CPU time an exchange, µs: messages, JSON to a file",
            Measure::Value(("tracer json", CPU.name)),
            2.5,
        ),
        Mark::at_most(COST, "idle, % of a core", Measure::Value(("tracer json", IDLE.name)), 0.1),
        Mark::at_most(
            TIME,
            "packet to event, p99, ms: messages",
            Measure::Value(("tracer json", P99.name)),
            5.0,
        ),
        Mark::at_most(
            TIME,
            "packet to event, p99, ms: exchanges",
            Measure::Value(("tracer exchanges", P99.name)),
            5.0,
        ),
    ],
};

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let topology = super::topology()?;
    let nginx = Nginx::start_with(topology.server(), &wrk::nginx(1, &wrk::small()))?;
    let time = super::time(options);

    findings.table(
        COST,
        "each tool writes into a file in memory; the sleeper is a thread that wakes up every 4 ms \
         and writes 1,000 bytes an exchange, and does nothing else",
        None,
    );
    let mut tools = vec![Tool::none(), Tool::tcpdump(80)];
    tools.extend(super::http_tracers());
    tools.extend(super::http_rivals());
    let tools = super::present(options, findings, &tools);
    interleave(options.rounds(), &tools, |tool, _| {
        if !tool.is_there() {
            sleeper(findings, &topology, time)?;
        }
        cost(options, findings, &topology, tool, time)
    })?;

    findings.table(TIME, "a reader notes when each event comes out of a pipe", None);
    let tools = super::present(options, findings, &timed());
    interleave(options.rounds(), &tools, |tool, _| delay(findings, &topology, tool, time))?;
    drop(nginx);
    Ok(())
}

/// The tools whose lines say when their packet was there; those that would keep
/// lines back are told not to.
fn timed() -> Vec<Tool> {
    let [_, json, exchanges] = super::http_tracers();
    let tshark = format!("-l -i {DEVICE} -f {{tcp port 80}} -Y http -T fields -e frame.time_epoch");
    let ngrep = format!("-l -q -t -d {DEVICE} HTTP {{tcp port 80}}");
    vec![
        json,
        exchanges,
        Tool::rival("tshark", &tshark, "\n"),
        Tool::rival("ngrep", &ngrep, "\nT "),
    ]
}

fn ask(topology: &Topology, time: Duration) -> Result<(u64, Duration)> {
    let server = SocketAddr::new(topology.address(Ip::V4).parse::<IpAddr>()?, 80);
    topology.client().namespace().within(move || pacer::ask(server, QUESTIONS, time))
}

/// What it costs to wake up and to write as often as events may not be late:
/// less than that is not to be had here.
fn sleeper(findings: &mut Findings, topology: &Topology, time: Duration) -> Result<()> {
    let ended = AtomicBool::new(false);
    let (asked, cpu) = thread::scope(|scope| {
        let sleeping = scope.spawn(|| -> Result<Duration> {
            let mut file = File::from(memfd_create(c"sleeper", MFdFlags::MFD_CLOEXEC)?);
            let exchanges = u128::from(QUESTIONS.rate) * NAP.as_millis() / 1000;
            let bytes = vec![b'x'; usize::try_from(exchanges)? * WRITTEN];
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(NAP);
                file.write_all(&bytes)?;
            }
            Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
        });
        let asked = ask(topology, time);
        ended.store(true, Ordering::Relaxed);
        let cpu = sleeping.join().unwrap_or_else(|_| bail!("the sleeper panicked"));
        Ok::<_, Error>((asked?.0, cpu?))
    })?;
    findings.add(SLEEPER, CPU, super::micros_each(cpu, asked));
    Ok(())
}

/// What a tool costs.
fn cost(
    options: &Options,
    findings: &mut Findings,
    topology: &Topology,
    tool: &Tool,
    time: Duration,
) -> Result<()> {
    let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
    let watched = watch(tool, &place, |running| {
        let idle = running.filter(|_| !options.quick).map(|running| {
            let before = family::cpu(running.pid());
            thread::sleep(REST);
            family::cpu_since(running.pid(), before)
        });
        Ok((ask(topology, time)?, idle))
    })?;
    let ((asked, time), idle) = watched.load;
    findings.add(tool.name, REACHED, number(asked) / time.as_secs_f64());
    if let Some(mut seen) = watched.tool {
        // Idling was no part of the load.
        seen.cpu = seen.cpu.saturating_sub(idle.unwrap_or_default());
        super::add(findings, tool, &seen, asked, asked);
    }
    if let Some(idle) = idle {
        findings.add(tool.name, IDLE, 100.0 * idle.as_secs_f64() / REST.as_secs_f64());
    }
    Ok(())
}

/// How long its events take.
fn delay(findings: &mut Findings, topology: &Topology, tool: &Tool, time: Duration) -> Result<()> {
    let place = Place { namespace: topology.traced(), core: None, patience: LAST };
    let (reader, writer) = std::io::pipe()?;
    let running = Running::start(tool, &place, writer.into())?;
    let ours = tool.is_ours();
    let arrivals = thread::spawn(move || arrivals(reader, if ours { json } else { rival }));
    let (asked, time) = ask(topology, time)?;
    findings.add(tool.name, REACHED, number(asked) / time.as_secs_f64());
    thread::sleep(LAST);
    let said = running.stop(tool);
    tool.tidy();
    said?;
    let delays = wait::join(arrivals)?;
    if ours {
        let lines = if tool.name.ends_with("exchanges") { asked } else { 2 * asked };
        findings.truth(&format!("times of {}", tool.name), delays.len() as u64, lines);
    }
    for (figure, share) in [(P50, 0.5), (P99, 0.99), (GREATEST, 1.0)] {
        if let Some(delay) = quantile(&delays, share) {
            findings.add(tool.name, figure, delay);
        }
    }
    Ok(())
}

/// Reads lines until the last writer is gone: how many milliseconds after its
/// packet each line came.
fn arrivals(mut reader: PipeReader, time_of: fn(&str) -> Option<u128>) -> Result<Vec<f64>> {
    let mut delays = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut line = Vec::new();
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(delays);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        for part in buffer.get(..read).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            line.extend(part);
            if part.last() == Some(&b'\n') {
                if let Some(time) = std::str::from_utf8(&line).ok().and_then(time_of) {
                    ensure!(now + 1_000_000_000 > time, "an event of the future");
                    delays.push(milliseconds(now.saturating_sub(time)));
                }
                line.clear();
            }
        }
    }
}

fn milliseconds(nanoseconds: u128) -> f64 {
    u64::try_from(nanoseconds).map_or(f64::MAX, |time| number(time) / 1e6)
}

/// When the last packet of an event was there, in nanoseconds since 1970; only
/// of HTTP.
fn json(line: &str) -> Option<u128> {
    let action = between(line, r#""action":"http-"#, "\"")?;
    let time = stamp(between(line, r#"{"@timestamp":""#, "Z\"")?, 'T')?;
    if action == "exchange" {
        let duration = between(line, r#""duration":"#, ",")?;
        return Some(time + duration.parse::<u128>().ok()?);
    }
    Some(time)
}

/// The same of a rival's line: `T 2026/11/23 12:54:17.123456 …`, or seconds
/// with a fraction.
fn rival(line: &str) -> Option<u128> {
    if let Some(rest) = line.strip_prefix("T ") {
        let end = rest.match_indices(' ').nth(1)?.0;
        return stamp(rest.get(..end)?, ' ');
    }
    let (seconds, fraction) = line.trim_end().split_once('.')?;
    Some(seconds.parse::<u128>().ok()? * 1_000_000_000 + nanoseconds(fraction)?)
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(behind).map(|(between, _)| between)
}

/// Date and time of UTC as nanoseconds since 1970.
fn stamp(text: &str, between: char) -> Option<u128> {
    let (date, time) = text.split_once(between)?;
    let (time, fraction) = time.split_once('.')?;
    let mut date = date.split(['-', '/']).map(|part| part.parse::<u128>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split(':').map(|part| part.parse::<u128>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Years that begin in March have their odd day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    // From the first of March of the year 0 to 1970.
    let days = days.checked_sub(719_469)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000_000_000 + nanoseconds(fraction)?)
}

/// A fraction of a second.
fn nanoseconds(fraction: &str) -> Option<u128> {
    format!("{fraction:0<9}").get(..9)?.parse().ok()
}

#[cfg(test)]
mod tests_of_times {
    use super::*;

    #[test]
    fn times_of_lines_are_nanoseconds_since_1970() {
        let message = r#"{"@timestamp":"2026-11-23T11:04:52.657349926Z","event":{"action":"http-request","sequence":2}"#;
        let expected = 1_795_431_892_657_349_926;
        assert_eq!(json(message), Some(expected));
        let exchange = message.replace("request", "exchange").replace("2}", "2,\"duration\":74,}");
        assert_eq!(json(&exchange), Some(expected + 74));
        assert_eq!(json(&message.replace("http-", "tcp-")), None);
        let ngrep = "T 2026/11/23 11:04:52.657349 10.77.0.2:80 -> 10.77.0.1:42296 [AP] #86500\n";
        assert_eq!(rival(ngrep), Some(expected - 926));
        assert_eq!(rival("1795431892.657349926\n"), Some(expected));
        assert_eq!(rival("  HTTP/1.1 200 OK.. \n"), None);
        assert_eq!(stamp("1970-01-01T00:00:00.0", 'T'), Some(0));
        assert_eq!(stamp("2000-03-01T00:00:00.5", 'T'), Some(951_868_800_500_000_000));
    }
}
