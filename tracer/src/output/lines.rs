//! Events as lines: a view of them in a format.

use std::io;

use super::{Format, View, json, look::Look, segments::Segments, text, writer::BUFFER};
use crate::{
    event::{Common, Connection, Event, Message, Place, Side, Timestamp, tcp::Row},
    metrics::Counting,
};

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
    /// Its place among all actions.
    pub(super) number: usize,
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
            number: event.message.number(),
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

/// How lines get their numbers.
#[derive(Debug)]
enum Numbers {
    /// As they are formatted; so many have one.
    Now(u64),
    /// When they are written: 0 stands where it will. `offset` is what makes
    /// the time of an event of the clock that lines are put in order by.
    Later { marks: Vec<Mark>, offset: u64 },
}

/// A line that waits for its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When, in nanoseconds, by a clock that nobody steps.
    pub(super) time: u64,
    /// Bytes of the line.
    pub(super) len: usize,
    /// Where in the line the number will stand, if it is to be shown.
    pub(super) number: Option<usize>,
}

/// Formats events into a buffer that is used again and again.
#[derive(Debug)]
pub(super) struct Lines {
    format: Format,
    view: View,
    look: Look,
    begin: Option<Timestamp>,
    buffer: Vec<u8>,
    /// What JSON lines have in common.
    common: json::Common,
    segments: Segments,
    numbers: Numbers,
    /// Counts them, where somebody may ask.
    counting: Option<Counting>,
    error: Option<io::Error>,
}

impl Lines {
    /// Lines that are numbered as they are formatted.
    pub(super) fn numbered(format: Format, view: View) -> Self {
        Self::new(format, view, Numbers::Now(0))
    }

    /// Lines that are numbered when they are written.
    pub(super) fn marked(format: Format, view: View) -> Self {
        Self::new(format, view, Numbers::Later { marks: Vec::new(), offset: 0 })
    }

    fn new(format: Format, view: View, numbers: Numbers) -> Self {
        Self {
            format,
            view,
            look: Look::default(),
            begin: None,
            // It is handed on by the line that goes beyond the limit.
            buffer: Vec::with_capacity(BUFFER + BUFFER / 4),
            common: json::Common::default(),
            segments: Segments::default(),
            numbers,
            counting: None,
            error: None,
        }
    }

    /// Has text rows look otherwise than plain.
    pub(super) fn set_look(&mut self, look: Look) {
        self.look = look;
    }

    /// Counts lines, and what they say.
    pub(super) fn count_by(&mut self, counting: Option<Counting>) {
        self.counting = counting;
    }

    /// Tells when the capture began; only the first call counts.
    pub(super) fn begin(&mut self, time: Timestamp) {
        self.begin.get_or_insert(time);
    }

    /// Tells what is taken from an event's time to put lines in order.
    pub(super) const fn set_offset(&mut self, nanoseconds: u64) {
        if let Numbers::Later { offset, .. } = &mut self.numbers {
            *offset = nanoseconds;
        }
    }

    /// Tells what is added to an event's time where it is the time of the day.
    pub(super) const fn set_step(&mut self, nanoseconds: u64) {
        self.common.set_step(nanoseconds);
    }

    /// What was formatted since the buffer was emptied.
    pub(super) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The lines in the buffer, where they have no numbers yet.
    pub(super) fn marks(&self) -> &[Mark] {
        match &self.numbers {
            Numbers::Now(_) => &[],
            Numbers::Later { marks, .. } => marks,
        }
    }

    /// Forgets the lines that wait for numbers.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        if let Numbers::Later { marks, .. } = &mut self.numbers {
            marks.clear();
        }
    }

    /// Lines that were numbered.
    pub(super) const fn count(&self) -> u64 {
        match self.numbers {
            Numbers::Now(count) => count,
            Numbers::Later { .. } => 0,
        }
    }

    /// Why an event could not be formatted, if one could not.
    pub(super) const fn error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Ends a batch: nothing is held back, and the terminal is asked anew.
    pub(super) fn end_batch(&mut self) {
        self.release();
        self.look.refresh();
    }

    /// Puts one line into the buffer.
    fn line(&mut self, head: &Head<'_>, body: Body<'_>, row: Option<&Row>) {
        let at = self.buffer.len();
        let begin = *self.begin.get_or_insert(head.time);
        let number = match self.numbers {
            Numbers::Now(count) => count + 1,
            Numbers::Later { .. } => 0,
        };
        let written = match self.format {
            Format::Text => {
                text::row(&mut self.buffer, begin, head, body, self.view, &mut self.look)
            }
            Format::Json => json::line(&mut self.buffer, &mut self.common, number, head, body, row),
        };
        if let Err(error) = written {
            self.buffer.truncate(at);
            self.error = Some(error);
            return;
        }
        if let Some(counting) = &self.counting {
            counting.line(head.number);
        }
        match &mut self.numbers {
            Numbers::Now(count) => *count = number,
            Numbers::Later { marks, offset } => marks.push(Mark {
                time: head.time.0.wrapping_sub(*offset),
                len: self.buffer.len() - at,
                number: (self.format == Format::Json).then(|| json::number_at(head)),
            }),
        }
    }

    /// Keeps the first message of a side until its segment's row comes.
    fn hold(&mut self, event: &Event<'_>) {
        if self.segments.is_free(event) {
            let format = match self.format {
                Format::Text => text::info,
                Format::Json => json::members,
            };
            if let Err(error) = self.segments.hold(event, format) {
                self.error = Some(error);
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

    /// Takes an event.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        if let Some(counting) = &mut self.counting {
            counting.event(event);
        }
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
