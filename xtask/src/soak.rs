//! `cargo xtask soak`

use std::{
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::{self, Profile},
    setup, workspace,
};

/// Minutes of the mixed run unless somebody says otherwise.
const USUAL: u64 = 10;

/// The tests that have a long form.
const TESTS: &str = "siege::";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    /// Minutes of the mixed run.
    minutes: u64,
    /// What the names of tests are to begin with.
    tests: String,
}

impl Choice {
    fn new(arguments: &[OsString]) -> Result<Self> {
        let mut choice = Self { minutes: USUAL, tests: TESTS.to_owned() };
        let mut rest = arguments.iter().map(|argument| argument.to_str().unwrap_or_default());
        while let Some(argument) = rest.next() {
            match argument {
                "--minutes" => {
                    let minutes = rest.next().and_then(|minutes| minutes.parse().ok());
                    choice.minutes = minutes.context("--minutes takes a number")?;
                }
                "--mixed" => choice.tests = format!("{TESTS}soak"),
                _ => bail!("soak takes --minutes N and --mixed, and not `{argument}`"),
            }
        }
        Ok(choice)
    }
}

/// Sets up, builds tracer as operators run it, and besieges it: first with each
/// fault in full size, then with all of them in turn beside all kinds of
/// traffic. The exit status says whether what was told is what happened.
pub(crate) fn soak(arguments: &[OsString]) -> Result<ExitCode> {
    let Choice { minutes, tests } = Choice::new(arguments)?;
    setup::for_builds()?;
    setup::for_tests();
    let built = build::tracer(Profile::Release)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let status = Command::new(workspace::cargo())
        .current_dir(workspace::root())
        .args(["test", "--package", "tests", "--test", "live", "--", tests.as_str()])
        .env("TRACER", workspace::target().join("release/tracer"))
        .env("SOAK_MINUTES", minutes.to_string())
        .stdin(Stdio::null())
        .status()
        .context("starting cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_what_is_run() {
        let choice = |line: &str| {
            Choice::new(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
        };
        let whole = |minutes| Choice { minutes, tests: "siege::".to_owned() };
        assert_eq!(choice("").unwrap(), whole(USUAL));
        assert_eq!(choice("--minutes 60").unwrap(), whole(60));
        assert_eq!(choice("--mixed").unwrap().tests, "siege::soak");
        for wrong in ["--minutes", "--minutes x", "60"] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }
}
