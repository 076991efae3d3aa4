//! `cargo xtask test`

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    dist, setup, workspace,
};

/// Sets up, builds tracer as operators run it, and runs all tests; with
/// `--kernels` in front, those that boot other kernels in their place.
pub(crate) fn test(arguments: &[OsString]) -> Result<ExitCode> {
    match arguments {
        [first, rest @ ..] if first == "--kernels" => kernels(rest),
        _ => all(arguments),
    }
}

/// Makes the package, boots each kernel and runs it there.
fn kernels(arguments: &[OsString]) -> Result<ExitCode> {
    setup::for_builds()?;
    setup::for_kernels()?;
    let package = dist::package()?;
    let mut command = Command::new(workspace::cargo());
    command
        .args(["test", "--package", "tests", "--test", "kernels", "--"])
        .args(arguments)
        .env("TRACER_PACKAGE", package);
    run(command)
}

/// All but those.
///
/// Test programs run one after another, as cargo does it; the last line is the
/// sum over all of them.
fn all(arguments: &[OsString]) -> Result<ExitCode> {
    setup::for_builds()?;
    setup::for_tests();
    let built = build::tracer(Profile::Release)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }

    let mut command = Command::new(workspace::cargo());
    command
        .args(["test", "--workspace", "--exclude", "tracer-ebpf", "--no-fail-fast"])
        .args(["--features", workspace::OPTIONAL])
        .args(arguments)
        // What the live tests run.
        .env("TRACER", workspace::target().join("release/tracer"));
    run(command)
}

/// Runs tests, shows what they print, and their sum as the last line.
fn run(mut command: Command) -> Result<ExitCode> {
    let mut child = command
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
    let stdout = child.stdout.take().context("cargo's output is not there")?;
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.read(&line);
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        // A test program that did not build, or ended before its last line.
        println!("cargo test: {status}");
        tally.failed = 1;
    }
    print!("{tally}");
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the test programs said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Names of those skipped, with the reason where one was given.
    reasons: Vec<String>,
}

impl Tally {
    /// Reads one line of libtest's output, or of a harness that speaks like it.
    fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
            for (count, kind) in counts.split("; ").filter_map(|item| item.split_once(' ')) {
                let count: u64 = count.parse().unwrap_or(0);
                match kind {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    "ignored" => self.skipped += count,
                    _ => {}
                }
            }
        } else if let Some((name, reason)) =
            line.strip_prefix("test ").and_then(|test| test.split_once(" ... ignored"))
        {
            let reason = reason.trim_start_matches(", ");
            self.reasons.push(match reason {
                "" => name.trim_end().to_owned(),
                reason => format!("{}: {reason}", name.trim_end()),
            });
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter)?;
        for reason in &self.reasons {
            writeln!(formatter, "skipped: {reason}")?;
        }
        let Self { passed, failed, skipped, .. } = self;
        writeln!(formatter, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test decode::whole ... ok",
            "test decode::slow ... ignored, takes an hour",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test live::nginx   ... ignored",
            "test result: FAILED. 1 passed; 4 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.10s",
        ] {
            tally.read(line);
        }
        assert_eq!((tally.passed, tally.failed, tally.skipped), (3, 4, 2));
        assert_eq!(
            tally.to_string(),
            "\nskipped: decode::slow: takes an hour\nskipped: live::nginx\n3 passed, 4 failed, 2 skipped\n"
        );
    }
}
