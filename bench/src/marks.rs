//! What is to be reached, as data: the report says of each whether it was.

use serde::Serialize;

use crate::{
    figures::{Summary, ratios},
    findings::{Findings, Table},
};

/// What is to be reached by one figure.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Load of its case; empty where that has only one.
    pub load: &'static str,
    /// What it is, in words.
    pub what: &'static str,
    /// How it comes out of the tables.
    pub measure: Measure,
    /// What it must be.
    pub bound: Bound,
}

impl Mark {
    /// A value that must be no less than `bound`.
    #[must_use]
    pub const fn at_least(
        load: &'static str,
        what: &'static str,
        measure: Measure,
        bound: f64,
    ) -> Self {
        Self { load, what, measure, bound: Bound::AtLeast(bound) }
    }

    /// A value that must be no more than `bound`.
    #[must_use]
    pub const fn at_most(
        load: &'static str,
        what: &'static str,
        measure: Measure,
        bound: f64,
    ) -> Self {
        Self { load, what, measure, bound: Bound::AtMost(bound) }
    }
}

/// A tool and one of its figures.
pub type Of = (&'static str, &'static str);

/// How a mark's value comes out of a table: medians, and of two tools the
/// median over what they had in the same round.
#[derive(Clone, Copy, Debug)]
pub enum Measure {
    /// A tool's figure.
    Value(Of),
    /// The least that a tool's figure was in any round: what must hold always.
    Least(Of),
    /// The greatest.
    Greatest(Of),
    /// A tool's figure over that of another.
    Ratio(Of, Of),
    /// A tool's figure less that of another.
    Difference(Of, Of),
    /// A tool's figure over the greatest among those of some rivals.
    RatioToBest(Of, &'static [&'static str]),
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
}

/// How a mark came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Case that measured it.
    pub case: &'static str,
    /// Load of the case.
    pub load: &'static str,
    /// What it is, in words.
    pub what: &'static str,
    /// What it had to be, in words.
    pub bound: String,
    /// What it was, if it was measured.
    pub value: Option<f64>,
    /// The same with the rounds around it.
    pub measured: Option<Summary>,
    /// Whether it was reached, if it was measured.
    pub met: Option<bool>,
}

impl Bound {
    /// Whether a value is as it must be.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(formatter, "≥ {}", crate::report::value(*bound)),
            Self::AtMost(bound) => write!(formatter, "≤ {}", crate::report::value(*bound)),
        }
    }
}

impl Measure {
    /// The values in a table, a round each; none unless all that they are made
    /// of was measured.
    fn values(self, table: &Table) -> Vec<f64> {
        let values = |(tool, figure): Of| table.values(tool, figure);
        match self {
            Self::Value(of) => values(of).to_vec(),
            Self::Least(of) => values(of).iter().copied().reduce(f64::min).into_iter().collect(),
            Self::Greatest(of) => values(of).iter().copied().reduce(f64::max).into_iter().collect(),
            Self::Ratio(of, to) => ratios(values(of), values(to)),
            Self::Difference(of, from) => {
                values(of).iter().zip(values(from)).map(|(of, from)| of - from).collect()
            }
            Self::RatioToBest((tool, figure), rivals) => {
                let medians = rivals.iter().filter_map(|rival| {
                    Some((rival, Summary::of(table.values(rival, figure))?.median))
                });
                let best = medians.max_by(|(_, one), (_, other)| one.total_cmp(other));
                best.map_or_else(Vec::new, |(best, _)| {
                    ratios(table.values(tool, figure), table.values(best, figure))
                })
            }
        }
    }
}

/// How the marks of a case came out.
pub fn verdicts(case: &'static str, marks: &[Mark], findings: &Findings) -> Vec<Verdict> {
    let verdict = |mark: &Mark| {
        let mut tables = findings.tables.iter();
        let table = tables.find(|table| table.case == case && table.load == mark.load);
        let values = table.map_or_else(Vec::new, |table| mark.measure.values(table));
        let measured = Summary::of(&values);
        let value = measured.map(|measured| measured.median);
        Verdict {
            case,
            load: mark.load,
            what: mark.what,
            bound: mark.bound.to_string(),
            value,
            measured,
            met: value.map(|value| mark.bound.holds(value)),
        }
    };
    marks.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figure;

    const RATE: Figure = Figure::new("rate", "");

    fn findings() -> Findings {
        let mut findings = Findings::default();
        findings.begin("case");
        findings.table("load", "", None);
        for (tracer, slow, quick) in [(8.0, 1.0, 4.0), (9.0, 1.0, 3.0), (6.0, 1.0, 3.0)] {
            findings.add("tracer", RATE, tracer);
            findings.add("slow", RATE, slow);
            findings.add("quick", RATE, quick);
        }
        findings.end();
        findings
    }

    fn verdict(measure: Measure, bound: Bound) -> (Option<f64>, Option<bool>) {
        let mark = Mark { load: "load", what: "", measure, bound };
        let verdicts = verdicts("case", &[mark], &findings());
        (verdicts[0].value, verdicts[0].met)
    }

    #[test]
    fn marks_are_of_values_and_of_what_tools_had_in_one_round() {
        let (tracer, quick) = (("tracer", "rate"), ("quick", "rate"));
        for (measure, value) in [
            (Measure::Value(tracer), 8.0),
            (Measure::Least(tracer), 6.0),
            (Measure::Greatest(tracer), 9.0),
            (Measure::Ratio(tracer, quick), 2.0),
            (Measure::Difference(tracer, quick), 4.0),
            (Measure::RatioToBest(tracer, &["slow", "quick", "absent"]), 2.0),
        ] {
            assert_eq!(verdict(measure, Bound::AtLeast(value)), (Some(value), Some(true)));
            assert_eq!(verdict(measure, Bound::AtMost(value - 0.1)), (Some(value), Some(false)));
        }
        let absent = Measure::Ratio(tracer, ("absent", "rate"));
        assert_eq!(verdict(absent, Bound::AtLeast(1.0)), (None, None));
    }
}
