//! What is asked for.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Result, bail};
use clap::Parser;

use crate::cases::{self, Case};

/// Rounds of a run whose numbers are kept.
const ROUNDS: usize = 5;

/// Minutes for which memory is watched; ten are to be asked for.
const MINUTES: u64 = 2;

/// Measures tracer beside what users would pick instead.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "cargo xtask bench", max_term_width = 100)]
pub struct Options {
    /// Cases, by name or by its beginning (live is all cases that are live); all unless named
    #[arg(value_name = "CASE")]
    pub cases: Vec<String>,
    /// Rounds; in each, every tool has its turn
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// One short round of everything, which holds truths and measures nothing worth keeping
    #[arg(long)]
    pub quick: bool,
    /// Only these tools (tracer, tcpdump, …), by the beginning of their names
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    pub tools: Vec<String>,
    /// Minutes in which connections come and go and it is seen whether memory grows
    #[arg(long, value_name = "N", default_value_t = MINUTES)]
    pub minutes: u64,
    /// Write all that was measured to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the tables into docs/PERFORMANCE.md
    #[arg(long, conflicts_with = "quick")]
    pub write: bool,
    /// Passes of one contender of the case `core`, for callgrind
    #[arg(long, num_args = 3, hide = true)]
    pub pass: Vec<String>,
    /// List the cases
    #[arg(long)]
    pub list: bool,
}

impl Options {
    /// How many rounds there are, at least one.
    pub fn rounds(&self) -> usize {
        self.rounds_of(ROUNDS)
    }

    /// The same for a case that usually takes another number of them.
    pub fn rounds_of(&self, usual: usize) -> usize {
        if self.quick { 1 } else { self.rounds.unwrap_or(usual).max(1) }
    }

    /// Whether a tool is wanted; its name may go on behind a space
    /// (`tracer json`).
    pub fn wants(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|name| tool.starts_with(name.as_str()))
    }

    /// The cases that are asked for, in the order in which they are listed.
    pub fn chosen(&self) -> Result<Vec<&'static Case>> {
        for name in &self.cases {
            if !cases::all().iter().any(|case| case.name.starts_with(name.as_str())) {
                let known: Vec<_> = cases::all().iter().map(|case| case.name).collect();
                bail!("{name} is none of the cases: {}", known.join(", "));
            }
        }
        let asked = |case: &&Case| {
            let named = |name: &String| case.name.starts_with(name.as_str());
            self.cases.is_empty() || self.cases.iter().any(named)
        };
        Ok(cases::all().iter().filter(asked).collect())
    }

    /// The command that asks for the same, for who wants to run it again.
    pub fn command(&self) -> String {
        let mut command = "cargo xtask bench".to_owned();
        for case in &self.cases {
            let _ = write!(command, " {case}");
        }
        if let Some(rounds) = self.rounds {
            let _ = write!(command, " --rounds {rounds}");
        }
        if self.quick {
            command += " --quick";
        }
        if !self.tools.is_empty() {
            let _ = write!(command, " --tools {}", self.tools.join(","));
        }
        if self.minutes != MINUTES {
            let _ = write!(command, " --minutes {}", self.minutes);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::parse_from(["bench"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_sound() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn cases_are_chosen_by_their_beginning() {
        assert_eq!(options("").chosen().unwrap().len(), cases::all().len());
        let read = options("rea").chosen().unwrap();
        assert_eq!(read.iter().map(|case| case.name).collect::<Vec<_>>(), ["read"]);
        assert!(options("no-such").chosen().is_err());
    }

    #[test]
    fn a_quick_run_has_one_round() {
        assert_eq!(options("").rounds(), 5);
        assert_eq!(options("--rounds 0").rounds(), 1);
        assert_eq!(options("--rounds 9 --quick").rounds(), 1);
        assert_eq!(options("").rounds_of(15), 15);
    }

    #[test]
    fn tools_are_wanted_by_the_beginning_of_their_names() {
        assert!(options("").wants("tshark"));
        assert!(options("--tools tracer,tcpdump").wants("tracer json"));
        assert!(!options("--tools tracer,tcpdump").wants("tshark"));
    }

    #[test]
    fn the_command_can_be_run_again() {
        let line = "read --rounds 3 --tools tracer,tshark --minutes 10";
        assert_eq!(options(line).command(), format!("cargo xtask bench {line}"));
    }
}
