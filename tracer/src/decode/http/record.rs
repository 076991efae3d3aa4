//! What an exchange will say, and how it is told.

use httparse::Header;

use super::{
    fields::Fields,
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

/// An exchange so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The request, when its head is complete.
    pub(super) request: Option<Part>,
    /// The final response, when its head is complete.
    pub(super) response: Option<Part>,
    /// Status codes of the responses before it.
    pub(super) interim: Vec<u16>,
    /// What was counted for this in [`Records::held`](super::records::Records::held).
    pub(super) held: usize,
}

/// A message of an exchange.
#[derive(Debug)]
pub(super) struct Part {
    start: Start,
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

/// A start line with bytes of its own.
#[derive(Debug)]
pub(super) enum Start {
    /// Of a request.
    Request { method: String, target: Vec<u8>, version: String },
    /// Of a response.
    Status { version: String, status: u16, reason: Vec<u8> },
    /// A response without one (HTTP/0.9).
    None,
}

impl Start {
    /// A copy of this one.
    pub(super) fn of(line: StartLine<'_>) -> Self {
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
    /// A message of which only the head is known.
    pub(super) fn new(start: Start, headers: Fields, has_body: bool, started: Timestamp) -> Self {
        let (trailer, shown, ended) = (Fields::default(), None, None);
        let latest = started;
        Self { start, headers, trailer, has_body, started, latest, bytes: 0, shown, ended }
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let shown = self.shown.as_ref().and_then(|shown| shown.content.as_ref());
        self.start.held()
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

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        let parts = [&self.request, &self.response].into_iter().flatten().map(Part::held);
        size_of::<Self>() + parts.sum::<usize>() + self.interim.capacity() * size_of::<u16>()
    }

    /// Tells of it; `missing` says what became of a message that was not seen.
    pub(super) fn tell(&self, missing: Ended, time: Timestamp, out: &mut Out<'_>) {
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
        // A capture may show a response before its request: then nobody knows
        // how long it took.
        let asked_at = request.map(|part| part.started);
        let asked_at = asked_at.filter(|asked| response.is_some_and(|part| part.started >= *asked));
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
