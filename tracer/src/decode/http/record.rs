//! What exchanges will say: kept from the head of a request until its final
//! response is complete, and only for the view of exchanges.

use std::collections::VecDeque;

use httparse::Header;

use super::{
    content::Content,
    fields::Fields,
    head::{RequestLine, StartLine, StatusLine},
    message,
};
use crate::{
    decode::Out,
    event::{
        Message, Side, Timestamp,
        http::{Body, Ended, Exchange, ExchangeHttp, Headers, RequestFields, Url},
    },
};

/// Bytes kept for the exchanges of one connection: some hundred heads, so
/// that a client that pipelines is followed, and one that floods is not.
const RECORDS_LIMIT: usize = 256 * 1024;

/// Interim responses of one exchange whose status codes are kept; servers
/// send one or two.
const INTERIM_LIMIT: usize = 16;

/// The exchanges of a connection that are not complete, in order.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// `None`: nothing is kept, because of the limit.
    open: VecDeque<Option<Box<Record>>>,
    /// How many of them, from the front, have their final response.
    answered: usize,
    held: usize,
}

/// An exchange so far.
#[derive(Debug, Default)]
struct Record {
    request: Option<Part>,
    response: Option<Part>,
    interim: Vec<u16>,
    /// What was counted for this in [`Records::held`].
    held: usize,
}

/// A message of an exchange.
#[derive(Debug)]
struct Part {
    start: Start,
    headers: Fields,
    trailer: Fields,
    has_body: bool,
    started: Timestamp,
    /// When its latest byte came.
    latest: Timestamp,
    /// Bytes of its content.
    bytes: u64,
    shown: Option<Body<'static>>,
    /// `None` as long as it goes on.
    ended: Option<Ended>,
}

/// A start line with bytes of its own.
#[derive(Debug)]
enum Start {
    Request {
        method: String,
        target: Vec<u8>,
        version: String,
    },
    Status {
        version: String,
        status: u16,
        reason: Vec<u8>,
    },
    /// A response without one (HTTP/0.9).
    None,
}

impl Start {
    fn of(line: StartLine<'_>) -> Self {
        match line {
            StartLine::Request(RequestLine { method, target, version }) => Self::Request {
                method: method.to_owned(),
                target: target.to_owned(),
                version: version.to_owned(),
            },
            StartLine::Status(StatusLine { version, status, reason }) => {
                Self::Status { version: version.to_owned(), status, reason: reason.to_owned() }
            }
        }
    }

    const fn held(&self) -> usize {
        match self {
            Self::Request { method, target, version } => {
                method.capacity() + target.capacity() + version.capacity()
            }
            Self::Status { version, reason, .. } => version.capacity() + reason.capacity(),
            Self::None => 0,
        }
    }
}

impl Part {
    fn new(start: Start, headers: Fields, has_body: bool, started: Timestamp) -> Self {
        let (trailer, shown, ended) = (Fields::default(), None, None);
        let latest = started;
        Self { start, headers, trailer, has_body, started, latest, bytes: 0, shown, ended }
    }

    fn held(&self) -> usize {
        let shown = self.shown.as_ref().and_then(|shown| shown.content.as_ref());
        self.start.held()
            + self.headers.held()
            + self.trailer.held()
            + shown.map_or(0, |content| content.0.len())
    }

    /// The body as the exchange tells of it.
    fn body(&self) -> Option<Body<'_>> {
        let bytes = (self.has_body || self.bytes > 0).then_some(self.bytes);
        let shown = self.shown.clone().unwrap_or_default();
        let body = Body { bytes, ..shown };
        (body != Body::default()).then_some(body)
    }
}

impl Record {
    fn part(&mut self, side: Side) -> &mut Option<Part> {
        match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        }
    }

    /// Whether both messages have ended, or never will have.
    fn is_complete(&self) -> bool {
        let has_ended = |part: &Option<Part>| part.as_ref().is_none_or(|part| part.ended.is_some());
        has_ended(&self.request) && has_ended(&self.response)
    }

    fn size(&self) -> usize {
        let parts = [&self.request, &self.response].into_iter().flatten().map(Part::held);
        size_of::<Self>() + parts.sum::<usize>() + self.interim.capacity() * size_of::<u16>()
    }
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

impl Record {
    fn tell(&self, missing: Ended, time: Timestamp, out: &mut Out<'_>) {
        fn list(fields: Option<&Fields>) -> Vec<Header<'_>> {
            fields.into_iter().flat_map(Fields::iter).collect()
        }
        let (request, response) = (self.request.as_ref(), self.response.as_ref());
        let headers = [request, response].map(|part| list(part.map(|part| &part.headers)));
        let trailers = [request, response].map(|part| list(part.map(|part| &part.trailer)));
        let [request_headers, response_headers] = &headers;
        let [request_trailer, response_trailer] = &trailers;
        let asked = request.and_then(|part| match &part.start {
            Start::Request { method, target, version } => {
                let line = RequestLine { method, target, version };
                Some((part, message::request(line, request_headers, None, None)))
            }
            _ => None,
        });
        let answered = response.map(|part| {
            let line = match &part.start {
                Start::Status { version, status, reason } => {
                    StatusLine { version, status: *status, reason }
                }
                _ => StatusLine { version: "", status: 0, reason: &[] },
            };
            let mut fields = message::response(line, response_headers, None, None).http;
            if matches!(part.start, Start::None) {
                fields.response.status_code = None;
            }
            fields.response.body = part.body();
            fields.response.trailer = Headers(response_trailer);
            fields.response.interim_status_codes = &self.interim;
            fields.response.time_to_first_byte =
                request.map(|request| part.started.since(request.started));
            fields
        });
        let parts = || [request, response].into_iter().flatten();
        let started = parts().map(|part| part.started).min().unwrap_or_default();
        let gone = if response.is_none() { missing } else { Ended::Whole };
        let ended = parts().map(|part| part.ended.unwrap_or(missing)).fold(gone, Ended::max);
        let version = answered.as_ref().map_or("", |fields| fields.version);
        let mut exchange = Exchange {
            http: ExchangeHttp {
                version,
                request: None,
                response: answered.map(|fields| fields.response),
            },
            url: Url::default(),
            user_agent: None,
            duration: response.map(|part| part.latest.since(started)),
            ended,
            has_body: response.is_some_and(|part| part.has_body),
        };
        if let Some((part, asked)) = asked {
            exchange.http.version = asked.http.version;
            exchange.http.request = Some(RequestFields {
                body: part.body(),
                trailer: Headers(request_trailer),
                ..asked.http.request
            });
            exchange.url = asked.url;
            exchange.user_agent = asked.user_agent;
        }
        out.emit(Side::Client, time, Message::HttpExchange(exchange));
    }
}
