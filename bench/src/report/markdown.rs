//! The run as it stands in docs/PERFORMANCE.md.

use std::fmt::Write as _;

use super::{Report, Said, table};
use crate::{marks::Verdict, rivals::RIVALS};

const GIB: u64 = 1 << 30;

/// The whole run.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    let _ = writeln!(
        out,
        "`{}`, {}: {} × {}, {} GiB, Linux {}; tracer {}. {} rounds unless said otherwise; load average at the end {}.",
        report.command,
        machine.date,
        machine.processors,
        machine.processor,
        machine.memory.div_ceil(GIB),
        machine.kernel,
        machine.tracer,
        report.rounds,
        machine.load,
    );
    out.push_str("\n| tool | version | what it does less |\n|---|---|---|\n");
    for rival in RIVALS {
        let version = machine.rivals.iter().find(|(name, _)| *name == rival.name);
        let version = version.map_or("not installed", |(_, version)| version.as_str());
        let _ = writeln!(out, "| {} | {version} | {} |", rival.name, rival.less);
    }
    if !report.verdicts.is_empty() {
        out.push_str(
            "\n### Marks\n\n| case | mark | bound | measured | |\n|---|---|---|---|---|\n",
        );
    }
    for verdict in &report.verdicts {
        let said = Said::of(verdict).word();
        let Verdict { case, load, what, bound, value, .. } = verdict;
        let value = value.map(table::value).unwrap_or_default();
        let _ = writeln!(out, "| {case} {load} | {what} | {bound} | {value} | {said} |");
    }
    for table in &report.findings.tables {
        let name = format!("{} {}", table.case, table.load);
        let _ = writeln!(out, "\n### {}\n\n{}\n", name.trim(), sentence(&table.about));
        for (number, line) in table::cells(table).iter().enumerate() {
            let _ = writeln!(out, "| {} |", line.join(" | "));
            if number == 0 {
                let _ = writeln!(out, "|---|{}", "---:|".repeat(line.len() - 1));
            }
        }
    }
    for (case, note) in &report.findings.notes {
        let _ = writeln!(out, "\n{case}: {}", sentence(note));
    }
    for (case, fault) in &report.findings.faults {
        let _ = writeln!(out, "\n**Failed**: {case}: {fault}");
    }
    out
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().collect();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}
