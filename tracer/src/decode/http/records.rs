//! The exchanges of a connection: kept from the head of a request until its
//! final response is complete, and only for the view of exchanges.

use std::collections::VecDeque;

use httparse::Header;

use super::{
    content::Content,
    fields::Fields,
    record::{INTERIM_LIMIT, Part, Record, Start},
    start_line::StartLine,
};
use crate::{
    decode::Out,
    event::{
        Side, Timestamp,
        http::{Body, Ended},
    },
};

/// Bytes kept for the exchanges of one connection: some hundred heads, so
/// that a client that pipelines is followed, and one that floods is not.
const RECORDS_LIMIT: usize = 256 * 1024;

/// The exchanges of a connection that are not complete, in order.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// `None`: nothing is kept, because of the limit.
    open: VecDeque<Option<Box<Record>>>,
    /// How many of them, from the front, have their final response.
    answered: usize,
    held: usize,
}

impl Records {
    /// A request's head is complete. `false`: nothing is kept of it.
    pub(super) fn request(
        &mut self,
        line: StartLine<'_>,
        headers: &[Header<'_>],
        has_body: bool,
        started: Timestamp,
    ) -> bool {
        let part = Part::new(Start::of(line), Fields::of(headers), has_body, started);
        let early = self
            .open
            .iter()
            .take(self.answered)
            .position(|record| record.as_ref().is_some_and(|record| record.request.is_none()));
        let index = early.unwrap_or_else(|| {
            self.open.push_back(Some(Box::default()));
            self.open.len() - 1
        });
        self.put(index, Side::Client, part)
    }

    /// An interim response's head is complete.
    pub(super) fn interim(&mut self, status: u16) {
        self.change(self.answered, |record| {
            if record.interim.len() < INTERIM_LIMIT {
                record.interim.push(status);
            }
        });
    }

    /// A final response's head is complete; `paired` when its request is
    /// known. `false`: its header fields are not kept.
    pub(super) fn response(
        &mut self,
        paired: bool,
        head: Option<(StartLine<'_>, &[Header<'_>], bool)>,
        started: Timestamp,
    ) -> bool {
        if !paired {
            self.open.insert(self.answered, Some(Box::default()));
        }
        let index = self.answered;
        self.answered = (index + 1).min(self.open.len());
        let part = match head {
            Some((line, headers, has_body)) => {
                Part::new(Start::of(line), Fields::of(headers), has_body, started)
            }
            None => Part::new(Start::None, Fields::default(), true, started),
        };
        self.put(index, Side::Server, part)
    }

    /// Puts a message into its exchange, without its fields if they are too
    /// long; a request that is too long takes its exchange along.
    fn put(&mut self, index: usize, side: Side, mut part: Part) -> bool {
        let fits = self.held + size_of::<Record>() + part.held() <= RECORDS_LIMIT;
        if !fits {
            part.headers = Fields::default();
        }
        self.change(index, |record| *record.part(side) = Some(part));
        if self.held > RECORDS_LIMIT
            && let Some(place) = self.open.get_mut(index)
            && let Some(record) = place.take()
        {
            self.held = self.held.saturating_sub(record.held);
        }
        fits
    }

    /// Changes a record, and counts what it holds.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Record)) {
        if let Some(Some(record)) = self.open.get_mut(index) {
            change(record);
            let size = record.size();
            self.held = (self.held + size).saturating_sub(record.held);
            record.held = size;
        }
    }

    /// The exchange whose message of `side` goes on.
    fn current(&self, side: Side) -> Option<usize> {
        let goes_on = |part: &Option<Part>| part.as_ref().is_some_and(|part| part.ended.is_none());
        self.open.iter().rposition(|record| {
            record.as_ref().is_some_and(|record| match side {
                Side::Client => goes_on(&record.request),
                Side::Server => goes_on(&record.response),
            })
        })
    }

    /// The body of the message at hand is shown.
    pub(super) fn body(&mut self, side: Side, body: Body<'static>) {
        let Some(index) = self.current(side) else { return };
        self.change(index, |record| {
            if let Some(part) = record.part(side) {
                part.shown = Some(body);
            }
        });
    }

    /// The message at hand has ended.
    pub(super) fn ends(&mut self, side: Side, content: &Content, trailer: Fields, ended: Ended) {
        let Some(index) = self.current(side) else { return };
        self.change(index, |record| {
            if let Some(part) = record.part(side) {
                part.bytes = content.bytes;
                part.latest = content.latest;
                part.trailer = trailer;
                part.ended = Some(ended);
            }
        });
    }

    /// Tells of the exchanges that are complete. One whose response came before
    /// any request waits for it as long as there may be one.
    pub(super) fn tell_complete(&mut self, early: usize, time: Timestamp, out: &mut Out<'_>) {
        while self.answered > 0 {
            match self.open.front() {
                Some(Some(record)) if !record.is_complete() => return,
                Some(Some(record)) if record.request.is_none() && early > 0 => return,
                None => return,
                Some(_) => self.answered -= 1,
            }
            self.tell_first(Ended::Whole, time, out);
        }
    }

    /// Tells of all exchanges that wait for a response: there will be none.
    pub(super) fn abandon(&mut self, ended: Ended, time: Timestamp, out: &mut Out<'_>) {
        self.tell_complete(0, time, out);
        let answered = self.answered;
        self.open.rotate_left(answered);
        for _ in answered..self.open.len() {
            self.tell_first(ended, time, out);
        }
    }

    /// Tells of the first exchange and forgets it; `missing` says what became
    /// of a message of it that was not seen.
    fn tell_first(&mut self, missing: Ended, time: Timestamp, out: &mut Out<'_>) {
        let Some(Some(record)) = self.open.pop_front() else { return };
        self.held = self.held.saturating_sub(record.held);
        record.tell(missing, time, out);
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.open.capacity() * size_of::<Option<Box<Record>>>() + self.held
    }
}
