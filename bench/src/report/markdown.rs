//! The run as it stands in docs/PERFORMANCE.md.

use std::fmt::Write as _;

use super::{Report, Said, table};
use crate::{cases, findings::Table, marks::Verdict, rivals::RIVALS};

const GIB: u64 = 1 << 30;

/// The whole run.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::new();
    circumstances(report, &mut out);
    sum(report, &mut out);
    let tables = &report.findings.tables;
    let mut case = "";
    for table in tables {
        if table.case != case {
            case = &table.case;
            let about = cases::all().iter().find(|known| known.name == case);
            let about = about.map_or_else(String::new, |known| sentence(known.about));
            let _ = writeln!(out, "\n### {case}\n\n{about}");
        }
        load(report, table, &mut out);
        let last = tables.iter().rfind(|other| other.case == case);
        if last.is_some_and(|last| std::ptr::eq(last, table)) {
            for (_, note) in report.findings.notes.iter().filter(|(of, _)| of == case) {
                let _ = writeln!(out, "\n{}", sentence(note));
            }
        }
    }
    for (case, fault) in &report.findings.faults {
        let _ = writeln!(out, "\n**Failed**: {case}: {fault}");
    }
    out
}

/// On what, with what and how it was measured.
fn circumstances(report: &Report, out: &mut String) {
    let machine = &report.machine;
    let took = report.findings.times.iter().map(|(_, time)| time.as_secs()).sum::<u64>() / 60;
    let _ = writeln!(out, "| | |\n|---|---|");
    for (name, value) in [
        ("command", format!("`{}`, {took} min", report.command)),
        ("date", machine.date.clone()),
        ("tracer", machine.tracer.clone()),
        ("rounds", format!("{}, unless a table says otherwise", report.rounds)),
        ("processor", format!("{} × {}", machine.processors, machine.processor)),
        ("memory", format!("{} GiB", machine.memory.div_ceil(GIB))),
        ("kernel", format!("Linux {}", machine.kernel)),
        ("load average at the end", machine.load.clone()),
    ] {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push_str("\n| tool | version | what it does less |\n|---|---|---|\n");
    for rival in RIVALS {
        let version = machine.rivals.iter().find(|(name, _)| *name == rival.name);
        let version = version.map_or("not installed", |(_, version)| version.as_str());
        let _ = writeln!(out, "| {} | {version} | {} |", rival.name, rival.less);
    }
}

/// How many marks were met, and which were not.
fn sum(report: &Report, out: &mut String) {
    let of = |said: Said| report.verdicts.iter().filter(move |of| Said::of(of) == said);
    let (met, all) = (of(Said::Met).count(), report.verdicts.len());
    if all == 0 {
        return;
    }
    let _ = writeln!(out, "\n### Marks\n\n{met} of {all} marks are met.");
    let rest: Vec<&Verdict> = of(Said::Missed).chain(of(Said::NotMeasured)).collect();
    if !rest.is_empty() {
        marks(&rest, out);
    }
}

fn load(report: &Report, table: &Table, out: &mut String) {
    let name = format!("{} {}", table.case, table.load);
    let _ = writeln!(out, "\n#### {}\n\n{}\n", name.trim(), sentence(&table.about));
    for (number, line) in table::cells(table).iter().enumerate() {
        let _ = writeln!(out, "| {} |", line.join(" | "));
        if number == 0 {
            let _ = writeln!(out, "|---|{}", "---:|".repeat(line.len() - 1));
        }
    }
    let of_load = |of: &&Verdict| of.case == table.case && of.load == table.load;
    let verdicts: Vec<&Verdict> = report.verdicts.iter().filter(of_load).collect();
    if !verdicts.is_empty() {
        marks(&verdicts, out);
    }
}

fn marks(verdicts: &[&Verdict], out: &mut String) {
    out.push_str("\n| mark | of | bound | measured | |\n|---|---|---:|---:|---|\n");
    for verdict in verdicts {
        let said = Said::of(verdict).word();
        let measured = table::measured_of(verdict);
        let Verdict { case, load, what, bound, .. } = verdict;
        let _ = writeln!(out, "| {what} | {case} {load} | {bound} | {measured} | {said} |");
    }
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
