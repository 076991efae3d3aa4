//! The reference's IMAP commands and responses: all lines of both sides.

use std::collections::HashMap;

use super::{Collector, Frame};
use crate::corpus::{
    index::Capture,
    message::{Direction, Kind, Value},
};

/// Remembers which direction's last line ended in a literal: its next line goes
/// on with the same message, whose first line is what is compared.
#[derive(Default)]
pub(super) struct Lines {
    in_literal: HashMap<Direction, bool>,
}

impl Lines {
    pub(super) fn messages(&mut self, frame: &Frame, capture: &Capture, collector: &mut Collector) {
        let ports = capture.ports.get("imap").map_or(&[][..], Vec::as_slice);
        let from_server = frame.source_port().is_some_and(|port| ports.contains(&port));
        let kind = if from_server { Kind::ImapResponse } else { Kind::ImapCommand };
        for (index, line) in frame.all("imap.line").into_iter().enumerate() {
            let line = line.trim_end();
            let continues = self.in_literal.entry(frame.direction()).or_default();
            if !std::mem::replace(continues, ends_in_literal(line)) {
                collector.push(frame, kind, index, vec![("line", Value::Is(normal(kind, line)))]);
            }
        }
    }
}

/// Whether `{n}`, or `{n+}`, stands at the end.
fn ends_in_literal(line: &str) -> bool {
    let Some((_, size)) = line.strip_suffix('}').and_then(|line| line.rsplit_once('{')) else {
        return false;
    };
    let size = size.strip_suffix('+').unwrap_or(size);
    !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit())
}

/// The line with the command's name in upper case, as tracer shows it.
fn normal(kind: Kind, line: &str) -> String {
    let mut words = line.splitn(if kind == Kind::ImapCommand { 4 } else { 3 }, ' ');
    let tag = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let upper = |word: &&str| word.to_uppercase();
    let rest = match (kind, rest.as_slice()) {
        (Kind::ImapCommand, [uid, name, rest @ ..]) if uid.eq_ignore_ascii_case("uid") => {
            [vec!["UID".to_owned(), upper(name)], strings(rest)].concat()
        }
        (_, [name, rest @ ..]) if tag != "+" => [vec![upper(name)], strings(rest)].concat(),
        (_, rest) => strings(rest),
    };
    [vec![tag.to_owned()], rest].concat().join(" ").trim().to_owned()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_upper_case() {
        assert_eq!(normal(Kind::ImapCommand, "7 uid fetch 1 (flags)"), "7 UID FETCH 1 (flags)");
        assert_eq!(normal(Kind::ImapCommand, "1 select Sent"), "1 SELECT Sent");
        assert_eq!(normal(Kind::ImapResponse, "* ok hello you"), "* OK hello you");
        assert_eq!(normal(Kind::ImapResponse, "+ idling"), "+ idling");
    }

    #[test]
    fn literals() {
        assert!(ends_in_literal("* 1 FETCH (BODY[] {12}"));
        assert!(ends_in_literal("a LOGIN {3+}"));
        assert!(!ends_in_literal("a LOGIN {}"));
        assert!(!ends_in_literal("a }"));
    }
}
