//! What the server says, and what that means for the client's next bytes.

use super::{
    Imap, OPAQUE_STRIDE,
    client::{Expect, Question},
    command::{Head, Kind as Command, shorten},
    line::{Ending, LINE_LIMIT, Piece},
    memory::Tag,
    message::Parts,
    response::{Kind, Line},
};
use crate::{
    decode::{Input, Out, Progress},
    event::{Message, Side, Text, Timestamp, imap, tracer},
};

impl Imap {
    /// Takes what the server sent.
    pub(super) fn server_data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let mut at = 0;
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
            match piece {
                Piece::More => break,
                Piece::Passed if self.server.hiding => out.undecoded(taken as u64),
                Piece::Literal(_) | Piece::Passed => {}
                Piece::Line(text, ending) => {
                    if self.server.message.begun() {
                        self.server.message.line(text, false);
                        client_goes_on = self.server_line_ended(ending, input.time, out);
                    } else if let Some(line) = Line::parse(text, !self.server.synced) {
                        if ending == Ending::Plain || line.ends_in_text(text) {
                            client_goes_on = self.response(Parts::line(text), input.time, out);
                        } else {
                            self.server.message.line(text, false);
                            client_goes_on = self.server_line_ended(ending, input.time, out);
                        }
                    } else {
                        self.hide_server_line(text, taken, input.time, out);
                    }
                }
                Piece::Head(text) => {
                    if text.len() >= LINE_LIMIT {
                        out.anomaly(Side::Server, input.time, "line-too-long", None);
                    }
                    let is_response = Line::parse(text, !self.server.synced).is_some();
                    if self.server.message.begun() || is_response {
                        self.server.message.line(text, false);
                        self.server.message.mark_cut();
                        self.server.message.time = input.time;
                    } else {
                        self.hide_server_line(text, taken, input.time, out);
                        self.server.hiding = true;
                    }
                }
                Piece::Tail(_) if self.server.hiding => {
                    self.server.hiding = false;
                    out.undecoded(taken as u64);
                }
                Piece::Tail(ending) => {
                    let text = self.server.message.parts().line;
                    let in_text = !self.server.message.has_literals()
                        && Line::parse(text, false).is_some_and(|line| line.ends_in_text(text));
                    let ending = if in_text { Ending::Plain } else { ending };
                    client_goes_on = self.server_line_ended(ending, input.time, out);
                }
                Piece::Cut(text) => {
                    let whole_name = Line::parse(text, !self.server.synced)
                        .is_some_and(|line| line.rest < text.len());
                    if self.server.message.begun() || !whole_name {
                        break;
                    }
                    self.response(Parts::cut(text), input.time, out);
                }
            }
            at += taken;
            if client_goes_on && at < input.bytes.len() && input.end.is_none() {
                return Progress::peer(at);
            }
        }
        self.server.progress(at, false)
    }

    fn hide_server_line(&mut self, text: &[u8], taken: usize, time: Timestamp, out: &mut Out<'_>) {
        if text.is_empty() && self.server.synced {
            return;
        }
        if self.server.synced {
            out.anomaly(Side::Server, time, "malformed-response", None);
        }
        self.server.synced = false;
        out.undecoded(taken as u64);
    }

    /// A line of the message at hand ended.
    fn server_line_ended(&mut self, ending: Ending, time: Timestamp, out: &mut Out<'_>) -> bool {
        self.server.message.time = time;
        match ending {
            Ending::Literal(header) => {
                if self.server.message.literal(header) {
                    out.anomaly(Side::Server, time, "too-many-literals", None);
                }
                self.server.lines.literal(header.octets);
                false
            }
            Ending::Absurd => {
                out.anomaly(Side::Server, time, "literal-too-large", None);
                let client_goes_on = self.gathered_response(out);
                self.server.synced = false;
                client_goes_on
            }
            Ending::Plain => self.gathered_response(out),
        }
    }

    /// Tells of the message that was gathered, if one was.
    fn gathered_response(&mut self, out: &mut Out<'_>) -> bool {
        if !self.server.message.begun() {
            return false;
        }
        let mut message = std::mem::take(&mut self.server.message);
        let client_goes_on = self.response(message.parts(), message.time, out);
        message.clear();
        self.server.message = message;
        client_goes_on
    }

    /// Tells of a response. Returns whether it answers what the client's bytes
    /// were left for, so that they come next.
    fn response(&mut self, parts: Parts<'_>, time: Timestamp, out: &mut Out<'_>) -> bool {
        let Some(line) = Line::parse(parts.line, false) else { return false };
        self.server.synced = true;
        let tag = Tag::new(line.tag);
        let known = self.client.synced && self.is_awaited(&line, tag);
        let waited = matches!(self.expect, Expect::Answer(..));
        match line.kind {
            Kind::Continuation => {
                self.continued(parts.line.get(line.text..).unwrap_or_default(), time, out);
            }
            Kind::Tagged => self.completing(tag, line.status, out),
            Kind::Untagged => {
                self.authenticated |= line.number.is_some() || line.status == Some("PREAUTH");
            }
        }
        let public = if out.settings.show_secrets {
            parts.line.len()
        } else {
            self.public(&line, parts, known)
        };
        let text = parts.line.get(line.text..).unwrap_or_default();
        let hidden = public < parts.line.len();
        let response = imap::Response {
            imap: imap::ResponseObject {
                response: imap::ResponseFields {
                    tag: if public == 0 { Text::REDACTED } else { line.tag.into() },
                    status: line.status,
                    code: line.code.filter(|_| public > line.rest).map(Text::from),
                    number: line.number,
                    name: line.name,
                    text: match (text.is_empty(), hidden) {
                        (true, _) => None,
                        (false, true) => Some(Text::REDACTED),
                        (false, false) => Some(text.into()),
                    },
                },
                literal: imap::Literals { bytes: parts.sizes },
            },
            line: shorten(parts.line, public),
        };
        out.emit(Side::Server, time, Message::ImapResponse(response));
        if line.kind == Kind::Tagged {
            self.completed(tag, line.status, time, out);
        }
        let answered = waited && !matches!(self.expect, Expect::Answer(..));
        answered && std::mem::take(&mut self.blocked)
    }

    /// Whether bytes wait that the client sent without leave, and that a refusal
    /// makes lines of: what was asked for may be a secret.
    fn holds_back_secret(&self, question: Question) -> bool {
        let asks = match question {
            Question::Sasl => true,
            Question::Literal(_) => Head::parse(self.client.message.parts().line, false)
                .is_none_or(|head| head.kind.is_none_or(|kind| kind != Command::Other)),
            Question::Upgrade => false,
        };
        asks && self.looked > 0
    }

    /// Whether a response is to something that was seen.
    fn is_awaited(&self, line: &Line<'_>, tag: Tag) -> bool {
        let asked = match self.expect {
            Expect::Answer(_, question) if self.holds_back_secret(question) => return false,
            Expect::Answer(asked, _) => Some(asked),
            Expect::Command | Expect::Sasl => None,
        };
        // The response that is refused may be missing.
        let unheard = self.authentication.is_some_and(|authentication| authentication.tag == tag)
            && self.secrets.is_empty();
        match line.kind {
            Kind::Tagged if unheard => false,
            Kind::Tagged => self.pending.has(tag) || asked == Some(tag),
            _ if line.status == Some("BAD") => !self.pending.is_empty() || asked.is_some(),
            Kind::Untagged | Kind::Continuation => true,
        }
    }

    /// How many bytes of a response may be shown. Text for humans may quote
    /// what the client sent: values that were replaced, and what stood in bytes
    /// that were not read. `known` tells that nothing of the latter is refused.
    fn public(&self, line: &Line<'_>, parts: Parts<'_>, known: bool) -> usize {
        let length = parts.line.len();
        if line.status.is_none() && line.kind != Kind::Continuation {
            return length;
        }
        let refuses = matches!(line.status, Some("NO" | "BAD"));
        let quotes = |at: usize| self.secrets.quoted_in(parts.line.get(at..).unwrap_or_default());
        let odd = line.status == Some("BAD") || memchr::memchr(b']', line.tag).is_some();
        if !known && line.kind == Kind::Tagged && refuses && odd {
            // Servers take the first word of any line for the tag; and the end
            // of a code looks like one behind a late start.
            0
        } else if parts.cut && !self.secrets.is_empty() {
            line.rest
        } else if quotes(line.rest) {
            if line.code.is_some_and(|code| self.secrets.quoted_in(code)) {
                line.rest
            } else {
                line.text
            }
        } else if refuses && (self.secrets.vague || !known) {
            let is_word = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
            if line.code.is_some_and(|code| !code.iter().all(is_word)) {
                line.rest
            } else {
                line.text
            }
        } else {
            length
        }
    }

    /// The server says `+`, and what stands behind it.
    fn continued(&mut self, text: &[u8], time: Timestamp, out: &mut Out<'_>) {
        if let Some(idle) = self.idle.as_mut().filter(|idle| idle.unanswered) {
            idle.unanswered = false;
            return;
        }
        match self.expect {
            Expect::Answer(_, Question::Literal(header)) => {
                self.expect = Expect::Command;
                self.client_literal(header, time, out);
            }
            Expect::Answer(_, Question::Sasl) => {
                self.expect = Expect::Sasl;
                if let Some(authentication) = &mut self.authentication {
                    authentication.exchange.challenge(text);
                }
            }
            Expect::Answer(_, Question::Upgrade) | Expect::Command | Expect::Sasl => {}
        }
    }

    /// The server completes a command: what the client still owed it never
    /// comes. Before the response is told of.
    fn completing(&mut self, tag: Tag, status: Option<&str>, out: &mut Out<'_>) {
        if self.idle.is_some_and(|idle| idle.tag == tag) {
            self.idle = None;
        }
        if let Expect::Answer(asked, question) = self.expect
            && asked == tag
        {
            self.expect = Expect::Command;
            if let Question::Literal(_) = question {
                self.gathered_command(false, out);
                self.client.synced = false;
            }
        }
        if self.authentication.is_some_and(|authentication| authentication.tag == tag) {
            self.authentication = None;
            self.expect = Expect::Command;
            self.client.synced &= status == Some("OK");
        }
    }

    /// A command was completed, and that was told of.
    fn completed(&mut self, tag: Tag, status: Option<&str>, time: Timestamp, out: &mut Out<'_>) {
        let kind = self.pending.end(tag);
        if status != Some("OK") {
            return;
        }
        let to = match kind {
            Some(Command::StartTls) => "tls",
            Some(Command::Compress) => "deflate",
            Some(Command::Login | Command::Authenticate) => {
                self.authenticated = true;
                return;
            }
            Some(Command::Idle | Command::Other) | None => return,
        };
        self.opaque = true;
        out.emit(Side::Server, time, Message::Upgrade(tracer::Upgrade::new(to)));
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
            self.client_lost(out);
        }
    }
}
