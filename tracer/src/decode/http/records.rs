//! The exchanges of a connection: kept from the head of a request until its
//! final response is complete, and only for the view of exchanges.

use std::{cell::RefCell, collections::VecDeque};

use super::{
    content::Content,
    fields::Fields,
    name::Named,
    record::{Answer, INTERIM_LIMIT, Part, Record},
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

/// Spares that a thread keeps: as many as its connections have exchanges open
/// at once, more or less. Each has some kilobytes.
const SPARES: usize = 16;

/// Places in the list of a spare's exchanges: more are for who pipelines.
const SPARE_PLACES: usize = 8;

thread_local! {
    /// Where the connections of a thread leave what they used, so that an
    /// exchange needs no new memory, and a connection without one has none.
    #[expect(clippy::vec_box, reason = "connections have them boxed: they move as they are")]
    static SPARE: RefCell<Vec<Box<Open>>> = const { RefCell::new(Vec::new()) };
}

/// Gives back what connections have left to this thread.
pub(in crate::decode) fn release_spares() {
    SPARE.take();
}

/// The exchanges of a connection that are not complete. Holds no memory when
/// there are none.
#[derive(Debug, Default)]
pub(super) struct Records(Option<Box<Open>>);

/// The exchanges of a connection that are not complete, in order.
#[derive(Debug, Default)]
struct Open {
    /// `None`: nothing is kept, because of the limit.
    records: VecDeque<Option<Box<Record>>>,
    /// How many of them, from the front, have their final response.
    answered: usize,
    /// Bytes of what is in them, and bytes that they hold.
    len: usize,
    held: usize,
    /// One that was told of.
    spare: Option<Box<Record>>,
}

impl Records {
    fn open(&mut self) -> &mut Open {
        self.0.get_or_insert_with(|| SPARE.with_borrow_mut(Vec::pop).unwrap_or_default())
    }

    /// Leaves what is not needed any more to others.
    fn leave(&mut self) {
        if let Some(mut open) = self.0.take_if(|open| open.records.is_empty()) {
            open.records.shrink_to(SPARE_PLACES);
            SPARE.with_borrow_mut(|spares| {
                if spares.len() < SPARES {
                    spares.push(open);
                }
            });
        }
    }

    /// A request's head is complete. `false`: nothing is kept of it.
    pub(super) fn request(
        &mut self,
        line: StartLine<'_>,
        fields: Named<'_, '_>,
        has_body: bool,
        started: Timestamp,
    ) -> bool {
        self.open().request(line, fields, has_body, started)
    }

    /// An interim response's head is complete.
    pub(super) fn interim(&mut self, status: u16) {
        if let Some(open) = &mut self.0 {
            open.interim(status);
        }
    }

    /// A final response's head is complete; `paired` when its request is
    /// known. `false`: its header fields are not kept.
    pub(super) fn response(
        &mut self,
        paired: bool,
        head: Option<(StartLine<'_>, Named<'_, '_>, bool)>,
        started: Timestamp,
    ) -> bool {
        self.open().response(paired, head, started)
    }

    /// Whether the next final response answers the oldest request, which has
    /// ended.
    pub(super) fn wait_for_answer(&self) -> bool {
        let first = self.0.as_deref().filter(|open| open.answered == 0);
        let first = first.and_then(|open| open.records.front()?.as_deref());
        first.map(|record| record.part(Side::Client)).is_some_and(Part::has_ended)
    }

    /// Tells of the exchange that a final response completes, for which one
    /// [waits](Self::wait_for_answer). Its end is not told any more.
    pub(super) fn answer(&mut self, answer: &Answer<'_>, time: Timestamp, out: &mut Out<'_>) {
        if let Some(open) = &mut self.0 {
            open.answer(answer, time, out);
            self.leave();
        }
    }

    /// The body of the message at hand is shown.
    pub(super) fn body(&mut self, side: Side, body: Body<'static>) {
        if let Some(open) = &mut self.0 {
            open.body(side, body);
        }
    }

    /// Whether no exchange is at hand.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The message at hand has ended.
    pub(super) fn ends(&mut self, side: Side, content: &Content, trailer: Fields, ended: Ended) {
        if let Some(open) = &mut self.0 {
            open.ends(side, content, trailer, ended);
        }
    }

    /// Tells of the exchanges that are complete. One whose response came before
    /// any request waits for it as long as there may be one.
    pub(super) fn tell_complete(&mut self, early: usize, time: Timestamp, out: &mut Out<'_>) {
        if let Some(open) = &mut self.0 {
            open.tell_complete(early, time, out);
            self.leave();
        }
    }

    /// Tells of all exchanges that wait for a response: there will be none.
    pub(super) fn abandon(&mut self, ended: Ended, time: Timestamp, out: &mut Out<'_>) {
        if let Some(open) = &mut self.0 {
            open.abandon(ended, time, out);
            self.leave();
        }
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.0.as_deref().map_or(0, |open| size_of_val(open) + open.held())
    }
}

impl Open {
    fn request(
        &mut self,
        line: StartLine<'_>,
        fields: Named<'_, '_>,
        has_body: bool,
        started: Timestamp,
    ) -> bool {
        let early = self.records.iter().take(self.answered).position(|record| {
            record.as_ref().is_some_and(|record| !record.part(Side::Client).is_seen())
        });
        let index = early.unwrap_or_else(|| {
            let record = self.spare.take().unwrap_or_default();
            self.records.push_back(Some(record));
            self.records.len() - 1
        });
        self.begin(index, Side::Client, Some((line, fields, has_body)), started)
    }

    fn interim(&mut self, status: u16) {
        self.change(self.answered, |record| {
            if record.interim.len() < INTERIM_LIMIT {
                record.interim.push(status);
            }
        });
    }

    fn response(
        &mut self,
        paired: bool,
        head: Option<(StartLine<'_>, Named<'_, '_>, bool)>,
        started: Timestamp,
    ) -> bool {
        if !paired {
            let record = self.spare.take().unwrap_or_default();
            self.records.insert(self.answered, Some(record));
        }
        let index = self.answered;
        self.answered = (index + 1).min(self.records.len());
        self.begin(index, Side::Server, head, started)
    }

    fn answer(&mut self, answer: &Answer<'_>, time: Timestamp, out: &mut Out<'_>) {
        let Some(Some(mut record)) = self.records.pop_front() else { return };
        self.forget(&record);
        record.tell_answer(answer, time, out);
        record.clear();
        self.spare = Some(record);
    }

    /// Begins a message of an exchange, without its fields if they are too long;
    /// a request that is too long takes its exchange along.
    fn begin(
        &mut self,
        index: usize,
        side: Side,
        head: Option<(StartLine<'_>, Named<'_, '_>, bool)>,
        started: Timestamp,
    ) -> bool {
        let len = self.len;
        let mut fits = true;
        self.change(index, |record| {
            let part = record.part_mut(side);
            match head {
                Some((line, fields, has_body)) => {
                    part.begin(Some(line), fields, has_body, started);
                }
                None => part.begin(None, Named::default(), true, started),
            }
            fits = len + size_of::<Record>() + part.len() <= RECORDS_LIMIT;
            if !fits {
                part.headers = Fields::default();
            }
        });
        if self.len > RECORDS_LIMIT
            && let Some(place) = self.records.get_mut(index)
            && let Some(record) = place.take()
        {
            self.forget(&record);
        }
        fits
    }

    /// Changes a record, and counts what it holds.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Record)) {
        if let Some(Some(record)) = self.records.get_mut(index) {
            change(record);
            let (len, held) = (record.len(), record.held());
            self.len = (self.len + len).saturating_sub(record.counted.0);
            self.held = (self.held + held).saturating_sub(record.counted.1);
            record.counted = (len, held);
        }
    }

    /// The exchange whose message of `side` goes on.
    fn current(&self, side: Side) -> Option<usize> {
        let goes_on = |record: &Record| record.part(side).goes_on();
        self.records.iter().rposition(|record| record.as_deref().is_some_and(goes_on))
    }

    fn body(&mut self, side: Side, body: Body<'static>) {
        let Some(index) = self.current(side) else { return };
        self.change(index, |record| record.part_mut(side).shown = Some(body));
    }

    fn ends(&mut self, side: Side, content: &Content, trailer: Fields, ended: Ended) {
        let Some(index) = self.current(side) else { return };
        let Some(Some(record)) = self.records.get_mut(index) else { return };
        let part = record.part_mut(side);
        (part.bytes, part.latest, part.ended) = (content.bytes, content.latest, Some(ended));
        if trailer.len() > 0 {
            self.change(index, |record| record.part_mut(side).trailer = trailer);
        }
    }

    fn tell_complete(&mut self, early: usize, time: Timestamp, out: &mut Out<'_>) {
        while self.answered > 0 {
            match self.records.front() {
                Some(Some(record)) if !record.is_complete() => return,
                Some(Some(record)) if !record.part(Side::Client).is_seen() && early > 0 => return,
                None => return,
                Some(_) => self.answered -= 1,
            }
            self.tell_first(Ended::Whole, time, out);
        }
    }

    fn abandon(&mut self, ended: Ended, time: Timestamp, out: &mut Out<'_>) {
        self.tell_complete(0, time, out);
        let answered = self.answered;
        self.records.rotate_left(answered);
        for _ in answered..self.records.len() {
            self.tell_first(ended, time, out);
        }
    }

    /// Tells of the first exchange and forgets it; `missing` says what became
    /// of a message of it that was not seen.
    fn tell_first(&mut self, missing: Ended, time: Timestamp, out: &mut Out<'_>) {
        let Some(Some(mut record)) = self.records.pop_front() else { return };
        self.forget(&record);
        record.tell(missing, time, out);
        record.clear();
        self.spare = Some(record);
    }

    /// Counts a record no more.
    fn forget(&mut self, record: &Record) {
        self.len = self.len.saturating_sub(record.counted.0);
        self.held = self.held.saturating_sub(record.counted.1);
    }

    /// Bytes held on the heap.
    fn held(&self) -> usize {
        let spare = self.spare.as_deref().map_or(0, Record::held);
        self.records.capacity() * size_of::<Option<Box<Record>>>() + self.held + spare
    }
}
