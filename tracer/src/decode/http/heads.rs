//! Tells of heads, and reads responses in the light of their requests.

use std::{borrow::Cow, mem::MaybeUninit};

use httparse::Header;

use super::{
    Http,
    body::{Body, Line},
    content::Content,
    framing::{Asked, Framing, Kind, Version},
    half::{State, Step},
    head,
    message::{self, Rewritten},
    name::{self, Name},
    odd::{Odd, Oddities},
    record::Answer,
    repaired::Repaired,
    rest::{Head, Rest},
    resync::Resync,
    start_line::{self, RequestLine, StartLine, StatusLine},
    usual::{self, NO_NAMES},
};
use crate::{
    decode::{End, Out, Settings, Want, redact},
    event::{Message, Side, Timestamp, http},
};

/// Requests that wait for their responses. Clients that pipeline send a few
/// dozen ahead; the queue holds a byte for each.
const PIPELINE_LIMIT: usize = 4096;

/// The status that servers send without being asked (RFC 9110 section 15.5.9).
const REQUEST_TIMEOUT: u16 = 408;

/// The version of a request line whose end was never seen.
const ASSUMED: &str = "1.1";

impl Http {
    /// Tells of the head that the bytes begin with, if it is whole and breaks no
    /// rule, and returns its length.
    pub(super) fn plain_head(
        &mut self,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Option<usize> {
        if let Some(length) = self.usual_head(side, bytes, time, out) {
            return Some(length);
        }
        let mut room = [const { MaybeUninit::uninit() }; head::HEADERS_LIMIT];
        let (length, line, headers) = head::parse(side, bytes, &mut room)?;
        let mut framing = Framing::default();
        if head::has_bare_lf(bytes.get(..length)?) {
            framing.odd.insert(Odd::BareLf);
        }
        framing.fields(headers);
        let names = name::names(headers);
        self.half(side).in_hand = bytes.len() - length;
        self.head_stands(side, line, (headers, &names), framing, time, out);
        Some(length)
    }

    /// The same of a head that is as usual.
    fn usual_head(
        &mut self,
        side: Side,
        bytes: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Option<usize> {
        let mut room = [const { MaybeUninit::uninit() }; head::HEADERS_LIMIT];
        let mut names = NO_NAMES;
        let mut framing = Framing::default();
        let usual::Read { length, line, headers } =
            usual::read(side, bytes, &mut room, &mut names, &mut framing)?;
        self.half(side).in_hand = bytes.len() - length;
        self.head_stands(side, line, (headers, &names), framing, time, out);
        Some(length)
    }

    /// Tells of a head behind which so many bytes are in hand, and goes on.
    fn head_stands(
        &mut self,
        side: Side,
        line: StartLine<'_>,
        fields: (&mut [Header<'_>], &[Option<Name>]),
        framing: Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let head = self.head_told(line, fields, framing, time, out);
        self.half(side).in_hand = 0;
        self.head_ends(side, Some(head), time, out);
    }

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
        if let Some((_, line, headers)) = head::parse(side, bytes, &mut room) {
            framing.fields(headers);
            let names = name::names(headers);
            return Some(self.head_told(line, (headers, &names), framing, time, out));
        }
        self.repaired_head(side, bytes, framing, time, out)
    }

    /// Tells of a head that breaks rules, or of the first lines of one.
    pub(super) fn repaired_head(
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
        let mut room = head::NO_HEADERS;
        let mut fields = repaired.fields.iter();
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
        let start = start_line::start_line(side, line)?;
        if !start.version().is_empty() {
            if !start_line::is_named_by_the_rules(line) {
                framing.odd.insert(Odd::UnknownVersion);
            }
            if start_line::has_odd_space(side, line) {
                framing.odd.insert(Odd::SpaceInStartLine);
            }
        }
        if let StartLine::Request(RequestLine { target: [], .. }) = start {
            framing.odd.insert(Odd::MissingTarget);
        }
        let names = name::names(headers);
        Some(self.head_told(start, (headers, &names), framing, time, out))
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
                self.half(side).state = State::Lost(Resync::default());
                return Step::Wait(bytes.len(), Want::More);
            }
            self.half(side).state = State::Lost(Resync::default());
            return Step::Wait(lines, Want::More);
        }
        let line = if lines > 0 { Line::Empty } else { Line::Field };
        // Of a request line without end the method is enough to keep the step.
        let head = head.or_else(|| {
            let framing = Framing::default();
            let asked = framing.asked(start_line::method(bytes)?, ASSUMED);
            self.ask(asked, time, out);
            Some(Head { framing, version: Version::New, kind: Kind::Request })
        });
        let Some(mut head) =
            head.filter(|head| (side == Side::Client) == (head.kind == Kind::Request))
        else {
            // Nothing is left to look at again: in these very bytes the search
            // would find the start of the same message.
            self.lose(side, time, out);
            out.undecoded(bytes.len() as u64);
            return Step::Next(bytes.len());
        };
        head.framing.odd.insert(Odd::HeadTooLong);
        std::mem::take(&mut head.framing.odd).tell(side, time, out);
        self.half(side).state = State::Rest(Box::new(Rest::new(head, line)));
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
        let line = match side {
            Side::Client => start_line::cut_request_line(bytes).map(StartLine::Request),
            Side::Server => start_line::status_line(bytes)
                .map(|line| StartLine::Status(StatusLine { reason: &[], ..line })),
        };
        line.map(|line| self.head_told(line, (&mut [], &[]), Framing::default(), time, out))
            .is_some()
    }

    /// Goes on behind a head.
    pub(super) fn head_ends(
        &mut self,
        side: Side,
        head: Option<Head>,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let Some(Head { mut framing, version, kind }) = head else {
            self.lose(side, time, out);
            return;
        };
        framing.check(version, kind);
        framing.odd.tell(side, time, out);
        if let Kind::Response { status, asked } = kind {
            if let Some(to) = framing.becomes(status, asked) {
                self.become_opaque(to, side, time, out);
                return;
            }
            if is_final(status)
                && !matches!(asked, Some(Asked::Plain | Asked::Simple | Asked::Head))
            {
                self.decide();
            }
        }
        match (framing.body(kind), kind) {
            (None, _) => self.lose(side, time, out),
            (Some(Body::Length(0)), _) => self.message_ends(side, time, out),
            (
                Some(body @ (Body::Length(_) | Body::Chunked(_))),
                Kind::Response { asked: None, .. },
            ) => self.half(side).state = State::BodyUnlessHead(body),
            (Some(body), _) => self.half(side).state = State::Body(body),
        }
    }

    /// Tells of a head, of which all is known that will be told.
    fn head_told(
        &mut self,
        line: StartLine<'_>,
        (headers, names): (&mut [Header<'_>], &[Option<Name>]),
        mut framing: Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Head {
        framing.version(line.version());
        let version = Version::of(line.version());
        let content = Content::new(headers, out.settings.body, time);
        let (headers, names) =
            if out.settings.brief { in_rows(headers, names) } else { (headers, names) };
        let (text, rewritten) = if out.settings.show_secrets {
            (Cow::Borrowed(line.text()), Rewritten::default())
        } else {
            let text = match line {
                StartLine::Request(line) => redact::url(line.target),
                StartLine::Status(line) => redact::text(line.reason),
            };
            (text, Rewritten::new(headers, names))
        };
        let headers = rewritten.apply(headers);
        let kind = match line {
            StartLine::Request(line) => {
                let line = RequestLine { target: &text, ..line };
                self.request(line, (&headers, names), &framing, time, out);
                self.client.content = Some(content);
                Kind::Request
            }
            StartLine::Status(line) => {
                let line = StatusLine { reason: &text, ..line };
                let asked = self.response(line, (&headers, names), &framing, time, out);
                if is_final(line.status) {
                    self.server.content = Some(content);
                }
                Kind::Response { status: line.status, asked }
            }
        };
        Head { framing, version, kind }
    }

    fn request(
        &mut self,
        line: RequestLine<'_>,
        (headers, names): (&[Header<'_>], &[Option<Name>]),
        framing: &Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let body = framing.body(Kind::Request);
        if out.settings.exchanges {
            let head = StartLine::Request(line);
            let has_body = message::has_body(body);
            if !self.records.request(head, (headers, names), has_body, self.client.started) {
                tell_one(Odd::ExchangeTooLong, Side::Client, time, out);
            }
        }
        if out.settings.exchanges_only {
            out.leave_out(Side::Client, time);
        } else {
            let event = message::request(line, (headers, names), body, framing.announced(body));
            out.emit(Side::Client, time, Message::HttpRequest(event));
        }
        self.ask(framing.asked(line.method, line.version), time, out);
    }

    /// Returns what was asked.
    fn response(
        &mut self,
        line: StatusLine<'_>,
        (headers, names): (&[Header<'_>], &[Option<Name>]),
        framing: &Framing,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Option<Asked> {
        // Interim responses answer nothing yet (RFC 9110 section 15.2).
        let mut waited = None;
        let asked = if is_final(line.status) {
            waited = self.asked.waited(self.server.started);
            let early =
                self.asked.is_empty() && !self.counted.uncounted && line.status != REQUEST_TIMEOUT;
            self.counted.early += usize::from(early);
            self.asked.pop_front()
        } else {
            self.asked.front()
        };
        let kind = Kind::Response { status: line.status, asked };
        let body = framing.body(kind);
        let has_body = message::has_body(body);
        let started = self.server.started;
        let whole = self.whole(line.version, framing, kind, out.settings);
        if out.settings.exchanges && whole.is_none() {
            if is_final(line.status) {
                let head = (StartLine::Status(line), (headers, names), has_body);
                if !self.records.response(asked.is_some(), Some(head), started) {
                    tell_one(Odd::ExchangeTooLong, Side::Server, time, out);
                }
            } else {
                self.records.interim(line.status);
            }
        }
        if out.settings.exchanges_only {
            out.leave_out(Side::Server, time);
        } else {
            let event = message::response(line, (headers, names), body, framing.announced(body));
            let event = http::Response { waited, ..event };
            out.emit(Side::Server, time, Message::HttpResponse(event));
        }
        if let Some(bytes) = whole {
            let answer = Answer { line, headers: (headers, names), has_body, bytes, started };
            self.records.answer(&answer, time, out);
        }
        asked
    }

    /// Bytes of a response's body that are all here, if they complete the
    /// exchange at hand and nothing will be told before: then the response need
    /// not be kept.
    fn whole(
        &self,
        version: &str,
        framing: &Framing,
        kind: Kind,
        settings: Settings,
    ) -> Option<u64> {
        let Kind::Response { status: 200.., asked: Some(Asked::Plain | Asked::Head) } = kind else {
            return None;
        };
        let Some(Body::Length(bytes)) = framing.body(kind) else { return None };
        let is_here = usize::try_from(bytes).is_ok_and(|bytes| bytes <= self.server.in_hand);
        if !settings.exchanges || settings.body > 0 || !is_here || !self.records.wait_for_answer() {
            return None;
        }
        let mut checked = framing.clone();
        checked.check(Version::of(version), kind);
        checked.odd.is_empty().then_some(bytes)
    }

    /// Remembers what a response will have to be read in the light of.
    fn ask(&mut self, asked: Asked, time: Timestamp, out: &mut Out<'_>) {
        self.counted.requests_seen = true;
        if self.counted.early > 0 {
            // A capture may show a response before its request.
            self.counted.early -= 1;
            return;
        }
        if self.asked.len() >= PIPELINE_LIMIT {
            tell_one(Odd::PipelineTooLong, Side::Client, time, out);
            self.asked.clear();
        }
        self.asked.push_back(asked, self.client.started);
        self.undecided = matches!(asked, Asked::Connect | Asked::Upgrade);
    }
}

/// Of header fields, the one that rows say something of.
fn in_rows<'h, 'b, 'n>(
    headers: &'h mut [Header<'b>],
    names: &'n [Option<Name>],
) -> (&'h mut [Header<'b>], &'n [Option<Name>]) {
    let shown = names.iter().take(headers.len()).position(|name| *name == Some(Name::ContentType));
    let shown = shown.map_or(0..0, |at| at..at + 1);
    (headers.get_mut(shown.clone()).unwrap_or_default(), names.get(shown).unwrap_or_default())
}

/// Whether a status is that of a final response: 101 is, too, since nothing of
/// HTTP follows it (RFC 9110 section 15.2.2), and so is what is no status, which
/// clients take for a server's error (section 15).
const fn is_final(status: u16) -> bool {
    !matches!(status, 100 | 102..=199)
}

fn tell_one(odd: Odd, side: Side, time: Timestamp, out: &mut Out<'_>) {
    let mut odds = Oddities::default();
    odds.insert(odd);
    odds.tell(side, time, out);
}
