//! What was measured, for people, for machines, and for docs/PERFORMANCE.md.

mod markdown;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cases,
    figures::{Summary, interval_of_median},
    findings::Findings,
    machine::Machine,
    marks::{self, Verdict},
    options::Options,
};

pub use table::value;

/// Between these lines of docs/PERFORMANCE.md the last run stands.
const BEGIN: &str = "<!-- the last run: cargo xtask bench --write -->";
const END: &str = "<!-- end of the last run -->";

/// A run of the benchmark.
#[derive(Clone, Debug)]
pub struct Report {
    command: String,
    rounds: usize,
    quick: bool,
    machine: Machine,
    findings: Findings,
    verdicts: Vec<Verdict>,
}

impl Report {
    /// What the chosen cases found on this machine.
    pub fn new(options: &Options, machine: Machine, findings: Findings) -> Self {
        // A quick run measures how tools start.
        let ran = |case: &&cases::Case| {
            !options.quick && findings.times.iter().any(|(name, _)| name == case.name)
        };
        let verdicts = cases::all().iter().filter(ran);
        let verdicts =
            verdicts.flat_map(|case| marks::verdicts(case.name, case.marks, &findings)).collect();
        Self {
            command: options.command(),
            rounds: options.rounds(),
            quick: options.quick,
            machine,
            verdicts,
            findings,
        }
    }

    /// Whether no truth was missed and nothing broke. A mark that was missed
    /// is a figure, not a failure.
    pub fn is_sound(&self) -> bool {
        self.findings.faults.is_empty()
    }

    /// For people, on a terminal.
    pub fn text(&self) -> String {
        table::text(self)
    }

    /// For docs/PERFORMANCE.md.
    pub fn markdown(&self) -> String {
        markdown::page(self)
    }

    /// For machines: all values of all rounds.
    pub fn json(&self) -> Result<String> {
        let tables = self.findings.tables.iter().map(|table| {
            let rows = table.rows.iter().map(|row| {
                let figures = row.values.iter().map(|(figure, values)| {
                    json!({
                        "figure": figure.name,
                        "unit": figure.unit,
                        "values": values,
                        "summary": Summary::of(values),
                        "interval_of_median": interval_of_median(values),
                    })
                });
                json!({
                    "tool": row.tool,
                    "absent": row.absent,
                    "figures": figures.collect::<Vec<_>>(),
                    "ratio_to_baseline": table.ratio(row),
                })
            });
            json!({
                "case": table.case,
                "load": table.load,
                "about": table.about,
                "baseline": table.baseline.as_ref().map(|(tool, figure)| json!({
                    "tool": tool, "figure": figure.name,
                })),
                "tools": rows.collect::<Vec<_>>(),
            })
        });
        let said = |list: &[(String, String)]| -> Vec<Value> {
            list.iter().map(|(case, what)| json!({ "case": case, "what": what })).collect()
        };
        let times = self.findings.times.iter();
        let value = json!({
            "command": self.command,
            "rounds": self.rounds,
            "quick": self.quick,
            "machine": self.machine,
            "tables": tables.collect::<Vec<_>>(),
            "marks": self.verdicts,
            "faults": said(&self.findings.faults),
            "notes": said(&self.findings.notes),
            "seconds": times.map(|(case, time)| (case.clone(), json!(time.as_secs_f64())))
                .collect::<serde_json::Map<_, _>>(),
        });
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    }

    /// Puts the run in place of the last one into a page.
    pub fn write_into(&self, page: &Path) -> Result<()> {
        let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
        let replaced = replace(&text, &self.markdown())
            .with_context(|| format!("{} has no place for a run", page.display()))?;
        fs::write(page, replaced).with_context(|| page.display().to_string())
    }
}

/// Where the last run is kept.
pub fn page() -> PathBuf {
    tests::host::workspace().join("docs/PERFORMANCE.md")
}

/// The page with another run in it.
fn replace(page: &str, run: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{run}\n{END}{after}"))
}

/// What is said of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Said {
    Met,
    Missed,
    NotMeasured,
}

impl Said {
    const fn of(verdict: &Verdict) -> Self {
        match verdict.met {
            Some(true) => Self::Met,
            Some(false) => Self::Missed,
            None => Self::NotMeasured,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod unit;
