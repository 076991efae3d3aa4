//! What is said of a run: each event, apart from how its bytes came.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};
use tracer::{
    event::{self, Describe, Event, Message, Place, Side, Sink},
    output::View,
};

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Nanoseconds: when it was told, and when what it tells of began.
    pub(super) time: u64,
    pub(super) began: u64,
    /// Who says it.
    pub(super) side: Option<Side>,
    /// `event.action`.
    pub(super) action: &'static str,
    /// The info column.
    pub(super) info: String,
    /// The fields, with `event` beside them.
    pub(super) fields: Value,
}

impl Said {
    /// What a transcript says of the event.
    pub(super) fn text(&self) -> String {
        let side = self.side.map_or_else(|| "-".to_owned(), |side| side.to_string());
        format!("{side}: {}", self.info).trim_end().to_owned()
    }

    /// Whether it is `other`, but for fields that it lacks.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        let (here, there) = (self, other);
        (here.time, here.side, here.action) == (there.time, there.side, there.action)
            && here.info == there.info
            && contains(&there.fields, &here.fields).is_ok()
    }

    /// Whether it tells of missing bytes.
    pub(super) fn is_gap(&self) -> bool {
        self.action == "gap"
    }
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ns {}\n  {}", self.time, self.text(), self.fields)
    }
}

/// Whether a value contains another: objects their members, lists item by
/// item; `null` stands for what must not be there.
///
/// # Errors
///
/// What does not.
pub(super) fn contains(whole: &Value, part: &Value) -> Result<(), String> {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, part) in part {
                let found = whole.get(name).unwrap_or(&Value::Null);
                contains(found, part).map_err(|what| format!("{name}: {what}"))?;
            }
        }
        (Value::Array(whole), Value::Array(part)) if whole.len() == part.len() => {
            for (whole, part) in whole.iter().zip(part) {
                contains(whole, part)?;
            }
        }
        _ if whole == part => {}
        _ => return Err(format!("{whole}, not {part}")),
    }
    Ok(())
}

/// Keeps the events of a view, and what is counted in others.
#[derive(Debug)]
pub(super) struct Hearer {
    view: View,
    /// The events.
    pub(super) said: Vec<Said>,
    /// Bytes in gap events: client's, server's.
    pub(super) gaps: [u64; 2],
}

impl Hearer {
    pub(super) const fn new(view: View) -> Self {
        Self { view, said: Vec::new(), gaps: [0; 2] }
    }
}

impl Sink for Hearer {
    fn event(&mut self, event: &Event<'_>) {
        if let Message::Gap(gap) = &event.message {
            let gap = gap.tracer.gap;
            let [client, server] = &mut self.gaps;
            *(if gap.direction == Side::Client { client } else { server }) += gap.bytes;
        }
        let message = event.message.describe();
        let shown = match message.place() {
            Place::Message => self.view == View::Messages,
            Place::Exchange => self.view == View::Exchanges,
            Place::Summary | Place::Note => true,
            Place::Piece | Place::Row | Place::Record | Place::Stats => false,
        };
        if !shown {
            return;
        }
        let common = message.common();
        let action = event.message.action();
        let fields = serde_json::to_value(&event.message).map(|mut fields| {
            if let Some(fields) = fields.as_object_mut() {
                let event =
                    EventFields { action, duration: common.duration, outcome: common.outcome };
                fields.insert("event".to_owned(), json!(event));
            }
            fields
        });
        let fields = fields.unwrap_or_else(|error| Value::String(error.to_string()));
        let time = event.time.0;
        let info = match self.view {
            View::Exchanges => Exchange(message).to_string(),
            View::Messages | View::Segments => message.to_string(),
        };
        self.said.push(Said {
            time,
            began: time - common.duration.unwrap_or_default().min(time),
            side: event.side,
            action,
            info,
            fields,
        });
    }
}

/// The object `event`, as far as the decoder makes it.
#[derive(Serialize)]
struct EventFields {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<event::Outcome>,
}

/// The line of a message among exchanges.
struct Exchange<'a>(&'a dyn Describe);

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.exchange(formatter)
    }
}
