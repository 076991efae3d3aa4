//! `read`: capture files, on one processor, against each rival on the same
//! file.

mod loads;

use std::{process::Command, time::Duration};

use anyhow::Result;

use tests::program::NO_SETTINGS;

use self::loads::{Call, EXCHANGES, Effort, FLOOR, JSON, LOADS, Load, TEXT};
use super::Case;
use crate::{
    figures::{Figure, number},
    findings::Findings,
    made::Made,
    marks::{Mark, Measure},
    options::Options,
    process::{self, Cost, Output, Program},
    rivals::{self, Found, Rival},
    rounds, say,
};

/// The case.
pub(super) const CASE: Case = Case {
    name: "read",
    about: "capture files, one processor, against each rival on the same file",
    run,
    marks: &[
        Mark::at_least(
            "small",
            "text, packets/s against the read floor",
            Measure::Ratio((TEXT, PACKETS.name), (FLOOR, PACKETS.name)),
            0.43,
        ),
        Mark::at_least(
            "small",
            "JSON, packets/s against the read floor",
            Measure::Ratio((JSON, PACKETS.name), (FLOOR, PACKETS.name)),
            0.25,
        ),
        Mark::at_least(
            "large",
            "text, packets/s against the read floor",
            Measure::Ratio((TEXT, PACKETS.name), (FLOOR, PACKETS.name)),
            1.0,
        ),
        Mark::at_least(
            "mails",
            "mails a second, one JSON line each",
            Measure::Value((EXCHANGES, MESSAGES.name)),
            90_000.0,
        ),
        Mark::at_least(
            "imap",
            "commands a second, one JSON line each",
            Measure::Value((EXCHANGES, MESSAGES.name)),
            400_000.0,
        ),
    ],
};

/// Limit of one run of one tool.
const LIMIT: Duration = Duration::from_mins(5);

const PACKETS: Figure = Figure::new("packets/s", "");
const MESSAGES: Figure = Figure::new("exchanges/s", "");
const BYTES: Figure = Figure::new("MB/s", "");
const CPU: Figure = Figure::new("CPU", "s");
const WALL: Figure = Figure::new("wall", "s");
const MEMORY: Figure = Figure::new("memory", "MB");
const FOUND: Figure = Figure::new("found", "%");

/// Rounds of what takes as long as all others together.
const FEW: usize = 2;

/// Somebody who reads a capture.
struct Reader {
    call: &'static Call,
    /// Where it is; `None` for tracer.
    rival: Option<Found>,
    /// What it reads.
    made: Made,
}

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
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
        let readers = readers(options, findings, load, &made)?;
        // What rivals find is a figure, which a quick run does without.
        let held = |reader: &&Reader| {
            let slow = reader.call.effort != Effort::Full;
            reader.rival.is_none() || !(options.quick || slow)
        };
        for reader in readers.iter().filter(held) {
            reader.hold(findings)?;
        }
        rounds::interleave(options.rounds(), &readers, |reader, round| {
            let slow = reader.call.effort != Effort::Full;
            if slow && round >= FEW {
                return Ok(());
            }
            let cost = if slow && round == 0 && !options.quick {
                reader.hold(findings)?
            } else {
                Some(reader.program(Output::Nowhere)?.run(LIMIT)?.success()?)
            };
            let Some(cost) = cost else { return Ok(()) };
            let (tool, seconds) = (reader.call.tool, cost.wall.as_secs_f64());
            say(&format!("round {}: {tool}: {seconds:.2} s", round + 1));
            record(findings, tool, &reader.made, &cost);
            Ok(())
        })?;
    }
    Ok(())
}

/// Those who are asked for and there.
fn readers(
    options: &Options,
    findings: &mut Findings,
    load: &Load,
    made: &Made,
) -> Result<Vec<Reader>> {
    let mut readers = Vec::new();
    for call in load.readers.iter().filter(|call| options.wants(call.tool)) {
        findings.tool(call.tool);
        let made = match call.effort {
            Effort::Part(share) => load.kind.make_of(made.truth.exchanges.div_ceil(share))?,
            Effort::Full | Effort::Twice => made.clone(),
        };
        // A name goes on behind a space: another way to call it.
        let name = call.tool.split(' ').next().unwrap_or_default();
        match Rival::of(name) {
            None => readers.push(Reader { call, rival: None, made }),
            Some(rival) => match rival.find() {
                Some(found) => {
                    rival.prepare()?;
                    readers.push(Reader { call, rival: Some(found), made });
                }
                None => findings.absent(call.tool, "not installed"),
            },
        }
    }
    Ok(readers)
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

impl Reader {
    /// Counts once what it finds, which has the file in the page cache, too.
    /// tracer must find everything; of the others the share is a figure.
    fn hold(&self, findings: &mut Findings) -> Result<Option<Cost>> {
        let Some(tells) = self.call.tells else { return Ok(None) };
        let output = Output::Counted(vec![tells.to_owned()]);
        let cost = self.program(output)?.run(LIMIT)?.success()?;
        let found = cost.counts.with.first().copied().unwrap_or_default();
        let known = self.call.each * self.made.truth.exchanges;
        if self.rival.is_none() {
            let what = format!("{}: {}", self.made.path.display(), self.call.tool);
            findings.truth(&what, found, known);
        }
        findings.add(self.call.tool, FOUND, 100.0 * number(found) / number(known));
        Ok(Some(cost))
    }

    /// The tool on the last processor; a rival has the capture on its standard
    /// input, because it need not see the file from below its root.
    fn program(&self, output: Output) -> Result<Program> {
        let processor = process::last_processor();
        let path = &self.made.path;
        let Some(rival) = &self.rival else {
            let mut command = Command::new(rivals::tracer()?);
            command.args(NO_SETTINGS).args(self.call.arguments).arg(path);
            return Ok(Program::new(command, output).on(&[processor]));
        };
        let mut command = rival.command();
        command.args(self.call.arguments);
        let program = Program::new(command, output).read(path)?.on(&[processor]);
        Ok(match &rival.root {
            Some(root) => program.below(root),
            None => program,
        })
    }
}
