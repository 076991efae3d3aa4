//! What stands in a capture, to tell a message that the reference passes over
//! from one that nobody sent.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::message::{Kind, Message};

/// The bytes of a capture's file, letters in lower case.
pub(super) struct Evidence(Vec<u8>);

impl Evidence {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self::new(bytes))
    }

    fn new(mut bytes: Vec<u8>) -> Self {
        bytes.make_ascii_lowercase();
        Self(bytes)
    }

    /// Whether a message's first line, or what is most its own, stands in the
    /// capture as often as it was found in `list`.
    pub(super) fn has(&self, kind: Kind, message: &Message, list: &[Message]) -> bool {
        let line = first_line(kind, message);
        if line.is_empty() {
            return false;
        }
        let found = list.iter().filter(|other| first_line(kind, other) == line).count();
        self.has_times(line.as_bytes(), found)
    }

    fn has_times(&self, line: &[u8], times: usize) -> bool {
        let Some(first) = line.first() else { return false };
        let starts = self.0.iter().enumerate().filter(|(_, byte)| *byte == first);
        let tails = starts.filter_map(|(at, _)| self.0.get(at..));
        tails.filter(|tail| tail.starts_with(line)).take(times).count() == times
    }
}

/// What was sent of a message for certain, letters in lower case.
fn first_line(kind: Kind, message: &Message) -> String {
    let of = |name| message.field(name);
    let words = match kind {
        Kind::HttpRequest => [of("method"), of("target"), of("version")].join(" "),
        Kind::HttpResponse => [of("version"), of("status"), of("reason")].join(" "),
        Kind::SmtpCommand | Kind::ImapCommand | Kind::ImapResponse => of("line").to_owned(),
        Kind::SmtpReply => {
            let (before, last) = of("text").rsplit_once(" | ").unwrap_or_else(|| ("", of("text")));
            if before.is_empty() { [of("code"), last].join(" ") } else { last.to_owned() }
        }
        Kind::Mail if of("message_id").is_empty() => of("from").to_owned(),
        Kind::Mail => of("message_id").to_owned(),
    };
    // Bytes that are no UTF-8 are not known any more.
    let parts = words.trim().split(char::REPLACEMENT_CHARACTER);
    parts.max_by_key(|part| part.len()).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::message::Value;

    #[test]
    fn what_was_sent_once_is_not_found_twice() {
        let command = |line: &str| Message {
            place: String::new(),
            stream: String::new(),
            fields: vec![("line", Value::Is(line.to_owned()))],
            cut: true,
        };
        let evidence = Evidence::new(b"\0\x01quit\r\nNoop\r\n".to_vec());
        let has = |line, list: &[Message]| evidence.has(Kind::SmtpCommand, &command(line), list);
        assert!(has("QUIT", &[command("QUIT"), command("NOOP")]));
        assert!(!has("QUIT", &[command("QUIT"), command("QUIT")]));
        assert!(!has("RSET", &[command("RSET")]));
        assert!(!has("", &[command("")]));
    }
}
