//! Instructions of a pass, which do not depend on the machine's mood: this
//! program again, under callgrind, for some passes and for twice as many.

use std::{env, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{contenders, load::Load};
use crate::process::{Output, Program};

/// Limit of one count.
const LIMIT: Duration = Duration::from_mins(3);

/// Passes of the shorter run.
const PASSES: u64 = 1;

/// Whether there is a valgrind to count with.
pub(super) fn can_be_counted() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version");
    Program::new(command, Output::Nowhere).run(LIMIT).is_ok_and(|cost| cost.status.success())
}

/// Instructions of one pass: what set-up takes is in both runs and falls out.
pub(super) fn of_a_pass(load: &str, contender: &str) -> Result<u64> {
    let once = run(load, contender, PASSES)?;
    let twice = run(load, contender, 2 * PASSES)?;
    Ok(twice.saturating_sub(once) / PASSES)
}

fn run(load: &str, contender: &str, passes: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--pass", load, contender, &passes.to_string()]);
    let cost = Program::new(command, Output::Nowhere).run(LIMIT)?.success()?;
    let collected = cost.said.lines().find_map(|line| line.split("Collected : ").nth(1));
    let collected = collected.context("callgrind says no sum")?;
    Ok(collected.trim().parse()?)
}

/// What `--pass` asks for: so many passes and nothing else.
pub(super) fn pass(load: &str, contender: &str, passes: &str) -> Result<()> {
    let contender = contenders::of(contender)?;
    let load: &'static Load = Box::leak(Box::new(Load::of(load)?));
    for _ in 0..passes.parse::<u64>()? {
        ensure!((contender.pass)(load)? < u64::MAX);
    }
    Ok(())
}
