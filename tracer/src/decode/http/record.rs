//! What an exchange will say, and how it is told.

use httparse::Header;

use super::{
    fields::{Fields, Lent},
    message,
    start_line::{RequestLine, StartLine, StatusLine},
};
use crate::{
    decode::Out,
    event::{
        Message, Side, Text, Timestamp,
        http::{Body, Ended, Exchange, ExchangeHttp, Headers, RequestFields, Url},
    },
};

/// Interim responses of one exchange whose status codes are kept; servers
/// send one or two.
pub(super) const INTERIM_LIMIT: usize = 16;

/// Bytes of the memory that a message of an exchange leaves to the next.
const SPARE_LIMIT: usize = 2 * 1024;

/// An exchange so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The request, when its head is complete.
    pub(super) request: Option<Part>,
    /// The final response, when its head is complete.
    pub(super) response: Option<Part>,
    /// Status codes of the responses before it.
    pub(super) interim: Vec<u16>,
    /// What was counted of [`len`](Self::len) and [`held`](Self::held).
    pub(super) counted: (usize, usize),
    /// Parts of an exchange that was told of, whose memory is used again.
    spares: Vec<Part>,
}

/// A message of an exchange.
#[derive(Debug, Default)]
pub(super) struct Part {
    start: Start,
    /// Of its start line, what is known to be text: the method, the version.
    line: String,
    /// The rest of it: the target or the reason, without secrets.
    text: Vec<u8>,
    /// Of its head, without secrets.
    pub(super) headers: Fields,
    /// Of its trailer section, without secrets.
    pub(super) trailer: Fields,
    has_body: bool,
    started: Timestamp,
    /// When its latest byte came.
    pub(super) latest: Timestamp,
    /// Bytes of its content.
    pub(super) bytes: u64,
    /// What is shown of it.
    pub(super) shown: Option<Body<'static>>,
    /// `None` as long as it goes on.
    pub(super) ended: Option<Ended>,
}

/// What a message begins with.
#[derive(Clone, Copy, Debug, Default)]
enum Start {
    /// The start line of a request, whose method has so many bytes.
    Request(usize),
    /// That of a response, with its status code.
    Status(u16),
    /// Nothing: a response of HTTP/0.9.
    #[default]
    None,
}

impl Part {
    /// Becomes a message of which only the head is known; without a `line`, a
    /// response that has none.
    pub(super) fn begin(
        &mut self,
        line: Option<StartLine<'_>>,
        headers: &[Header<'_>],
        has_body: bool,
        started: Timestamp,
    ) {
        self.clear();
        self.start = match line {
            Some(StartLine::Request(line)) => {
                self.line.push_str(line.method);
                Start::Request(line.method.len())
            }
            Some(StartLine::Status(line)) => Start::Status(line.status),
            None => Start::None,
        };
        if let Some(line) = line {
            self.line.push_str(line.version());
            self.text.extend_from_slice(line.text());
        }
        self.headers.copy(headers);
        (self.has_body, self.started, self.latest) = (has_body, started, started);
    }

    /// Forgets the message, and keeps the memory.
    fn clear(&mut self) {
        self.line.clear();
        self.text.clear();
        self.headers.clear();
        self.trailer.clear();
        (self.bytes, self.shown, self.ended) = (0, None, None);
    }

    /// Bytes of what is in here.
    pub(super) fn len(&self) -> usize {
        let shown = self.shown.as_ref().and_then(|shown| shown.content.as_ref());
        self.line.len()
            + self.text.len()
            + self.headers.len()
            + self.trailer.len()
            + shown.map_or(0, |content| content.0.len())
    }

    /// Method and version.
    fn line(&self) -> (&str, &str) {
        match self.start {
            Start::Request(method) => self.line.split_at_checked(method).unwrap_or_default(),
            Start::Status(_) | Start::None => ("", &self.line),
        }
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let shown = self.shown.as_ref().and_then(|shown| shown.content.as_ref());
        self.line.capacity()
            + self.text.capacity()
            + self.headers.held()
            + self.trailer.held()
            + shown.map_or(0, |content| content.0.len())
    }

    /// The body as the exchange tells of it.
    fn body(&self) -> Option<Body<'_>> {
        let bytes = (self.has_body || self.bytes > 0).then_some(self.bytes);
        let body = match &self.shown {
            Some(Body { content, truncated, omitted, .. }) => Body {
                bytes,
                content: content.as_ref().map(Text::lend),
                truncated: *truncated,
                omitted: *omitted,
            },
            None => Body { bytes, ..Body::default() },
        };
        (body != Body::default()).then_some(body)
    }
}

