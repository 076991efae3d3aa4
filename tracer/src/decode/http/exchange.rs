//! Tells of heads, and reads responses in the light of their requests.

use std::{borrow::Cow, mem::MaybeUninit};

use httparse::Header;

use super::{
    Http, PIPELINE_LIMIT, State, Step,
    body::{Body, Line},
    framing::{Asked, Framing},
    head::{self, RequestLine, StatusLine},
    message::{self, Rewritten},
    odd::{Odd, Oddities},
    repaired::Repaired,
    rest::{Head, Kind, Rest},
    resync::Resync,
};
use crate::{
    decode::{End, Out, Want, redact},
    event::{Message, Side, Timestamp},
};

/// The version of a request line whose end was never seen.
const ASSUMED: &str = "1.1";

impl Http {
    /// Tells of a whole head.
    pub(super) fn whole_head(
        &mut self,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Option<Head> {
        let mut framing = Framing::default();
        if head::has_bare_lf(bytes) {
            framing.odd.insert(Odd::BareLf);
        }
        let mut room = [const { MaybeUninit::uninit() }; head::HEADERS_LIMIT];
        match side {
            Side::Client => {
                if let Some((line, headers)) = head::request(bytes, &mut room) {
                    framing.fields(headers);
                    return Some(self.request(line, headers, framing, time, out));
                }
            }
            Side::Server => {
                if let Some((line, headers)) = head::response(bytes, &mut room) {
                    framing.fields(headers);
                    return Some(self.response(line, headers, framing, time, out));
                }
            }
        }
        self.repaired_head(side, bytes, framing, time, out)
    }

    /// Tells of a head that breaks rules, or of the first lines of one.
    fn repaired_head(
        &mut self,
        side: Side,
        bytes: &[u8],
        mut framing: Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Option<Head> {
        let (line, rest) = head::split_start_line(bytes);
        let repaired = Repaired::new(rest);
        framing.odd.extend(repaired.odd);
        if !head::is_named_by_the_rules(line) {
            framing.odd.insert(Odd::UnknownVersion);
        }
        let mut room = head::NO_HEADERS;
        let mut fields = repaired.fields();
        let mut filled = 0;
        for (place, field) in room.iter_mut().zip(&mut fields) {
            framing.field(field.name, field.value);
            *place = field;
            filled += 1;
        }
        for field in fields {
            framing.odd.insert(Odd::TooManyHeaders);
            framing.field(field.name, field.value);
        }
        let headers = room.get_mut(..filled)?;
        match side {
            Side::Client => {
                Some(self.request(head::request_line(line)?, headers, framing, time, out))
            }
            Side::Server => {
                Some(self.response(head::status_line(line)?, headers, framing, time, out))
            }
        }
    }

    /// Tells of a head of which nothing more will come, or too much.
    pub(super) fn cut_head(
        &mut self,
        side: Side,
        bytes: &[u8],
        lines: usize,
        end: End,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Step {
        let head = if lines > 0 {
            let whole_lines = bytes.get(..lines).unwrap_or_default();
            self.repaired_head(side, whole_lines, Framing::default(), time, out)
        } else {
            None
        };
        if end != End::Limit {
            if head.is_none() && self.cut_start_line(side, bytes, time, out) {
                *self.state(side) = State::Lost(Resync::default());
                return Step::Wait(bytes.len(), Want::More);
            }
            *self.state(side) = State::Lost(Resync::default());
            return Step::Wait(lines, Want::More);
        }
        let line = if lines > 0 { Line::Empty } else { Line::Field };
        // Of a request line without end the method is enough to keep the step.
        let head = head.or_else(|| {
            let framing = Framing::default();
            let asked = framing.asked(head::method(bytes)?, ASSUMED);
            self.ask(asked, side, time, out);
            Some(Head { framing, old: false, kind: Kind::Request })
        });
        let Some(mut head) =
            head.filter(|head| (side == Side::Client) == (head.kind == Kind::Request))
        else {
            // Nothing is left to look at again: in these very bytes the search
            // would find the start of the same message.
            self.lose(side);
            out.undecoded(bytes.len() as u64);
            return Step::Next(bytes.len());
        };
        head.framing.odd.insert(Odd::HeadTooLong);
        tell(std::mem::take(&mut head.framing.odd), side, time, out);
        *self.state(side) = State::Rest(Rest::new(head, line));
        if lines == 0 {
            out.undecoded(bytes.len() as u64);
            return Step::Next(bytes.len());
        }
        Step::Next(lines)
    }

    /// Tells of a start line whose end is missing, where what matters of it is
    /// whole; returns whether it is.
    fn cut_start_line(
        &mut self,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> bool {
        let framing = Framing::default();
        match side {
            Side::Client => head::cut_request_line(bytes)
                .map(|line| self.request(line, &mut [], framing, time, out)),
            Side::Server => head::status_line(bytes).map(|line| {
                let line = StatusLine { reason: &[], ..line };
                self.response(line, &mut [], framing, time, out)
            }),
        }
        .is_some()
    }

    /// Tells of a request without a version, which servers answer before any
    /// header field: those that follow nonetheless are not told of.
    pub(super) fn simple_request(
        &mut self,
        bytes: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Step {
        let (line, rest) = head::split_start_line(bytes);
        let Some(line) = head::request_line(line) else { return Step::Next(0) };
        let mut head = self.request(line, &mut [], Framing::default(), time, out);
        tell(std::mem::take(&mut head.framing.odd), Side::Client, time, out);
        self.client = State::Rest(Rest::new(head, Line::Empty));
        Step::Next(bytes.len() - rest.len())
    }

    /// Goes on behind a head.
    pub(super) fn head_ends(
        &mut self,
        side: Side,
        head: Option<&Head>,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let Some(&Head { mut framing, old, kind }) = head else {
            self.lose(side);
            return;
        };
        framing.check(side, old);
        tell(framing.odd, side, time, out);
        let body = match kind {
            Kind::Request => framing.request_body(),
            Kind::Response { status, asked } => {
                if let Some(to) = framing.becomes(status, asked) {
                    self.become_opaque(to, side, time, out);
                    return;
                }
                if status >= 200
                    && !matches!(asked, Some(Asked::Plain | Asked::Simple | Asked::Head))
                {
                    self.decide();
                }
                framing.response_body(status, asked)
            }
        };
        match (body, kind) {
            (None, _) => self.lose(side),
            (Some(Body::Length(0)), _) => self.message_ends(side),
            (Some(Body::Length(length)), Kind::Response { asked: None, .. }) => {
                *self.state(side) = State::BodyUnlessHead(length);
            }
            (Some(body), _) => *self.state(side) = State::Body(body),
        }
    }

    fn request(
        &mut self,
        line: RequestLine<'_>,
        headers: &mut [Header<'_>],
        mut framing: Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Head {
        framing.version(line.version);
        let (target, rewritten) = if out.settings.show_secrets {
            (Cow::Borrowed(line.target), Rewritten::default())
        } else {
            (redact::url(line.target), Rewritten::new(headers))
        };
        let headers = rewritten.apply(headers);
        let shown = RequestLine { target: &target, ..line };
        let body = framing.request_body();
        let event = message::request(shown, &headers, body, framing.announced(body));
        out.emit(Side::Client, time, Message::HttpRequest(event));
        self.ask(framing.asked(line.method, line.version), Side::Client, time, out);
        Head { framing, old: is_old(line.version), kind: Kind::Request }
    }

    fn response(
        &mut self,
        line: StatusLine<'_>,
        headers: &mut [Header<'_>],
        mut framing: Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Head {
        framing.version(line.version);
        // Interim responses answer nothing yet (RFC 9110 section 15.2).
        let asked = match line.status {
            100..=199 => self.asked.front().copied(),
            _ => self.asked.pop_front(),
        };
        let (reason, rewritten) = if out.settings.show_secrets {
            (Cow::Borrowed(line.reason), Rewritten::default())
        } else {
            (redact::text(line.reason), Rewritten::new(headers))
        };
        let headers = rewritten.apply(headers);
        let shown = StatusLine { reason: &reason, ..line };
        let body = match framing.becomes(line.status, asked) {
            Some(_) => Some(Body::Length(0)),
            None => framing.response_body(line.status, asked),
        };
        let event = message::response(shown, &headers, body, framing.announced(body));
        out.emit(Side::Server, time, Message::HttpResponse(event));
        let kind = Kind::Response { status: line.status, asked };
        Head { framing, old: is_old(line.version), kind }
    }

    /// Remembers what a response will have to be read in the light of.
    fn ask(&mut self, asked: Asked, side: Side, time: Timestamp, out: &mut Out<'_>) {
        if self.asked.len() >= PIPELINE_LIMIT {
            tell_one(Odd::PipelineTooLong, side, time, out);
            self.asked.clear();
        }
        self.asked.push_back(asked);
        self.undecided = matches!(asked, Asked::Connect | Asked::Upgrade);
    }
}

/// Whether a version is older than HTTP/1.1, or none was sent.
fn is_old(version: &str) -> bool {
    version == "1.0" || version.is_empty() || version.starts_with('0')
}

fn tell(odd: Oddities, side: Side, time: Timestamp, out: &mut Out<'_>) {
    for odd in odd.iter() {
        tell_one(odd, side, time, out);
    }
}

fn tell_one(odd: Odd, side: Side, time: Timestamp, out: &mut Out<'_>) {
    out.anomaly(side, time, odd.code(), None);
}
