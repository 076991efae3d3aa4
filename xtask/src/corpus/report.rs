//! What the comparison prints.

use std::{collections::BTreeMap, process::ExitCode};

use super::{
    difference::{Count, Difference},
    index::PROTOCOLS,
    message::Kind,
    published::Check,
};

/// Messages out of a thousand that have to be equal, of those expected that no
/// reason is given for.
const WANTED_PER_MILLE: usize = 995;

/// Everything that was found, over all captures.
#[derive(Default)]
pub(super) struct Report {
    counts: BTreeMap<Kind, Count>,
    differences: Vec<Difference>,
    faults: Vec<String>,
    argued_faults: Vec<String>,
    unused: Vec<String>,
    checks: BTreeMap<String, Checks>,
}

/// How many published results of a project there were.
#[derive(Default)]
struct Checks {
    all: usize,
    held: usize,
    argued: Vec<String>,
    open: Vec<String>,
}

impl Report {
    /// Adds a capture's.
    pub(super) fn add(&mut self, counts: &[(Kind, Count)], differences: Vec<Difference>) {
        for (kind, count) in counts {
            self.counts.entry(*kind).or_default().add(*count);
        }
        self.differences.extend(differences);
    }

    /// Adds what went wrong with a capture.
    pub(super) fn fault(&mut self, capture: &str, fault: &str) {
        self.faults.push(format!("{capture}: {fault}"));
    }

    /// Adds what had to go wrong with a capture.
    pub(super) fn argued_fault(&mut self, capture: &str, fault: &str, reason: &str) {
        self.argued_faults.push(format!("{capture}: {fault}\n    reason: {reason}"));
    }

    /// Adds what became of a published result, with the reason why it need not
    /// hold.
    pub(super) fn check(&mut self, capture: &str, check: &Check, reason: Option<&str>) {
        let Check { source, file, place, wanted } = check;
        let checks = self.checks.entry(source.clone()).or_default();
        checks.all += 1;
        let Some(wanted) = wanted else {
            checks.held += 1;
            return;
        };
        let line = format!("{capture}: {file} {place}: {wanted}");
        match reason {
            Some(reason) => checks.argued.push(format!("{line}\n    reason: {reason}")),
            None => checks.open.push(line),
        }
    }

    /// Adds entries of the list that nothing needed.
    pub(super) fn unused(&mut self, entries: Vec<String>) {
        self.unused = entries;
    }

    /// Prints it all; fails if something is open.
    pub(super) fn print(&self, captures: usize) -> ExitCode {
        self.print_argued();
        self.print_open();
        for entry in &self.unused {
            println!("error: list of differences, {entry}");
        }
        for fault in &self.faults {
            println!("error: {fault}");
        }
        let held = self.print_checks();
        let equal = self.print_counts();
        let sent = self.print_extras();
        println!(
            "{captures} captures, {} of them without fault: no panic, every packet counted once",
            captures - self.faults.len().min(captures)
        );
        let good = equal && sent && held && self.faults.is_empty() && self.unused.is_empty();
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn print_argued(&self) {
        let mut by_reason: BTreeMap<&str, Vec<&Difference>> = BTreeMap::new();
        for difference in &self.differences {
            if let Some(reason) = &difference.reason {
                by_reason.entry(reason).or_default().push(difference);
            }
        }
        for (reason, differences) in by_reason {
            println!("{} differences: {reason}", differences.len());
            for difference in differences {
                println!("    {}", line(difference));
            }
        }
        for fault in &self.argued_faults {
            println!("{fault}");
        }
    }

    fn print_open(&self) {
        for difference in self.differences.iter().filter(|difference| difference.reason.is_none()) {
            println!("open: {}", line(difference));
        }
    }

    /// What other projects publish: one line for each project, and whether all of
    /// it holds.
    fn print_checks(&self) -> bool {
        for (source, checks) in &self.checks {
            for line in &checks.argued {
                println!("{source} does not hold: {line}");
            }
            for line in &checks.open {
                println!("open: {source} does not hold: {line}");
            }
        }
        for (source, Checks { all, held, argued, open }) in &self.checks {
            println!(
                "{source}: {all} published results, {held} hold, {} argued, {} open",
                argued.len(),
                open.len()
            );
        }
        self.checks.values().all(|checks| checks.open.is_empty())
    }

    /// One line for each reason why messages that the reference lacks are none that
    /// nobody sent, and whether there is one for all.
    fn print_extras(&self) -> bool {
        let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
        let extras = self.differences.iter().filter(|difference| !difference.expected);
        for extra in extras {
            *by_reason.entry(extra.reason.as_deref().unwrap_or("no reason")).or_default() += 1;
        }
        for (reason, count) in &by_reason {
            println!("{count} messages that the reference lacks: {reason}");
        }
        !by_reason.contains_key("no reason")
    }

    /// One line for each kind, and whether each protocol has enough that is
    /// equal.
    fn print_counts(&self) -> bool {
        println!(
            "\n{:16}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>10}",
            "", "expected", "found", "equal", "argued", "open", "extra", "equal %"
        );
        let mut good = true;
        for protocol in PROTOCOLS {
            let (mut wanted, mut equal) = (0, 0);
            for (kind, count) in self.counts.iter().filter(|(kind, _)| kind.protocol() == protocol)
            {
                let of_kind = || self.differences.iter().filter(|other| other.kind == *kind);
                let argued =
                    of_kind().filter(|other| other.expected && other.reason.is_some()).count();
                let extra =
                    of_kind().filter(|other| !other.expected && other.reason.is_none()).count();
                let Count { expected, found, equal: same } = *count;
                println!(
                    "{:16}{expected:9}{found:9}{same:9}{argued:9}{:9}{extra:9}{:>10}",
                    kind.name(),
                    expected - same - argued,
                    percent(same, expected - argued),
                );
                wanted += expected - argued;
                equal += same;
            }
            good &= equal * 1000 >= wanted * WANTED_PER_MILLE;
            if wanted > 0 {
                println!("{protocol:16}{:>64}", percent(equal, wanted));
            }
        }
        good
    }
}

/// With two digits, rounded down.
fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let hundredths = part * 10_000 / whole;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn line(difference: &Difference) -> String {
    let Difference { capture, kind, stream, place, what, .. } = difference;
    format!("{capture} {} stream {stream} at {place}: {what}", kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_rounded_down() {
        assert_eq!(percent(1999, 2000), "99.95");
        assert_eq!(percent(19_999, 20_000), "99.99");
        assert_eq!(percent(0, 0), "-");
    }
}
