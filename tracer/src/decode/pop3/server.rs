//! What the server says.

use super::{
    Pop3, Sasl,
    body::Body,
    command::{Follows, Kind},
    pending::Pending,
};
use crate::{
    decode::{Input, Out, Settings, mail::Content},
    event::{
        Common, Message, Side, Text, Timestamp,
        pop3::{Exchange, ExchangeObject, Response, ResponseFields, ResponseObject, Status},
        tracer::Upgrade,
    },
};

/// What the server's next bytes are.
#[derive(Debug, Default)]
pub(super) enum Expect {
    /// A status line.
    #[default]
    Status,
    /// The lines behind a status line.
    Body(Box<Open>),
    /// A status line, or lines behind one that was not seen or not understood.
    Either,
    /// Such lines, up to a dot, or to the status line of a command that was
    /// sent since.
    Unknown,
}

/// A response whose lines have not all come.
#[derive(Debug)]
pub(super) struct Open {
    response: ResponseFields<'static>,
    pending: Pending,
    body: Body,
}

impl Expect {
    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        let Self::Body(open) = self else { return 0 };
        let texts = [&open.response.code, &open.response.text].into_iter().flatten();
        size_of::<Open>() + open.body.held() + texts.map(|text| text.0.len()).sum::<usize>()
    }
}

impl Pop3 {
    /// Takes a line or a part of the lines behind one; returns its bytes, 0
    /// when it needs more.
    pub(super) fn server_part(
        &mut self,
        input: &Input<'_>,
        bytes: &[u8],
        out: &mut Out<'_>,
    ) -> usize {
        if let Expect::Body(open) = &mut self.expect {
            let taken = open.body.push(bytes);
            if open.body.is_ended() {
                self.complete(input.time, out);
            }
            return taken;
        }
        let thrown_away = self.discarding[1];
        let Some(cut) = self.line(input, bytes, out) else { return 0 };
        if !thrown_away && !self.server_line(cut.text, input, out) {
            out.undecoded(cut.taken as u64);
        }
        cut.taken
    }

    /// Takes a line; returns whether it says something.
    fn server_line(&mut self, line: &[u8], input: &Input<'_>, out: &mut Out<'_>) -> bool {
        let status = status(line);
        let asked = self.pipeline.len() > 0 || self.skewed;
        match (&self.expect, status) {
            (Expect::Status | Expect::Either, Some((status, text))) => {
                self.status(status, text, input, out);
            }
            (Expect::Unknown, Some((status, text))) if asked => {
                self.status(status, text, input, out);
            }
            (Expect::Either | Expect::Unknown, _) if line == b"." => {
                self.end_of_unknown(input, out);
                return false;
            }
            (Expect::Status, None) => {
                self.anomaly(input, "not-a-response", out);
                self.expect = Expect::Unknown;
                return false;
            }
            _ => {
                self.expect = Expect::Unknown;
                return false;
            }
        }
        self.last = Some(Side::Server);
        true
    }

    /// Lines end whose status line was not seen: those of the command that is
    /// answered next, if it has any.
    fn end_of_unknown(&mut self, input: &Input<'_>, out: &mut Out<'_>) {
        self.expect = Expect::Status;
        self.due -= 1;
        let front = self.pipeline.front().map(|front| front.kind);
        if let Some(Kind::Plain(Follows::Lines | Follows::Mail)) = front
            && let Some(pending) = self.pipeline.pop()
        {
            Self::unanswered(pending, input.time, out);
        }
    }

    fn status(&mut self, status: Status, text: &[u8], input: &Input<'_>, out: &mut Out<'_>) {
        self.expect = Expect::Status;
        self.due -= 1;
        let greeting = !std::mem::replace(&mut self.greeted, true);
        let pending = match status {
            Status::Challenge => return self.challenge(text, input, out),
            _ if greeting || self.skewed => None,
            _ => self.pipeline.pop(),
        };
        if pending.as_ref().is_some_and(|pending| pending.alone && !self.unsynced) {
            self.doubtful = false;
        }
        let unknown = pending.is_none() && !greeting;
        // Refused right behind a challenge: the client's answer was not seen.
        let unseen = pending.as_ref().is_some_and(|pending| pending.kind == Kind::Auth)
            && self.last == Some(Side::Server);
        let hidden = status == Status::Err && (unknown || self.doubtful || unseen);
        let response = self.fields(status, text, hidden, out);
        let Some(pending) = pending else {
            self.sasl = None;
            if unknown && status == Status::Ok {
                self.expect = Expect::Either;
            }
            return tell(&response, None, greeting, None, input.time, out);
        };
        if pending.kind == Kind::Auth {
            self.sasl = None;
        }
        let body = match pending.kind {
            _ if status == Status::Err => None,
            Kind::Plain(Follows::Mail) if !out.settings.envelope => Some(Body::of_mail()),
            Kind::Plain(Follows::Lines | Follows::Mail) => Some(Body::default()),
            Kind::Plain(Follows::Nothing) | Kind::Login | Kind::Auth | Kind::Stls => None,
        };
        let stls = pending.kind == Kind::Stls && status == Status::Ok;
        if let Some(body) = body {
            let response = ResponseFields {
                status,
                code: response.code.map(Text::into_owned),
                text: response.text.map(Text::into_owned),
                data: None,
            };
            self.expect = Expect::Body(Box::new(Open { response, pending, body }));
        } else {
            tell(&response, Some(pending), false, None, input.time, out);
        }
        if stls {
            self.opaque = true;
            out.emit(Side::Server, input.time, Message::Upgrade(Upgrade::new("tls")));
        }
    }

