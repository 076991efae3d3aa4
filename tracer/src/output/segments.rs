//! The segments view: which message stands in the row of a segment.

use std::io;

use super::lines::Head;
use crate::event::{Common, Connection, Event, Message, Place, Side, Timestamp};

/// A message that was formatted when it came and waits for the row of the
/// segment that completed it.
#[derive(Debug)]
pub(super) struct Held {
    time: Timestamp,
    connection: Connection,
    side: Side,
    action: &'static str,
    number: usize,
    common: Common,
    place: Place,
    is_failure: bool,
    /// The info column, or the members of the JSON object, of the message.
    pub(super) body: Vec<u8>,
}

impl Held {
    /// What its line begins with.
    pub(super) const fn head(&self) -> Head<'_> {
        Head {
            time: self.time,
            connection: Some(&self.connection),
            side: Some(self.side),
            action: self.action,
            number: self.number,
            common: self.common,
            place: self.place,
            is_failure: self.is_failure,
        }
    }
}

/// The first message of each side since the last row.
#[derive(Debug, Default)]
pub(super) struct Segments {
    client: Option<Held>,
    server: Option<Held>,
    /// Buffers of messages that were written, to be used again.
    spare: Vec<Vec<u8>>,
}

impl Segments {
    const fn slot(&mut self, side: Side) -> &mut Option<Held> {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Whether no row will come any more for what is held, because the event
    /// belongs to another connection, or to a new one between the same ports.
    pub(super) fn is_over(&self, event: &Event<'_>) -> bool {
        let reopened = matches!(event.message, Message::TcpOpen(_));
        let held = self.client.as_ref().or(self.server.as_ref());
        held.is_some_and(|held| reopened || event.connection != Some(&held.connection))
    }

    /// Whether the event is the first of its side since the last row.
    pub(super) fn is_free(&mut self, event: &Event<'_>) -> bool {
        event.side.is_some_and(|side| self.slot(side).is_none())
    }

    /// Holds the event, whose message `format` writes down.
    ///
    /// # Errors
    ///
    /// Those of `format`; the event is not held then.
    pub(super) fn hold(
        &mut self,
        event: &Event<'_>,
        format: fn(&mut Vec<u8>, &Message<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let (Some(connection), Some(side)) = (event.connection, event.side) else {
            return Ok(());
        };
        let Head { time, action, number, common, place, is_failure, .. } = Head::new(event);
        let mut body = self.spare.pop().unwrap_or_default();
        body.clear();
        format(&mut body, &event.message)?;
        let connection = connection.clone();
        *self.slot(side) =
            Some(Held { time, connection, side, action, number, common, place, is_failure, body });
        Ok(())
    }

    /// What is held of the side.
    pub(super) const fn take(&mut self, side: Side) -> Option<Held> {
        self.slot(side).take()
    }

    /// Takes the buffer of a message that was written.
    pub(super) fn give_back(&mut self, held: Held) {
        self.spare.push(held.body);
    }
}
