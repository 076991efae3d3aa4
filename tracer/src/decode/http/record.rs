//! What an exchange will say, and how it is told.

use super::{
    fields::{Fields, Lent},
    message,
    name::Named,
    start_line::{RequestLine, StartLine, StatusLine},
};
use crate::{
    append,
    decode::Out,
    event::{
        Message, Side, Text, Timestamp,
        http::{Body, Ended, Exchange, ExchangeHttp, Headers, ResponseHttp, Url},
    },
};

/// Interim responses of one exchange whose status codes are kept; servers
/// send one or two.
pub(super) const INTERIM_LIMIT: usize = 16;

/// Bytes of the memory that a message of an exchange leaves to the next.
const SPARE_LIMIT: usize = 2 * 1024;

/// An exchange so far. It is used again for the next one, with its memory.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The request.
    request: Part,
    /// The final response.
    response: Part,
    /// Status codes of the responses before it.
    pub(super) interim: Vec<u16>,
    /// What was counted of [`len`](Self::len) and [`held`](Self::held).
    pub(super) counted: (usize, usize),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Start {
    /// Its head is not complete.
    #[default]
    Unseen,
    /// The start line of a request, whose method has so many bytes.
    Request(usize),
    /// That of a response, with its status code.
    Status(u16),
    /// Nothing: a response of HTTP/0.9.
    None,
}

impl Part {
    /// Becomes a message of which only the head is known; without a `line`, a
    /// response that has none.
    pub(super) fn begin(
        &mut self,
        line: Option<StartLine<'_>>,
        fields: Named<'_, '_>,
        has_body: bool,
        started: Timestamp,
    ) {
        self.forget();
        self.start = match line {
            Some(StartLine::Request(line)) => {
                append::few_text(&mut self.line, line.method);
                Start::Request(line.method.len())
            }
            Some(StartLine::Status(line)) => Start::Status(line.status),
            None => Start::None,
        };
        if let Some(line) = line {
            append::few_text(&mut self.line, line.version());
            append::few(&mut self.text, line.text());
        }
        self.headers.copy(fields);
        (self.has_body, self.started, self.latest) = (has_body, started, started);
    }

    /// Forgets the message, and keeps the memory for another, unless that is
    /// much.
    fn clear(&mut self) {
        if self.held() > SPARE_LIMIT {
            *self = Self::default();
        } else if self.is_seen() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.start = Start::Unseen;
        self.line.clear();
        self.text.clear();
        self.headers.clear();
        self.trailer.clear();
        (self.bytes, self.shown, self.ended) = (0, None, None);
    }

    /// Whether its head was complete.
    pub(super) fn is_seen(&self) -> bool {
        self.start != Start::Unseen
    }

    /// Whether all of it has come.
    pub(super) fn has_ended(&self) -> bool {
        self.is_seen() && self.ended.is_some()
    }

    /// Whether it is to go on.
    pub(super) fn goes_on(&self) -> bool {
        self.is_seen() && self.ended.is_none()
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
            Start::Status(_) | Start::None | Start::Unseen => ("", &self.line),
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

/// A response of which there is nothing more to wait for: it need not be kept.
pub(super) struct Answer<'a> {
    /// Its start line, without secrets.
    pub(super) line: StatusLine<'a>,
    /// Its header fields, without secrets.
    pub(super) headers: Named<'a, 'a>,
    /// Whether a body follows, by its framing.
    pub(super) has_body: bool,
    /// Bytes of that.
    pub(super) bytes: u64,
    /// When its first byte came.
    pub(super) started: Timestamp,
}

/// What a response says in an exchange.
struct Answered<'a> {
    http: ResponseHttp<'a>,
    has_body: bool,
    started: Timestamp,
    latest: Timestamp,
}

impl Record {
    /// The message of this side, which may not be seen yet.
    pub(super) const fn part(&self, side: Side) -> &Part {
        match side {
            Side::Client => &self.request,
            Side::Server => &self.response,
        }
    }