    /// The server asks for the next SASL response.
    fn challenge(&mut self, text: &[u8], input: &Input<'_>, out: &mut Out<'_>) {
        // Whatever asked for it was not seen.
        let sasl = self.sasl.get_or_insert_with(Sasl::default);
        sasl.exchange.challenge(text);
        let response = self.fields(Status::Challenge, text, false, out);
        let response = Response {
            pop3: ResponseObject { response },
            email: None,
            headline: None,
            common: Common::default(),
        };
        out.emit(Side::Server, input.time, Message::Pop3Response(response));
    }

    /// What a status line says, without what it quotes of secrets.
    fn fields<'a>(
        &self,
        status: Status,
        text: &'a [u8],
        hidden: bool,
        out: &Out<'_>,
    ) -> ResponseFields<'a> {
        let (code, text) = code(text);
        let shown = |text: &'a [u8]| match (out.settings.show_secrets, hidden) {
            (true, _) => text.into(),
            (false, true) => Text::REDACTED,
            (false, false) => Text(self.secrets.redacted(text)),
        };
        let text = Some(text).filter(|text| !text.is_empty());
        ResponseFields { status, code: code.map(shown), text: text.map(shown), data: None }
    }

    /// The response whose lines are at hand has come to its end.
    fn complete(&mut self, time: Timestamp, out: &mut Out<'_>) {
        if let Expect::Body(open) = std::mem::take(&mut self.expect) {
            let Open { mut response, pending, body } = *open;
            response.data = Some(body.data);
            tell(&response, Some(pending), false, Some(&body), time, out);
            self.last = Some(Side::Server);
        }
    }

    /// Nothing more will come of the response at hand.
    pub(super) fn break_off(&mut self, time: Timestamp, out: &mut Out<'_>) {
        if let Expect::Body(open) = &mut self.expect {
            open.body.data.incomplete = true;
            self.complete(time, out);
        }
    }

    /// Bytes of the server's are missing.
    ///
    /// Clients wait for a response before they go on: where commands were sent
    /// one by one, all but the last were answered. Those that came together may
    /// have been answered or not.
    pub(super) fn server_gap(&mut self, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        let waiting = self.pipeline.len();
        if let Expect::Body(open) = &mut self.expect
            && waiting == 0
        {
            open.body.missing(bytes.unwrap_or_default());
            return;
        }
        self.break_off(time, out);
        self.expect = Expect::Either;
        if self.pipeline.is_in_turns() {
            for _ in 1..waiting {
                if let Some(pending) = self.pipeline.pop() {
                    Self::unanswered(pending, time, out);
                }
            }
        } else {
            self.skewed = true;
        }
        // The end of a SASL exchange may have been lost.
        let authenticating = self.pipeline.front().is_some_and(|front| front.kind == Kind::Auth);
        if !authenticating {
            self.sasl = None;
        }
    }
}

/// Tells of a response, and of the exchange that it ends.
fn tell(
    response: &ResponseFields<'_>,
    pending: Option<Pending>,
    greeting: bool,
    body: Option<&Body>,
    time: Timestamp,
    out: &mut Out<'_>,
) {
    let mail = body.and_then(|body| body.mail.as_deref());
    let Settings { brief, headless, .. } = out.settings;
    let email =
        || mail.map(|mail| mail.email(brief)).filter(|email| !email.is_empty()).map(Box::new);
    let headline = || mail.filter(|_| !headless).map(Content::headline);
    let duration = pending.as_ref().map(|pending| time.since(pending.time));
    let common = Common { duration, ..Common::default() };
    let told = Response {
        pop3: ResponseObject { response: response.clone() },
        email: email(),
        headline: headline(),
        common,
    };
    out.emit(Side::Server, time, Message::Pop3Response(told));
    let kept = pending.and_then(|pending| pending.kept);
    if kept.is_some() || greeting && out.settings.exchanges {
        let (command, auth) = kept.map_or((None, None), |kept| (Some(kept.command), kept.auth));
        let exchange = Exchange {
            pop3: ExchangeObject { command, auth, response: Some(response.clone()) },
            email: email(),
            headline: headline(),
            common: Common { outcome: Some(Exchange::outcome(Some(response))), ..common },
        };
        out.emit(Side::Client, time, Message::Pop3Exchange(exchange));
    }
}

/// The status indicator of a line, and what stands behind it.
fn status(line: &[u8]) -> Option<(Status, &[u8])> {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (indicator, text) = line.split_at(end);
    let status = match indicator {
        b"+" => Status::Challenge,
        _ if indicator.eq_ignore_ascii_case(b"+OK") => Status::Ok,
        _ if indicator.eq_ignore_ascii_case(b"-ERR") => Status::Err,
        _ => return None,
    };
    Some((status, text.trim_ascii()))
}

/// A response code in brackets (RFC 2449 section 8), and the text behind it.
fn code(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let code = text.strip_prefix(b"[").and_then(|rest| {
        let end = memchr::memchr(b']', rest)?;
        let code = rest.get(..end)?;
        let shape = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_');
        let shaped = !code.is_empty() && code.iter().all(shape);
        shaped.then_some((code, rest.get(end + 1..)?.trim_ascii()))
    });
    code.map_or((None, text), |(code, text)| (Some(code), text))
}