impl Record {
    /// The message of this side.
    pub(super) fn part(&mut self, side: Side) -> &mut Option<Part> {
        match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        }
    }

    /// Whether both messages have ended, or never will have.
    pub(super) fn is_complete(&self) -> bool {
        let has_ended = |part: &Option<Part>| part.as_ref().is_none_or(|part| part.ended.is_some());
        has_ended(&self.request) && has_ended(&self.response)
    }

    /// Puts the message of a side in its place.
    pub(super) fn put(&mut self, side: Side, part: Part) {
        *self.part(side) = Some(part);
    }

    /// A part to begin a message with.
    pub(super) fn spare(&mut self) -> Part {
        self.spares.pop().unwrap_or_default()
    }

    /// Forgets the exchange, and keeps its memory for another, unless that is
    /// much.
    pub(super) fn clear(&mut self) {
        for part in [self.request.take(), self.response.take()].into_iter().flatten() {
            if part.held() <= SPARE_LIMIT && self.spares.len() < 2 {
                self.spares.push(part);
            }
        }
        self.interim.clear();
        self.counted = (0, 0);
    }

    /// Bytes of what is in here.
    pub(super) fn len(&self) -> usize {
        let parts = [&self.request, &self.response].into_iter().flatten().map(Part::len);
        size_of::<Self>() + parts.sum::<usize>() + size_of_val(self.interim.as_slice())
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let parts = [&self.request, &self.response].into_iter().flatten().chain(&self.spares);
        size_of::<Self>()
            + parts.map(Part::held).sum::<usize>()
            + self.spares.capacity() * size_of::<Part>()
            + self.interim.capacity() * size_of::<u16>()
    }

    /// Tells of it; `missing` says what became of a message that was not seen.
    pub(super) fn tell(&self, missing: Ended, time: Timestamp, out: &mut Out<'_>) {
        let (request, response) = (self.request.as_ref(), self.response.as_ref());
        let mut rooms = [const { Lent::new() }; 2];
        let mut trailer_rooms = [Vec::new(), Vec::new()];
        let [request_room, response_room] = &mut rooms;
        let request_headers = request.map_or(&[][..], |part| part.headers.lend(request_room));
        let response_headers = response.map_or(&[][..], |part| part.headers.lend(response_room));
        for (room, part) in trailer_rooms.iter_mut().zip([request, response]) {
            room.extend(part.iter().flat_map(|part| part.trailer.iter()));
        }
        let [request_trailer, response_trailer] = &trailer_rooms;
        let asked = request.and_then(|part| match part.start {
            Start::Request(_) => {
                let (method, version) = part.line();
                let line = RequestLine { method, target: &part.text, version };
                Some((part, message::request(line, request_headers, None, None)))
            }
            _ => None,
        });
        // A capture may show a response before its request: then nobody knows
        // how long it took.
        let asked_at = request.map(|part| part.started);
        let asked_at = asked_at.filter(|asked| response.is_some_and(|part| part.started >= *asked));
        let answered = response.map(|part| {
            let line = match part.start {
                Start::Status(status) => {
                    StatusLine { version: part.line().1, status, reason: &part.text }
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
            fields.response.time_to_first_byte = asked_at.map(|asked| part.started.since(asked));
            fields
        });
        let parts = || [request, response].into_iter().flatten();
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
            duration: response.zip(asked_at).map(|(part, asked)| part.latest.since(asked)),
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