    /// The message of this side, to change.
    pub(super) const fn part_mut(&mut self, side: Side) -> &mut Part {
        match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        }
    }

    /// Whether both messages have ended, or never will have.
    pub(super) fn is_complete(&self) -> bool {
        !self.request.goes_on() && !self.response.goes_on()
    }

    /// Forgets the exchange, and keeps its memory for another.
    pub(super) fn clear(&mut self) {
        self.request.clear();
        self.response.clear();
        self.interim.clear();
        self.counted = (0, 0);
    }

    /// Bytes of what is in here.
    pub(super) fn len(&self) -> usize {
        size_of::<Self>()
            + self.request.len()
            + self.response.len()
            + size_of_val(self.interim.as_slice())
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        size_of::<Self>()
            + self.request.held()
            + self.response.held()
            + self.interim.capacity() * size_of::<u16>()
    }

    /// Tells of it; `missing` says what became of a message that was not seen.
    pub(super) fn tell(&self, missing: Ended, time: Timestamp, out: &mut Out<'_>) {
        let response = Some(&self.response).filter(|part| part.is_seen());
        let mut room = Lent::new();
        let fields = response.map_or_else(Named::default, |part| part.headers.lend(&mut room));
        let trailer: Vec<_> = response.iter().flat_map(|part| part.trailer.iter()).collect();
        let answered = response.map(|part| {
            let line = match part.start {
                Start::Status(status) => {
                    StatusLine { version: part.line().1, status, reason: &part.text }
                }
                _ => StatusLine { version: "", status: 0, reason: &[] },
            };
            let mut http = message::response(line, fields, None, None).http;
            if part.start == Start::None {
                http.response.status_code = None;
            }
            http.response.body = part.body();
            http.response.trailer = Headers(&trailer);
            let Part { has_body, started, latest, .. } = *part;
            Answered { http, has_body, started, latest }
        });
        let parts = [&self.request, &self.response].into_iter().filter(|part| part.is_seen());
        let gone = if response.is_none() { missing } else { Ended::Whole };
        let ended = parts.map(|part| part.ended.unwrap_or(missing)).fold(gone, Ended::max);
        self.tell_of(answered, ended, time, out);
    }

    /// Tells of it with its response, which is complete and was not kept.
    pub(super) fn tell_answer(&self, answer: &Answer<'_>, time: Timestamp, out: &mut Out<'_>) {
        let Answer { line, headers, has_body, bytes, started } = *answer;
        let mut http = message::response(line, headers, None, None).http;
        let bytes = (has_body || bytes > 0).then_some(bytes);
        http.response.body = bytes.map(|bytes| Body { bytes: Some(bytes), ..Body::default() });
        let answered = Answered { http, has_body, started, latest: time };
        let ended = self.request.ended.unwrap_or_default();
        self.tell_of(Some(answered), ended, time, out);
    }

    fn tell_of(
        &self,
        answered: Option<Answered<'_>>,
        ended: Ended,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let request = Some(&self.request).filter(|part| part.is_seen());
        let mut room = Lent::new();
        let fields = request.map_or_else(Named::default, |part| part.headers.lend(&mut room));
        let trailer: Vec<_> = request.iter().flat_map(|part| part.trailer.iter()).collect();
        // A capture may show a response before its request: then nobody knows
        // how long it took.
        let asked_at = request.map(|part| part.started);
        let asked_at =
            asked_at.zip(answered.as_ref()).filter(|(asked, part)| part.started >= *asked);
        let duration = asked_at.map(|(asked, part)| part.latest.since(asked));
        let time_to_first_byte = asked_at.map(|(asked, part)| part.started.since(asked));
        let has_body = answered.as_ref().is_some_and(|part| part.has_body);
        let mut exchange = Exchange {
            http: ExchangeHttp { version: "", request: None, response: None },
            url: Url::default(),
            user_agent: None,
            duration,
            ended,
            has_body,
        };
        if let Some(part) = answered {
            exchange.http.version = part.http.version;
            let mut response = part.http.response;
            response.interim_status_codes = &self.interim;
            response.time_to_first_byte = time_to_first_byte;
            exchange.http.response = Some(response);
        }
        if let Some(part) = request
            && let Start::Request(_) = part.start
        {
            let (method, version) = part.line();
            let line = RequestLine { method, target: &part.text, version };
            let mut asked = message::request(line, fields, None, None);
            asked.http.request.body = part.body();
            asked.http.request.trailer = Headers(&trailer);
            exchange.http.version = asked.http.version;
            exchange.http.request = Some(asked.http.request);
            exchange.url = asked.url;
            exchange.user_agent = asked.user_agent;
        }
        out.emit(Side::Client, time, Message::HttpExchange(exchange));
    }
}
