//! What the cases measured.

use std::time::{Duration, Instant};

use crate::{
    figures::{Figure, Summary, ratios},
    options::Options,
    say,
};

/// All that was measured, and what went wrong.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What was measured, in the order in which it was.
    pub tables: Vec<Table>,
    /// How many truths were held in each case.
    pub held: Vec<(String, u64)>,
    /// Truths that were missed and cases that broke, with their case; such a
    /// run has failed.
    pub faults: Vec<(String, String)>,
    /// What a reader of the tables should know, with its case.
    pub notes: Vec<(String, String)>,
    /// How long each case took.
    pub times: Vec<(String, Duration)>,
    tools: Options,
    case: String,
    begun: Option<Instant>,
}

/// What several tools did under one load.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Name of the case.
    pub case: String,
    /// Name of what they were given to do; empty where the case has only one.
    pub load: String,
    /// What that is, in words.
    pub about: String,
    /// What the others are held against: its tool and its figure.
    pub baseline: Option<(String, Figure)>,
    /// Figures, in the order in which they came.
    pub figures: Vec<Figure>,
    /// Tools, in the order in which they came.
    pub rows: Vec<Row>,
}

/// What one tool did.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The tool, and how it was called (`tracer json`).
    pub tool: String,
    /// Why it was not measured, if it was not.
    pub absent: Option<String>,
    /// Values of each round.
    pub values: Vec<(Figure, Vec<f64>)>,
}

impl Row {
    /// Values of a figure, a round each.
    pub fn values(&self, figure: &str) -> &[f64] {
        let values = self.values.iter().find(|(known, _)| known.name == figure);
        values.map_or(&[], |(_, values)| values)
    }
}

impl Table {
    /// Values of a tool's figure, a round each.
    pub fn values(&self, tool: &str, figure: &str) -> &[f64] {
        let row = self.rows.iter().find(|row| row.tool == tool);
        row.map_or(&[], |row| row.values(figure))
    }

    /// The tool's figure against that of the baseline.
    pub fn ratio(&self, row: &Row) -> Option<Summary> {
        let (tool, figure) = self.baseline.as_ref()?;
        Summary::of(&ratios(row.values(figure.name), self.values(tool, figure.name)))
    }
}

impl Findings {
    /// Nothing yet.
    pub fn new(options: &Options) -> Self {
        Self { tools: options.clone(), ..Self::default() }
    }

    /// A case begins.
    pub fn begin(&mut self, case: &str) {
        case.clone_into(&mut self.case);
        self.begun = Some(Instant::now());
    }

    /// It ends.
    pub fn end(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.times.push((self.case.clone(), begun.elapsed()));
        }
    }

    /// Begins the table of a load; what is added from now on belongs to it.
    /// `baseline` is what others are held against in its last column.
    pub fn table(&mut self, load: &str, about: &str, baseline: Option<(&str, Figure)>) {
        say(&format!("{} {load}: {about}", self.case));
        self.tables.push(Table {
            case: self.case.clone(),
            load: load.to_owned(),
            about: about.to_owned(),
            baseline: baseline.map(|(tool, figure)| (tool.to_owned(), figure)),
            ..Table::default()
        });
    }

    /// Adds the value of a round.
    pub fn add(&mut self, tool: &str, figure: Figure, value: f64) {
        if let Some(table) = self.tables.last_mut()
            && !table.figures.contains(&figure)
        {
            table.figures.push(figure);
        }
        let Some(row) = self.row(tool) else { return };
        match row.values.iter_mut().find(|(known, _)| *known == figure) {
            Some((_, values)) => values.push(value),
            None => row.values.push((figure, vec![value])),
        }
    }

    /// Says that a tool was not measured, and why. A tool that nobody asked
    /// for is left out.
    pub fn absent(&mut self, tool: &str, why: &str) {
        if !self.tools.wants(tool) {
            return;
        }
        if let Some(row) = self.row(tool) {
            row.absent = Some(why.to_owned());
        }
    }

    /// A truth that was missed, or something that broke.
    pub fn fault(&mut self, what: String) {
        say(&format!("FAILED: {}: {what}", self.case));
        self.faults.push((self.case.clone(), what));
    }

    /// Holds a count against what is known of it.
    pub fn truth(&mut self, what: &str, found: u64, known: u64) {
        self.hold(found == known, || format!("{what}: {found} in place of {known}"));
    }

    /// Holds something that must be true; `else_say` is what it is when it is
    /// not.
    pub fn hold(&mut self, is_true: bool, else_say: impl FnOnce() -> String) {
        if !is_true {
            self.fault(else_say());
            return;
        }
        match self.held.iter_mut().find(|(case, _)| *case == self.case) {
            Some((_, held)) => *held += 1,
            None => self.held.push((self.case.clone(), 1)),
        }
    }

    /// What a reader should know of the last table.
    pub fn note(&mut self, what: &str) {
        self.notes.push((self.case.clone(), what.to_owned()));
    }

    /// Has a tool stand in the table from here on, before it is measured.
    pub fn tool(&mut self, tool: &str) {
        let _ = self.row(tool);
    }

    fn row(&mut self, tool: &str) -> Option<&mut Row> {
        let rows = &mut self.tables.last_mut()?.rows;
        if !rows.iter().any(|row| row.tool == tool) {
            rows.push(Row { tool: tool.to_owned(), ..Row::default() });
        }
        rows.iter_mut().find(|row| row.tool == tool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Figure = Figure::new("packets/s", "");

    #[test]
    fn truths_that_hold_are_counted_and_others_are_faults() {
        let mut findings = Findings::default();
        findings.begin("read");
        findings.truth("messages", 7, 7);
        findings.truth("lost", 0, 0);
        findings.truth("messages", 6, 7);
        assert_eq!(findings.held, [("read".to_owned(), 2)]);
        let fault = ("read".to_owned(), "messages: 6 in place of 7".to_owned());
        assert_eq!(findings.faults, [fault]);
    }

    #[test]
    fn tools_are_held_against_the_baseline_round_by_round() {
        let mut findings = Findings::default();
        findings.begin("read");
        findings.table("small", "little", Some(("floor", RATE)));
        for (floor, tool) in [(100.0, 50.0), (200.0, 80.0), (100.0, 45.0)] {
            findings.add("floor", RATE, floor);
            findings.add("tool", RATE, tool);
        }
        findings.absent("other", "not installed");
        let table = findings.tables.last().unwrap();
        let ratio = |tool: &str| {
            table.ratio(table.rows.iter().find(|row| row.tool == tool).unwrap()).map(|of| of.median)
        };
        assert_eq!(ratio("floor"), Some(1.0));
        assert_eq!(ratio("tool"), Some(0.45));
        assert_eq!(ratio("other"), None);
        assert_eq!(table.values("tool", "packets/s"), [50.0, 80.0, 45.0]);
    }

    #[test]
    fn a_missed_truth_is_a_fault_of_its_case() {
        let mut findings = Findings::default();
        findings.begin("read");
        findings.truth("exchanges", 5, 5);
        findings.truth("mails", 4, 5);
        assert_eq!(findings.faults, [("read".into(), "mails: 4 in place of 5".into())]);
    }
}
