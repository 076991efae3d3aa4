//! What the reference analyser, tshark, says of a capture: one object per
//! frame, each field a list of its occurrences in that frame.

mod http;
mod imap;
mod smtp;
mod tshark;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value as Json};

use super::{
    index::Capture,
    message::{Direction, Kind, Lists, Message, Value},
};

/// The reading of one frame.
struct Frame(Map<String, Json>);

impl Frame {
    /// The occurrences of a field.
    fn all(&self, name: &str) -> Vec<&str> {
        let list = self.0.get(name).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).collect()
    }

    /// Its first occurrence, empty if there is none.
    fn first(&self, name: &str) -> &str {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    /// The occurrence that belongs to the message at `index` of `count` in the
    /// frame. Which one that is can be told only if all messages have it or
    /// none, or if there is but one message.
    fn of(&self, name: &str, index: usize, count: usize) -> Value {
        let all = self.all(name);
        if all.is_empty() || count == 1 || all.len() == count {
            return Value::Is(all.get(index).copied().unwrap_or_default().to_owned());
        }
        Value::Unknown
    }

    fn direction(&self) -> Direction {
        let end = |column, port| format!("{} {}", self.first(column), self.first(port));
        Direction {
            source: end("_ws.col.Source", "tcp.srcport"),
            destination: end("_ws.col.Destination", "tcp.dstport"),
        }
    }

    fn source_port(&self) -> Option<u16> {
        self.first("tcp.srcport").parse().ok()
    }
}

/// Collects the messages of a capture.
struct Collector {
    lists: Lists,
}

impl Collector {
    fn push(
        &mut self,
        frame: &Frame,
        kind: Kind,
        index: usize,
        fields: Vec<(&'static str, Value)>,
    ) {
        let message = Message {
            place: format!("{}.{index}", frame.first("frame.number")),
            stream: frame.first("tcp.stream").to_owned(),
            fields,
            cut: false,
        };
        self.lists.entry((kind, frame.direction())).or_default().push(message);
    }
}

impl Collector {
    /// Adds lines to the last field of what the sender of the frame said last.
    fn extend(&mut self, frame: &Frame, kind: Kind, lines: &Value) {
        let said = self.lists.get_mut(&(kind, frame.direction()));
        let field = said.and_then(|said| said.last_mut()?.fields.last_mut());
        if let Some((_, value)) = field {
            *value = match (&*value, lines) {
                (Value::Is(first), Value::Is(more)) => Value::Is(format!("{first} | {more}")),
                _ => Value::Unknown,
            };
        }
    }
}

/// The reference's messages of a capture: from the reading stored beside it
/// (the one with out-of-order segments put in order, where that differs), else
/// from tshark.
pub(super) fn read(folder: &Path, capture: &Capture, recompute: bool) -> Result<Lists> {
    let stored =
        |extension: &str| folder.join("oracle").join(format!("{}.{extension}", capture.stem()));
    let stored = [stored("ooo.jsonl"), stored("jsonl")].into_iter().find(|path| path.exists());
    let frames = match stored {
        Some(path) if !recompute => {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            text.lines()
                .map(serde_json::from_str)
                .collect::<Result<Vec<_>, _>>()
                .with_context(|| format!("in {}", path.display()))?
        }
        _ => tshark::read(&folder.join(&capture.file))?,
    };
    let mut collector = Collector { lists: Lists::new() };
    let mut imap = imap::Lines::default();
    let mut smtp = smtp::Replies::default();
    for frame in frames.into_iter().map(Frame) {
        // An ICMP error quotes a packet, which the reference reads as if it had
        // been sent once more.
        // TLS it decrypts, where the file has the keys.
        let protocols = frame.first("frame.protocols");
        if protocols.contains(":icmp") || protocols.contains(":tls:") {
            continue;
        }
        http::messages(&frame, &mut collector);
        smtp.messages(&frame, &mut collector);
        imap.messages(&frame, capture, &mut collector);
    }
    Ok(collector.lists)
}
