//! Tables for people.

use std::fmt::Write as _;

use super::{Report, Said};
use crate::{
    figures::{Figure, Summary},
    findings::{Row, Table},
    marks::Verdict,
};

/// Digits that say something of a measured value.
const SIGNIFICANT: i32 = 3;

/// The whole run.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    for table in &report.findings.tables {
        let name = format!("{} {}", table.case, table.load);
        let _ = writeln!(out, "\n{}: {}", name.trim(), table.about);
        let cells = cells(table);
        let widths = widths(&cells);
        for line in &cells {
            let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                let pad = " ".repeat(width - cell.chars().count());
                if column == 0 { format!("{cell}{pad}") } else { format!("{pad}{cell}") }
            });
            let padded = padded.collect::<Vec<_>>().join("  ");
            let _ = writeln!(out, "  {}", padded.trim_end());
        }
    }
    if !report.verdicts.is_empty() {
        let _ = writeln!(out, "\nmarks");
    }
    for verdict in &report.verdicts {
        let said = Said::of(verdict).word();
        let name = format!("{} {}", verdict.case, verdict.load);
        let measured = measured_of(verdict);
        let _ = writeln!(
            out,
            "  {said:<12}  {}: {}: {measured} ({})",
            name.trim(),
            verdict.what,
            verdict.bound
        );
    }
    for (case, note) in &report.findings.notes {
        let _ = writeln!(out, "\nnote: {case}: {note}");
    }
    out.push('\n');
    for (case, time) in &report.findings.times {
        let _ = writeln!(out, "{case} took {:.0} s", time.as_secs_f64());
    }
    for (case, held) in &report.findings.held {
        let missed = report.findings.faults.iter().filter(|(of, _)| of == case).count();
        let _ = writeln!(out, "truths: {case}: {held} held, {missed} missed");
    }
    for (case, fault) in &report.findings.faults {
        let _ = writeln!(out, "FAILED: {case}: {fault}");
    }
    out
}

/// Heads and rows of a table: the tool, its figures, and its ratio to the
/// baseline where there is one.
pub(super) fn cells(table: &Table) -> Vec<Vec<String>> {
    let mut head = vec!["tool".to_owned()];
    head.extend(table.figures.iter().map(|figure| match figure.unit {
        "" => figure.name.to_owned(),
        unit => format!("{}, {unit}", figure.name),
    }));
    if let Some((tool, figure)) = &table.baseline {
        head.push(format!("{}, ratio to {tool}", figure.name));
    }
    let columns = head.len();
    let mut lines = vec![head];
    for row in &table.rows {
        let mut line = vec![row.tool.clone()];
        match &row.absent {
            Some(why) => line.push(why.clone()),
            None => line.extend(measured(table, row)),
        }
        line.resize(columns, String::new());
        lines.push(line);
    }
    lines
}

fn measured(table: &Table, row: &Row) -> Vec<String> {
    let cell = |figure: &Figure| {
        let summary = Summary::of(row.values(figure.name));
        summary.map_or_else(String::new, |summary| {
            if figure.counts && summary.median < 9_999.5 {
                format!("{:.0}", summary.median)
            } else if figure.unit == "%" && (99.95..100.0).contains(&summary.median) {
                // Not all, whatever rounding says.
                "> 99.9".to_owned()
            } else {
                with_spread(&summary)
            }
        })
    };
    let mut cells: Vec<String> = table.figures.iter().map(cell).collect();
    if table.baseline.is_some() {
        cells.push(table.ratio(row).map_or_else(String::new, |ratio| with_spread(&ratio)));
    }
    cells
}

/// What was measured of a mark, and how far the rounds lie around it.
pub(super) fn measured_of(verdict: &Verdict) -> String {
    verdict.measured.map_or_else(String::new, |measured| with_spread(&measured))
}

/// A median, and how far the rounds lie around it.
fn with_spread(summary: &Summary) -> String {
    let mut text = value(summary.median);
    let percent = summary.spread() * 50.0;
    // With one round there is nothing to be said of it.
    if summary.count > 1 {
        let _ = write!(text, " ±{percent:.0}%");
    }
    text
}

/// A value in three digits, thousands and above with k, M or G.
pub fn value(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 999.5e6 => (value / 1e9, " G"),
        size if size >= 999.5e3 => (value / 1e6, " M"),
        size if size >= 9_999.5 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    if scaled == 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a number is a small one")]
    let magnitude = scaled.abs().log10().floor() as i32;
    let digits = usize::try_from((SIGNIFICANT - 1 - magnitude).clamp(0, 6)).unwrap_or_default();
    format!("{scaled:.digits$}{suffix}")
}

fn widths(cells: &[Vec<String>]) -> Vec<usize> {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| {
        // A reason stands in the place of figures and may be wide.
        let of = |line: &Vec<String>| line.get(column).map_or(0, |cell| cell.chars().count());
        cells.iter().map(of).max().unwrap_or_default()
    };
    (0..columns).map(width).collect()
}
