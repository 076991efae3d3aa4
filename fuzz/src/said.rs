//! What the tracer says of a conversation, to be compared and to be held
//! against what every output promises.

use std::{
    collections::BTreeMap,
    fmt::{Debug, Write as _},
};

use serde_json::Value;
use tracer::{
    event::{Event, Message, Place, Side, Sink, is_control},
    output::{Format, Output as _, View, Writer},
};

use crate::heap;

/// A sink that keeps what does not depend on the segments, and counts gaps.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Each event in two lines: what the client says, what the server says, and
    /// what sums up. When one side's bytes say something beside the other's
    /// depends on which segment brought them, so they stand apart.
    pub(crate) text: [String; 3],
    /// Anomalies, in no order: some are told of only when all around them was
    /// understood.
    anomalies: BTreeMap<String, usize>,
    /// Bytes in gaps, of the client and of the server.
    pub(crate) lost: [u64; 2],
    /// Bytes that were skipped.
    pub(crate) skipped: u64,
    /// Connections that were opened, and that were closed.
    pub(crate) connections: [u64; 2],
}

impl Sink for Said {
    fn event(&mut self, event: &Event<'_>) {
        heap::apart(|| self.note(event));
    }
}

impl Said {
    /// Holds this against what was said of the same bytes, cut another way.
    pub(crate) fn equals(&self, whole: &Self, cut: impl Debug) {
        assert_eq!(self.lost, whole.lost, "lost, {cut:?} and whole");
        for (anomaly, times) in &self.anomalies {
            assert_eq!(Some(times), whole.anomalies.get(anomaly), "{anomaly}, {cut:?} and whole");
        }
        assert_eq!(self.anomalies.len(), whole.anomalies.len(), "anomalies, {cut:?} and whole");
        for (here, there) in self.text.iter().zip(&whole.text) {
            for (line, (one, other)) in here.lines().zip(there.lines()).enumerate() {
                assert!(one == other, "line {line}\n{cut:?}: {one}\nwhole: {other}");
            }
            let more = |one: &str, other: &str| one.get(other.len()..).unwrap_or("").to_owned();
            let (cut_more, whole_more) = (more(here, there), more(there, here));
            assert!(here == there, "{cut:?} has more: {cut_more:?}\nwhole: {whole_more:?}");
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        match &event.message {
            Message::Gap(gap) => {
                let [client, server] = &mut self.lost;
                let gap = &gap.tracer.gap;
                assert_eq!(event.side, Some(gap.direction));
                *(if gap.direction == Side::Client { client } else { server }) += gap.bytes;
                // When the loss is certain depends on the segments.
                return;
            }
            Message::Anomaly(anomaly) => {
                let key = format!("{:?} {anomaly:?}", event.side);
                *self.anomalies.entry(key).or_default() += 1;
                return;
            }
            Message::TcpOpen(_) => self.connections[0] += 1,
            Message::TcpClose(close) => {
                self.connections[1] += 1;
                self.skipped += close.tcp.skipped_bytes;
            }
            _ => {}
        }
        let message = event.message.describe();
        if matches!(message.place(), Place::Record | Place::Row | Place::Piece | Place::Stats) {
            return;
        }
        let common = message.common();
        let fields = serde_json::to_string(&event.message);
        assert!(fields.is_ok(), "{} does not serialize", event.message.action());
        let fields = fields.unwrap_or_default();
        let [client, server, sums] = &mut self.text;
        let text = match (message.place(), event.side) {
            (Place::Summary | Place::Exchange, _) => sums,
            (_, Some(Side::Server)) => server,
            _ => client,
        };
        let action = event.message.action();
        let written = writeln!(text, "{action} {common:?} {message}\n  {fields}");
        assert!(written.is_ok(), "{} does not display", event.message.action());
    }
}

/// Both formats of a view.
struct Both<'a>([Writer<&'a mut Vec<u8>>; 2]);

impl Sink for Both<'_> {
    fn event(&mut self, event: &Event<'_>) {
        heap::apart(|| {
            for writer in &mut self.0 {
                writer.event(event);
            }
        });
    }
}

/// What is written of the events that `play` pushes: as text, and as JSON. Each
/// line is whole: text without control characters, JSON an object.
pub(crate) fn written(view: View, play: impl FnOnce(&mut dyn Sink)) -> [String; 2] {
    let mut outputs = [Vec::new(), Vec::new()];
    let [text, json] = &mut outputs;
    let mut both =
        Both([Writer::new(text, Format::Text, view), Writer::new(json, Format::Json, view)]);
    play(&mut both);
    for writer in &mut both.0 {
        assert!(writer.flush().is_ok(), "writing failed");
    }
    let [text, json] = outputs.map(|output| {
        let output = String::from_utf8(output);
        assert!(output.is_ok(), "what was written is not UTF-8: {output:?}");
        output.unwrap_or_default()
    });
    for line in text.lines() {
        assert!(!line.contains(is_control), "a control character in {line:?}");
    }
    for line in json.lines() {
        let value = serde_json::from_str::<Value>(line);
        assert!(value.is_ok_and(|value| value.is_object()), "no object: {line}");
    }
    [text, json]
}
