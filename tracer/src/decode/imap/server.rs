//! What the server says: responses.

use super::{
    Imap, OPAQUE_STRIDE,
    client::Expect,
    command::shorten,
    exchange,
    line::{Ending, LINE_LIMIT, Piece},
    mail::{self, email},
    mailbox::Charset,
    message::Parts,
    odd::LiteralLimit,
    pending::Tag,
    response::{Kind, Line},
    urlauth,
};
use crate::{
    decode::{Input, Out, Progress, mail::Header},
    event::{Message, Side, Text, Timestamp, imap},
};

/// A response, and what was seen when it was read.
struct Read<'a> {
    /// Its first line, taken apart.
    line: Line<'a>,
    parts: Parts<'a>,
    /// There may be URLs in it that hold a secret.
    urls: bool,
}

impl Imap {
    /// Takes what the server sent.
    pub(super) fn server_data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let mut at = 0;
        // What the client's bytes were left for is lost: they come next.
        if self.expect.asked().is_none() && std::mem::take(&mut self.blocked) && input.end.is_none()
        {
            return Progress::peer(at);
        }
        loop {
            if self.opaque {
                return Progress::skip(input.bytes.len(), OPAQUE_STRIDE);
            }
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let (piece, taken) = self.server.lines.next(rest, input.end);
            let mut client_goes_on = false;
            self.server.message.length += taken as u64;
            match piece {
                Piece::More => break,
                Piece::Passed if self.server.hiding => out.undecoded(taken as u64),
                Piece::Literal(octets) => self.server.octets(octets),
                Piece::Passed => {}
                Piece::Line(text, ending) => {
                    let begun = self.server.message.begun();
                    let strict = !self.server.synced;
                    let line = if begun { None } else { Line::parse(text, strict) };
                    let is_text = line.as_ref().is_some_and(|line| line.ends_in_text(text));
                    let usual = memchr::memchr3(b'\r', 0, b';', text).is_none();
                    let read = (text, ending, is_text);
                    let ending = self.odd_line(Side::Server, read, usual, input.time, out);
                    match line {
                        Some(line) if ending == Ending::Plain || is_text => {
                            let length = std::mem::take(&mut self.server.message.length);
                            let read = Read { line, parts: Parts::line(text), urls: !usual };
                            client_goes_on = self.response(read, length, input.time, out);
                        }
                        None if !begun => self.hide_server_line(text, taken, input.time, out),
                        _ => {
                            self.server.message.line(text, input.time, input.time);
                            client_goes_on = self.server_line_ended(text, ending, input.time, out);
                        }
                    }
                }
                Piece::Head(text) => {
                    if text.len() >= LINE_LIMIT {
                        out.anomaly(Side::Server, input.time, "line-too-long", None);
                    }
                    let is_response = Line::parse(text, !self.server.synced).is_some();
                    if self.server.message.begun() || is_response {
                        self.server.message.line(text, input.time, input.time);
                        self.server.message.mark_cut();
                    } else {
                        self.hide_server_line(text, taken, input.time, out);
                        self.server.hiding = true;
                    }
                }
                Piece::Tail(_) if self.server.hiding => {
                    self.server.hiding = false;
                    self.server.message.length = 0;
                    out.undecoded(taken as u64);
                }
                Piece::Tail(ending) => {
                    let text = self.server.message.parts().line;
                    let in_text = !self.server.message.has_literals()
                        && Line::parse(text, false).is_some_and(|line| line.ends_in_text(text));
                    let ending = if in_text { Ending::Plain } else { ending };
                    client_goes_on = self.server_line_ended(&[], ending, input.time, out);
                }
                Piece::Cut(text) => {
                    let line = Line::parse(text, !self.server.synced);
                    // The name must be whole.
                    let line = line.filter(|line| line.rest < text.len());
                    let Some(line) = line.filter(|_| !self.server.message.begun()) else { break };
                    let length = std::mem::take(&mut self.server.message.length);
                    let read = Read { line, parts: Parts::cut(text), urls: true };
                    self.response(read, length, input.time, out);
                }
            }
            at += taken;
            if client_goes_on && at < input.bytes.len() && input.end.is_none() {
                return Progress::peer(at);
            }
        }
        self.server.progress(at)
    }

    fn hide_server_line(&mut self, text: &[u8], taken: usize, time: Timestamp, out: &mut Out<'_>) {
        self.server.message.length = 0;
        if text.is_empty() && self.server.synced {
            return;
        }
        if self.server.synced {
            out.anomaly(Side::Server, time, "malformed-response", None);
        }
        self.server.synced = false;
        self.unseen = true;
        out.undecoded(taken as u64);
    }

    /// A line of the message at hand ended.
    fn server_line_ended(
        &mut self,
        text: &[u8],
        ending: Ending,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> bool {
        self.server.message.set_time(time);
        match ending {
            Ending::Literal(header) => {
                let holds = mail::fetched(text, header);
                if self.server.literal(header, holds, mail::is_read(&out.settings)) {
                    out.anomaly(Side::Server, time, "too-many-literals", None);
                }
                false
            }
            Ending::Absurd => {
                out.anomaly(Side::Server, time, "literal-too-large", None);
                let client_goes_on = self.gathered_response(out);
                self.server.synced = false;
                self.unseen = true;
                client_goes_on
            }
            Ending::Plain | Ending::Malformed => self.gathered_response(out),
        }
    }

    /// Tells of the message that was gathered, if one was.
    fn gathered_response(&mut self, out: &mut Out<'_>) -> bool {
        if !self.server.message.begun() {
            return false;
        }
        let mut message = std::mem::take(&mut self.server.message);
        let [_, time] = message.times();
        let parts = message.parts();
        let client_goes_on = if let Some(line) = Line::parse(parts.line, false) {
            self.response(Read { line, parts, urls: true }, message.length, time, out)
        } else {
            self.server.take_mail();
            false
        };
        message.clear();
        client_goes_on
    }

    /// Tells of a response of so many bytes. Returns whether it answers what
    /// the client's bytes were left for, so that they come next.
    fn response(
        &mut self,
        Read { line, parts, urls }: Read<'_>,
        length: u64,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> bool {
        let mail = self.server.take_mail();
        let quoted = || mail::quoted(&line, parts).map(Box::new);
        let mail = if mail::is_read(&out.settings) { mail.or_else(quoted) } else { None };
        self.server.synced = true;
        let tag = Tag::new(line.tag);
        let known = self.client.synced && self.is_awaited(&line, tag);
        let waited = matches!(self.expect, Expect::Answer(..));
        let greeting = !std::mem::replace(&mut self.greeted, true);
        let greets =
            line.kind == Kind::Untagged && matches!(line.status, Some("OK" | "PREAUTH" | "BYE"));
        self.odd(Side::Server, greeting && !greets, "no-greeting", time, out);
        let exchanges = out.settings.exchanges;
        let to = if exchanges { self.belongs_to(&line, parts, tag) } else { None };
        match line.kind {
            Kind::Continuation => {
                self.continued(parts.line.get(line.text..).unwrap_or_default(), time, out);
            }
            Kind::Tagged => self.completing(tag, line.status, time, out),
            Kind::Untagged => self.learn(&line, parts),
        }
        if exchanges {
            self.count(&line, parts, to, length);
        }
        // Of an exchange, only the code is shown.
        let shown = !out.settings.exchanges_only;
        let public = match line.code {
            None if !shown => 0,
            _ => self.public(&line, parts, known, &out.settings),
        };
        let code = line.code.filter(|_| public > line.rest).map(Text::from);
        let (kind, status) = (line.kind, line.status);
        if shown {
            let read = Read { line, parts, urls };
            self.tell(read, (public, code.clone()), mail.as_deref(), time, out);
        } else {
            out.leave_out(Side::Server, time);
        }
        match (kind, status) {
            (Kind::Tagged, Some(status)) => {
                self.completed(tag, (status, code, length), time, out);
            }
            (Kind::Untagged, Some(status))
                if out.settings.exchanges
                    && greets
                    && (greeting && !self.unseen || status == "BYE" && self.pending.is_empty()) =>
            {
                let exchange = exchange::alone(greeting, status, code, length);
                out.emit(Side::Server, time, Message::ImapExchange(exchange));
            }
            _ => {}
        }
        let answered = waited && !matches!(self.expect, Expect::Answer(..));
        answered && std::mem::take(&mut self.blocked)
    }

    /// Tells of a response of which so many bytes may be shown.
    fn tell(
        &self,
        Read { line, parts, urls }: Read<'_>,
        (public, code): (usize, Option<Text<'_>>),
        mail: Option<&Header>,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let urls = urls && !out.settings.show_secrets;
        let hide = |text| if urls { urlauth::hide(text) } else { text };
        let text = parts.line.get(line.text..).unwrap_or_default();
        let hidden = public < parts.line.len();
        let mailbox = line.mailbox(parts, self.charset);
        let completes = line.kind == Kind::Tagged;
        let waited = if completes { self.pending.waited(Tag::new(line.tag), time) } else { None };
        let response = imap::Response {
            completes,
            waited,
            imap: imap::ResponseObject {
                response: imap::ResponseFields {
                    tag: if public == 0 { Text::REDACTED } else { line.tag.into() },
                    status: line.status,
                    code,
                    number: line.number,
                    name: line.name,
                    mailbox,
                    text: match (text.is_empty(), hidden) {
                        (true, _) => None,
                        (false, true) => Some(Text::REDACTED),
                        (false, false) => Some(hide(text.into())),
                    },
                },
                literal: imap::Literals { bytes: parts.sizes },
            },
            email: mail.and_then(email),
            line: hide(shorten(parts.line, public)),
        };
        out.emit(Side::Server, time, Message::ImapResponse(response));
    }

    /// The command that a response belongs to, where it says so itself.
    fn belongs_to(&self, line: &Line<'_>, parts: Parts<'_>, tag: Tag) -> Option<Tag> {
        match line.kind {
            Kind::Tagged => Some(tag),
            Kind::Untagged => line.correlated(parts).map(|tag| Tag::new(&tag)),
            Kind::Continuation => match self.idle {
                Some(idle) if idle.unanswered => Some(idle.tag),
                _ => self.expect.asked().map(|(tag, _)| tag),
            },
        }
    }

    /// Counts a response to its exchange; a tagged one is counted when that is
    /// told of.
    fn count(&mut self, line: &Line<'_>, parts: Parts<'_>, to: Option<Tag>, length: u64) {
        let data = || line.name.as_ref().map(|name| &*name.0);
        let name = line.status.map(str::as_bytes).or_else(data).unwrap_or_default();
        let exchange = match to {
            Some(tag) => self.pending.of_tag(tag),
            None => self.pending.of_data(name, || line.fetched(parts)),
        };
        match (line.kind, exchange) {
            (Kind::Untagged, Some(exchange)) => {
                exchange.add(length);
                exchange.count(name);
            }
            (Kind::Continuation, Some(exchange)) => exchange.add(length),
            (Kind::Continuation, None) if self.client.message.begun() => self.leave += length,
            _ => {}
        }
    }

    /// What a response says of the dialogue.
    fn learn(&mut self, line: &Line<'_>, parts: Parts<'_>) {
        self.authenticated |= line.number.is_some() || line.status == Some("PREAUTH");
        let Some(name) = &line.name else { return };
        let text = parts.line.get(line.rest..).unwrap_or_default();
        match &*name.0 {
            b"CAPABILITY" => self.literal_limit = LiteralLimit::of(text),
            b"ENABLED" => {
                let mut words = text.split(|byte| *byte == b' ');
                if words.any(|word| {
                    word.eq_ignore_ascii_case(b"IMAP4rev2")
                        || word.eq_ignore_ascii_case(b"UTF8=ACCEPT")
                }) {
                    self.charset = Charset::Utf8;
                }
            }
            _ => {}
        }
    }

    /// Nothing will be added to the message at hand.
    pub(super) fn server_ended(&mut self, out: &mut Out<'_>) {
        self.server.message.mark_cut();
        self.gathered_response(out);
    }

    /// Bytes of the server are missing, and with them perhaps the answer that
    /// the client waited for.
    pub(super) fn server_lost(&mut self, out: &mut Out<'_>) {
        self.server_ended(out);
        self.server.lose();
        if let Some(idle) = self.idle.as_mut() {
            idle.unanswered = false;
        }
        if !matches!(self.expect, Expect::Command) {
            let blocked = self.blocked;
            self.client_lost(out);
            self.blocked = blocked;
        }
    }
}
