//! The output of the program: a view of the events in a format.

use std::{io, thread, time::Duration};

use super::{Format, Output, View, json, look::Look, segments::Segments, text};
use crate::event::{Common, Connection, Event, Message, Place, Side, Sink, Timestamp, tcp::Row};

/// Bytes of formatted events after which they are handed on even when nobody
/// flushes: large enough that a write costs nothing a row, small enough to
/// stay in the cache.
const BUFFER: usize = 64 * 1024;

/// Pause before a reader is tried again whose pipe is full and was set not to
/// block by somebody else who holds it.
const RETRY: Duration = Duration::from_millis(1);

/// Writes events in one format and one view.
///
/// Events are formatted into a buffer that is used again and again. After an
/// error, what was not yet written is dropped, and so is all that follows.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    format: Format,
    view: View,
    look: Look,
    begin: Option<Timestamp>,
    buffer: Vec<u8>,
    segments: Segments,
    events: u64,
    state: State,
}

/// Whether writing still makes sense.
#[derive(Debug)]
enum State {
    Open,
    /// Broke, and [`Output::flush`] has yet to say so.
    Broke(io::Error),
    /// Broke, and whoever flushes knows.
    Told(io::ErrorKind),
}

/// What all lines begin with, whatever the message says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// When.
    pub(super) time: Timestamp,
    /// On which connection.
    pub(super) connection: Option<&'a Connection>,
    /// Who speaks.
    pub(super) side: Option<Side>,
    /// `event.action`.
    pub(super) action: &'static str,
    /// What the message adds to the common objects.
    pub(super) common: Common,
    /// Where the message belongs.
    pub(super) place: Place,
    /// Whether it tells of something that went wrong.
    pub(super) is_failure: bool,
}

impl<'a> Head<'a> {
    /// The head of an event.
    pub(super) fn new(event: &Event<'a>) -> Self {
        let message = event.message.describe();
        Self {
            time: event.time,
            connection: event.connection,
            side: event.side,
            action: event.message.action(),
            common: message.common(),
            place: message.place(),
            is_failure: message.is_failure(),
        }
    }
}

/// What the message of a line says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    /// Not yet formatted.
    Message(&'a Message<'a>),
    /// Formatted when the event came, and held back since.
    Formatted(&'a [u8]),
}

impl<W: io::Write> Writer<W> {
    /// Writes to `out`.
    pub fn new(out: W, format: Format, view: View) -> Self {
        Self {
            out,
            format,
            view,
            look: Look::default(),
            begin: None,
            buffer: Vec::with_capacity(BUFFER + BUFFER / 4),
            segments: Segments::default(),
            events: 0,
            state: State::Open,
        }
    }

    /// Has text rows look otherwise than plain.
    #[must_use]
    pub fn with_look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    /// Puts one line into the buffer.
    fn line(&mut self, head: &Head<'_>, body: Body<'_>, row: Option<&Row>) {
        if !matches!(self.state, State::Open) {
            return;
        }
        let at = self.buffer.len();
        let begin = *self.begin.get_or_insert(head.time);
        let sequence = self.events + 1;
        let written = match self.format {
            Format::Text => {
                text::row(&mut self.buffer, begin, head, body, self.view, &mut self.look)
            }
            Format::Json => json::line(&mut self.buffer, sequence, head, body, row),
        };
        match written {
            Ok(()) => self.events = sequence,
            Err(error) => {
                self.buffer.truncate(at);
                self.state = State::Broke(error);
            }
        }
        if self.buffer.len() >= BUFFER {
            self.drain();
        }
    }

    /// Keeps the first message of a side until its segment's row comes.
    fn hold(&mut self, event: &Event<'_>) {
        if self.segments.is_free(event) {
            let format = match self.format {
                Format::Text => text::info,
                Format::Json => {
                    // Before the connection is cloned, so that it is hashed
                    // once and not for every row.
                    let _hashed = event.connection.map(Connection::community_id);
                    json::object
                }
            };
            if let Err(error) = self.segments.hold(event, format) {
                self.state = State::Broke(error);
            }
        }
    }

    /// Writes the row of a segment: in it stands the first message of its
    /// sender. What it made known of the other side follows.
    fn segment(&mut self, event: &Event<'_>, row: &Row) {
        match event.side.and_then(|side| self.segments.take(side)) {
            Some(first) => {
                let head = Head { time: event.time, ..first.head() };
                self.line(&head, Body::Formatted(&first.body), Some(row));
                self.segments.give_back(first);
            }
            None => self.line(&Head::new(event), Body::Message(&event.message), None),
        }
        self.release();
    }

    /// Writes the messages that wait for the row of a segment which will not
    /// come, or has gone by.
    fn release(&mut self) {
        for side in [Side::Client, Side::Server] {
            if let Some(held) = self.segments.take(side) {
                self.line(&held.head(), Body::Formatted(&held.body), None);
                self.segments.give_back(held);
            }
        }
    }

    /// Hands the buffer to the reader.
    fn drain(&mut self) {
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() && matches!(self.state, State::Open) {
            match self.out.write(rest) {
                Ok(0) => self.state = State::Broke(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => self.state = State::Broke(error),
            }
        }
        self.buffer.clear();
    }
}

impl<W: io::Write> Sink for Writer<W> {
    fn event(&mut self, event: &Event<'_>) {
        if self.segments.is_over(event) {
            self.release();
        }
        let place = event.message.describe().place();
        match (self.view, place, self.format) {
            (View::Messages, Place::Message | Place::Summary, _)
            | (View::Exchanges, Place::Exchange | Place::Summary, _)
            | (View::Messages | View::Exchanges, Place::Record, Format::Json)
            | (_, Place::Note, _)
            | (_, Place::Stats, Format::Json) => {
                self.line(&Head::new(event), Body::Message(&event.message), None);
            }
            (View::Segments, Place::Message | Place::Piece, _) => self.hold(event),
            (View::Segments, Place::Row, _) => {
                if let Message::TcpSegment(row) = &event.message {
                    self.segment(event, row);
                }
            }
            (View::Messages, Place::Exchange | Place::Piece | Place::Row, _)
            | (View::Exchanges, Place::Message | Place::Piece | Place::Row, _)
            | (View::Segments, Place::Exchange | Place::Summary | Place::Record, _)
            | (_, Place::Record | Place::Stats, Format::Text) => {}
        }
    }
}

impl<W: io::Write> Output for Writer<W> {
    fn begin(&mut self, time: Timestamp) {
        self.begin.get_or_insert(time);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release();
        self.drain();
        self.look.refresh();
        if matches!(self.state, State::Open) {
            match self.out.flush() {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    self.state = State::Broke(error);
                }
                _ => return Ok(()),
            }
        }
        let kind = match &self.state {
            State::Open => return Ok(()),
            State::Broke(error) => error.kind(),
            State::Told(kind) => *kind,
        };
        match std::mem::replace(&mut self.state, State::Told(kind)) {
            State::Broke(error) => Err(error),
            State::Open | State::Told(_) => Err(kind.into()),
        }
    }

    fn events(&self) -> u64 {
        self.events
    }
}
