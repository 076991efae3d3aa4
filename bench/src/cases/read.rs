//! `read`: capture files, on one processor, against each rival on the same
//! file.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::Case;
use crate::{
    figures::{Figure, number},
    findings::Findings,
    made::{self, Kind, Made},
    marks::{Bound, Mark, Measure},
    options::Options,
    process::{Cost, Output, Program},
    rivals::{self, Found, Rival},
    rounds, say,
};

/// The case.
pub(super) const CASE: Case = Case {
    name: "read",
    about: "capture files, one processor, against each rival on the same file",
    run,
    marks: &[
        Mark {
            load: "small",
            what: "text, packets/s against the read floor",
            measure: Measure::Ratio((TEXT, PACKETS.name), (FLOOR, PACKETS.name)),
            bound: Bound::AtLeast(0.43),
        },
        Mark {
            load: "small",
            what: "JSON, packets/s against the read floor",
            measure: Measure::Ratio((JSON, PACKETS.name), (FLOOR, PACKETS.name)),
            bound: Bound::AtLeast(0.25),
        },
    ],
};

/// Limit of one run of one tool.
const LIMIT: Duration = Duration::from_mins(5);

/// The floor: tcpdump, which reads and copies and decodes nothing.
const FLOOR: &str = "tcpdump";
const TEXT: &str = "tracer text";
const JSON: &str = "tracer json";
const EXCHANGES: &str = "tracer exchanges";

const PACKETS: Figure = Figure::new("packets/s", "");
const MESSAGES: Figure = Figure::new("exchanges/s", "");
const BYTES: Figure = Figure::new("MB/s", "");
const CPU: Figure = Figure::new("CPU", "s");
const WALL: Figure = Figure::new("wall", "s");
const MEMORY: Figure = Figure::new("memory", "MB");
const FOUND: Figure = Figure::new("found", "%");

/// A kind of capture, and how one sees that all of it was found.
struct Load {
    kind: &'static Kind,
    about: &'static str,
    /// What a line of tracer's JSON has in it that tells of one exchange.
    action: &'static str,
    /// tshark's filter, and the fields that it writes; of which a line tells
    /// of one message.
    tshark: &'static [&'static str],
    /// What ngrep looks for.
    ngrep: &'static str,
    /// Messages of an exchange, as rivals that pair nothing count them.
    messages: u64,
    /// Rivals that can do anything with it.
    rivals: &'static [&'static str],
}

const LOADS: &[Load] = &[Load {
    kind: &made::SMALL,
    about: "HTTP exchanges of a browser and nginx with bodies of at most 300 bytes, most on \
            connections that are kept",
    action: r#""action":"http-exchange""#,
    tshark: &[
        "-Y",
        "http",
        "-e",
        "frame.time_epoch",
        "-e",
        "ip.src",
        "-e",
        "ip.dst",
        "-e",
        "http.request.method",
        "-e",
        "http.request.uri",
        "-e",
        "http.response.code",
    ],
    ngrep: "^(GET|POST|HTTP/1)",
    messages: 2,
    rivals: &["httpry", "tcpflow", "ngrep", "tshark"],
}];

