//! Where the two readings differ, and which differences are the reference's
//! own.

use std::{cell::Cell, fs, path::Path};

use anyhow::{Context as _, Result, bail};

use super::{
    align::{self, Pair},
    evidence::Evidence,
    message::{Direction, Kind, Lists, Message},
    rules,
};

/// A message that is not the same on both sides.
#[derive(Debug)]
pub(super) struct Difference {
    /// The capture's file in the index.
    pub(super) capture: String,
    /// What kind of message.
    pub(super) kind: Kind,
    /// The reference's number of the stream; `-` where it shows none.
    pub(super) stream: String,
    /// The place of the expected message; `+` and the time of one that was not
    /// expected.
    pub(super) place: String,
    /// Which fields differ, or the message that one side lacks.
    pub(super) what: String,
    /// Whether it counts for an expected message.
    pub(super) expected: bool,
    /// Why the reference's reading is not the right one, if it is not.
    pub(super) reason: Option<String>,
}

/// How many messages of a kind there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) expected: usize,
    pub(super) found: usize,
    pub(super) equal: usize,
}

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.expected += other.expected;
        self.found += other.found;
        self.equal += other.equal;
    }
}

/// Compares the two readings of a capture.
pub(super) fn compare(
    capture: &str,
    expected: &Lists,
    found: &Lists,
    evidence: &Evidence,
) -> (Vec<(Kind, Count)>, Vec<Difference>) {
    let mut counts = Vec::new();
    let mut differences = Vec::new();
    let mut directions: Vec<&(Kind, Direction)> = expected.keys().chain(found.keys()).collect();
    directions.sort_unstable();
    directions.dedup();
    for key in directions {
        let list = |lists: &Lists| lists.get(key).cloned().unwrap_or_default();
        let (expected, found) = (list(expected), list(found));
        let pairs = align::align(&expected, &found);
        let equal = pairs.iter().filter(|pair| **pair == Pair::Equal).count();
        counts.push((key.0, Count { expected: expected.len(), found: found.len(), equal }));
        let stream = expected.first().map_or("-", |message| message.stream.as_str());
        let sent = |message: &Message| evidence.has(key.0, message, &found);
        for pair in pairs {
            let (one, other) = match pair {
                Pair::Equal => continue,
                Pair::Differ(one, other) => (expected.get(one), found.get(other)),
                Pair::Missing(one) => (expected.get(one), None),
                Pair::Extra(other) => (None, found.get(other)),
            };
            differences.push(Difference {
                capture: capture.to_owned(),
                kind: key.0,
                stream: one.map_or(stream, |message| &message.stream).to_owned(),
                place: match (one, other) {
                    (Some(one), _) => one.place.clone(),
                    (None, other) => format!("+{}", other.map_or("", |message| &message.place)),
                },
                what: describe(one, other),
                expected: one.is_some(),
                reason: rules::reason(key.0, one, other, sent).map(ToOwned::to_owned),
            });
        }
    }
    (counts, differences)
}

fn describe(expected: Option<&Message>, found: Option<&Message>) -> String {
    match (expected, found) {
        (Some(one), Some(other)) => {
            let fields: Vec<String> = one
                .differing(other)
                .map(|(name, one, other)| format!("{name} expected {one} found {other}"))
                .collect();
            fields.join("; ")
        }
        (Some(one), None) => format!("not found: {one}"),
        (None, Some(other)) => format!("not expected: {other}"),
        (None, None) => String::new(),
    }
}

/// Differences that were looked at one by one: the list in the project.
pub(super) struct Argued {
    entries: Vec<Entry>,
}

struct Entry {
    line: usize,
    capture: String,
    kind: String,
    stream: String,
    place: String,
    reason: String,
    used: Cell<bool>,
}

impl Argued {
    /// Reads the list: capture, kind, stream, place, reason. `*` in place of
    /// stream or place stands for all.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let cells: Vec<&str> = line.split('\t').collect();
            let [capture, kind, stream, place, reason] = cells.as_slice() else {
                bail!("line {}: five columns are wanted", index + 1);
            };
            entries.push(Entry {
                line: index + 1,
                capture: (*capture).to_owned(),
                kind: (*kind).to_owned(),
                stream: (*stream).to_owned(),
                place: (*place).to_owned(),
                reason: (*reason).to_owned(),
                used: Cell::new(false),
            });
        }
        Ok(Self { entries })
    }

    /// Gives the reason to each difference that the list has.
    pub(super) fn apply(&self, differences: &mut [Difference]) {
        for difference in differences.iter_mut().filter(|difference| difference.reason.is_none()) {
            let reason = self.reason(
                &difference.capture,
                difference.kind.name(),
                &difference.stream,
                &difference.place,
            );
            difference.reason = reason.map(ToOwned::to_owned);
        }
    }

    /// The reason that the list gives, and remembers that it was asked for.
    pub(super) fn reason(
        &self,
        capture: &str,
        kind: &str,
        stream: &str,
        place: &str,
    ) -> Option<&str> {
        let is = |entry: &str, value: &str| entry == "*" || entry == value;
        let entry = self.entries.iter().find(|entry| {
            entry.capture == capture
                && entry.kind == kind
                && is(&entry.stream, stream)
                && is(&entry.place, place)
        })?;
        entry.used.set(true);
        Some(&entry.reason)
    }

    /// Entries for captures among `captures` that no difference needed.
    pub(super) fn unused(&self, captures: &[&str]) -> Vec<String> {
        self.entries
            .iter()
            .filter(|entry| !entry.used.get() && captures.contains(&entry.capture.as_str()))
            .map(|entry| {
                let Entry { line, capture, kind, stream, place, .. } = entry;
                format!("line {line}: {capture} {kind} stream {stream} {place} applies to nothing")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_apply_to_nothing_are_named() {
        let list = "# x\nfiles/a\thttp-request\t1\t*\twhy\nfiles/a\thttp-request\t2\t7.0\tso\n";
        let argued = Argued::parse(list).unwrap();
        assert_eq!(argued.reason("files/a", "http-request", "1", "9.0"), Some("why"));
        assert_eq!(argued.reason("files/a", "http-request", "2", "9.0"), None);
        assert_eq!(argued.reason("files/b", "http-request", "1", "9.0"), None);
        assert_eq!(argued.unused(&["files/b"]), Vec::<String>::new());
        let unused = argued.unused(&["files/a"]);
        assert_eq!(unused, ["line 3: files/a http-request stream 2 7.0 applies to nothing"]);
        assert!(Argued::parse("a\tb\n").is_err());
    }
}
