//! `core`: streams and decoders in memory, beside httparse and protolens on
//! the same bytes.

mod contenders;
mod instructions;
mod load;
#[cfg(feature = "protolens")]
mod protolens;

use std::time::Duration;

use anyhow::Result;

use self::{
    contenders::{CONTENDERS, Contender, DECODED, HEADS, HTTPARSE, PROTOLENS, STREAM},
    load::Load,
};
use super::Case;
use crate::{
    figures::{Figure, number},
    findings::Findings,
    marks::{Bound, Mark, Measure},
    options::Options,
    process, rounds, say,
};

/// The case.
pub(super) const CASE: Case = Case {
    name: "core",
    about: "streams and decoders in memory, beside httparse and protolens on the same bytes",
    run,
    marks: &[
        Mark::at_most(
            "http",
            "HTTP head, time against httparse alone",
            Measure::Ratio((HEADS, TIME.name), (HTTPARSE, TIME.name)),
            1.6,
        ),
        ahead("http"),
        ahead("smtp"),
        ahead("imap"),
    ],
};

/// The mark to be no slower than protolens.
const fn ahead(load: &'static str) -> Mark {
    Mark {
        load,
        what: "streams and decoder, time against protolens",
        measure: Measure::Ratio((DECODED, TIME.name), (PROTOLENS, TIME.name)),
        bound: Bound::AtMost(1.0),
    }
}

const TIME: Figure = Figure::new("ns/message", "");
const RATE: Figure = Figure::new("GB/s", "");
const INSTRUCTIONS: Figure = Figure::new("instructions/message", "");

/// Time on the processor that one measurement takes at least.
const ENOUGH: Duration = Duration::from_millis(300);

/// What `--pass` asks for.
pub(super) fn pass(load: &str, contender: &str, passes: &str) -> Result<()> {
    instructions::pass(load, contender, passes)
}

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    let counted = instructions::can_be_counted();
    if !counted {
        findings.note("no valgrind, so instructions were not counted");
    }
    for name in load::names() {
        let load: &'static Load = Box::leak(Box::new(Load::of(name)?));
        let about = format!(
            "{} messages in {} segments of {} connections, {:.1} MB of payload; the last column \
             is the time against that of the streams alone",
            load.messages,
            load.segments.len(),
            load.connections,
            number(load.bytes) / 1e6
        );
        findings.table(name, &about, Some((STREAM, TIME)));
        let takes = |contender: &&Contender| {
            contender.loads.contains(&name) && options.wants(contender.name)
        };
        let contenders: Vec<Contender> = CONTENDERS.iter().filter(takes).copied().collect();
        for contender in &contenders {
            findings.tool(contender.name);
            let found = (contender.pass)(load)?;
            if contender.finds && contender.name != PROTOLENS {
                findings.truth(&format!("{name}: {}", contender.name), found, load.messages);
            } else if contender.name == PROTOLENS && found != load.messages {
                findings.note(&format!(
                    "protolens finds {found} of the {} messages of {name}",
                    load.messages
                ));
            }
        }
        if cfg!(not(feature = "protolens")) {
            findings.absent(PROTOLENS, "not built in");
        }
        rounds::interleave(options.rounds(), &contenders, |contender, _| {
            let nanos = measure(contender, load, options.quick)?;
            findings.add(contender.name, TIME, nanos / number(load.messages));
            findings.add(contender.name, RATE, number(load.bytes) / nanos);
            Ok(())
        })?;
        for contender in contenders.iter().filter(|_| counted && !options.quick) {
            say(&format!("instructions: {}", contender.name));
            let instructions = instructions::of_a_pass(name, contender.name)?;
            let each = number(instructions) / number(load.messages);
            findings.add(contender.name, INSTRUCTIONS, each);
        }
    }
    Ok(())
}

/// Nanoseconds of one pass, on one processor.
fn measure(contender: &Contender, load: &'static Load, quick: bool) -> Result<f64> {
    let pass = contender.pass;
    process::pinned(|| {
        // The caches and the allocator as they are when it goes on and on.
        pass(load)?;
        let begun = process::thread_time()?;
        let mut passes = 0_u64;
        loop {
            pass(load)?;
            passes += 1;
            let time = process::thread_time()?.saturating_sub(begun);
            if quick || time >= ENOUGH {
                return Ok(time.as_secs_f64() * 1e9 / number(passes));
            }
        }
    })
}