/// Somebody who reads the capture.
struct Reader {
    name: &'static str,
    found: Option<Found>,
}

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let tracer = rivals::tracer()?;
    for load in LOADS {
        let made = load.kind.make(options.quick)?;
        let about = format!(
            "{}; {} exchanges in {} packets, {:.0} MB",
            load.about,
            made.truth.exchanges,
            made.truth.packets,
            number(made.bytes) / 1e6
        );
        findings.table(load.kind.name, &about, Some((FLOOR, PACKETS)));
        let mut readers = Vec::new();
        for name in [FLOOR].into_iter().chain(load.rivals.iter().copied()) {
            match Rival::of(name).and_then(Rival::find) {
                _ if !options.wants(name) => {}
                Some(found) => readers.push(Reader { name, found: Some(found) }),
                None => findings.absent(name, "not installed"),
            }
        }
        let ours = [TEXT, JSON, EXCHANGES].into_iter().filter(|name| options.wants(name));
        readers.extend(ours.map(|name| Reader { name, found: None }));
        for reader in &readers {
            hold(load, reader, &made, &tracer, findings)?;
        }
        rounds::interleave(options.rounds(), &readers, |reader, round| {
            let program = reader.program(load, &made.path, &tracer, Output::Nowhere)?;
            let cost = program.run(LIMIT)?.success()?;
            say(&format!("round {}: {}: {:.2} s", round + 1, reader.name, cost.wall.as_secs_f64()));
            record(findings, reader.name, &made, &cost);
            Ok(())
        })?;
    }
    Ok(())
}

fn record(findings: &mut Findings, tool: &str, made: &Made, cost: &Cost) {
    // Time on the processor, which is the one that it has: what others do to
    // the machine meanwhile is not in it.
    let cpu = cost.cpu().as_secs_f64();
    for (figure, value) in [
        (PACKETS, number(made.truth.packets) / cpu),
        (MESSAGES, number(made.truth.exchanges) / cpu),
        (BYTES, number(made.bytes) / 1e6 / cpu),
        (CPU, cpu),
        (WALL, cost.wall.as_secs_f64()),
        (MEMORY, number(cost.peak) / 1e6),
    ] {
        findings.add(tool, figure, value);
    }
}

/// Counts once what a reader finds. tracer must find everything; of the others
/// the share is a figure.
fn hold(
    load: &Load,
    reader: &Reader,
    made: &Made,
    tracer: &Path,
    findings: &mut Findings,
) -> Result<()> {
    let texts = match reader.name {
        FLOOR => return Ok(()),
        // Exchanges are told of in each view: text is held by its lines.
        EXCHANGES => vec![load.action.to_owned()],
        _ => vec![],
    };
    let program = reader.program(load, &made.path, tracer, Output::Counted(texts))?;
    let cost = program.run(LIMIT)?.success()?;
    let counts = cost.counts;
    let messages = load.messages * made.truth.exchanges;
    let (found, known) = match reader.name {
        EXCHANGES => (counts.with.first().copied().unwrap_or_default(), made.truth.exchanges),
        _ => (counts.lines, messages),
    };
    if reader.found.is_none() {
        findings.truth(&format!("{} {}", load.kind.name, reader.name), found, known);
    }
    findings.add(reader.name, FOUND, 100.0 * number(found) / number(known));
    Ok(())
}

impl Reader {
    fn program(
        &self,
        load: &Load,
        capture: &Path,
        tracer: &Path,
        output: Output,
    ) -> Result<Program> {
        let processor = std::thread::available_parallelism().map_or(1, usize::from) - 1;
        let program = match &self.found {
            None => {
                let mut command = Command::new(tracer);
                command.arg("read").arg(capture);
                match self.name {
                    JSON => command.args(["--format", "json"]),
                    EXCHANGES => command.args(["--format", "json", "--view", "exchanges"]),
                    _ => &mut command,
                };
                Program::new(command, output)
            }
            Some(found) => {
                let mut command = found.command();
                match self.name {
                    "tcpdump" => command.args(["-n", "-Z", "root", "-r", "-", "-w", "/dev/null"]),
                    "httpry" => command.args(["-r", "-"]),
                    "tcpflow" => command.args(["-r", "-", "-c"]),
                    "ngrep" => command.args(["-q", "-I", "-", "-W", "byline", load.ngrep]),
                    _ => command.args(["-n", "-r", "-", "-T", "fields"]).args(load.tshark),
                };
                let program = Program::new(command, output).read(capture)?;
                match &found.root {
                    Some(root) => program.below(root),
                    None => program,
                }
            }
        };
        Ok(program.on(&[processor]))
    }
}
