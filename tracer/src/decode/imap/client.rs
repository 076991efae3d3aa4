//! What the client says: commands, and the lines and literals that go with
//! them. Some of its bytes mean nothing without the server's answer.

use super::{
    Authentication, Idle, Imap,
    command::{Head, Kind, Shown, is_command_name},
    exchange::Exchange,
    line::{Ending, Header, LINE_LIMIT, Piece},
    mail::{self, email},
    message::Parts,
    pending::{Open, Tag},
};
use crate::{
    decode::{Input, Out, Progress, sasl},
    event::{Message, Side, Text, Timestamp, imap},
};

/// What the client's next bytes are.
#[derive(Debug, Default)]
pub(super) enum Expect {
    /// A command, or what belongs to one.
    #[default]
    Command,
    /// A SASL response.
    Sasl,
    /// That depends on how the server answers the command of this tag. Never
    /// for long, so that it is not to make other connections larger.
    Answer(Box<(Tag, Question)>),
}

impl Expect {
    fn answer(tag: Tag, question: Question) -> Self {
        Self::Answer(Box::new((tag, question)))
    }

    /// The command whose answer is waited for, and what it asks.
    pub(super) fn asked(&self) -> Option<(Tag, Question)> {
        if let Self::Answer(asked) = self { Some(**asked) } else { None }
    }
}

/// What the server is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// May this literal come? If not, the next command does.
    Literal(Header),
    /// Does the SASL exchange go on?
    Sasl,
    /// Does the connection turn into something else?
    Upgrade,
}

impl Imap {
    /// Takes what the client sent.
    pub(super) fn client_data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let mut at = 0;
        let waited = self.looked > 0;
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let started = if at == 0 || waited { input.started } else { input.time };
            if let Some((_, question)) = self.expect.asked() {
                if input.end.is_none() {
                    let new = rest.get(self.looked..).unwrap_or_default();
                    self.blocked |= memchr::memchr(b'\n', new).is_some();
                    self.looked = rest.len();
                    self.first_waiting = rest.first().copied();
                    return Progress::peer(at);
                }
                self.decide_by_looks(question, rest, out);
            }
            (self.looked, self.blocked) = (0, false);
            let (piece, taken) = self.client.lines.next(rest, input.end);
            match piece {
                Piece::More => break,
                Piece::Literal(octets) => self.client.octets(octets),
                Piece::Passed if self.client.hiding => out.undecoded(taken as u64),
                Piece::Passed => {}
                Piece::Line(text, ending) => {
                    let is_sasl = matches!(self.expect, Expect::Sasl);
                    let line = (text, ending, is_sasl);
                    let usual = memchr::memchr2(b'\r', 0, text).is_none();
                    let ending = self.odd_line(Side::Client, line, usual, input.time, out);
                    if self.client.message.begun() {
                        self.client.message.line(text, started, input.time);
                        self.client_line_ended(ending, input.time, out);
                    } else if !self.recognises(text, false) {
                        self.hide_client_line(text, taken, input.time, out);
                    } else if is_sasl || ending == Ending::Plain {
                        self.command(Parts::line(text), [started, input.time], true, out);
                    } else {
                        self.client.message.line(text, started, input.time);
                        self.client_line_ended(ending, input.time, out);
                    }
                }
                Piece::Head(text) => {
                    if text.len() >= LINE_LIMIT {
                        out.anomaly(Side::Client, input.time, "line-too-long", None);
                    }
                    if self.client.message.begun() || self.recognises(text, true) {
                        self.client.message.line(text, started, input.time);
                        self.client.message.mark_cut();
                    } else {
                        self.hide_client_line(text, taken, input.time, out);
                        self.client.hiding = true;
                    }
                }
                Piece::Tail(_) if self.client.hiding => {
                    self.client.hiding = false;
                    out.undecoded(taken as u64);
                }
                Piece::Tail(ending) => self.client_line_ended(ending, input.time, out),
                Piece::Cut(text) => {
                    if self.client.message.begun() || !self.recognises(text, true) {
                        break;
                    }
                    self.command(Parts::cut(text), [started, input.time], false, out);
                }
            }
            at += taken;
        }
        self.client.progress(at)
    }

    /// Whether a line that begins a message may be taken for one: anything
    /// well formed while the step is kept, else only what names a command that
    /// is known.
    fn recognises(&self, text: &[u8], cut: bool) -> bool {
        matches!(self.expect, Expect::Sasl)
            || is_done(text)
            || Head::parse(text, cut).is_some_and(|head| head.kind.is_some() || self.client.synced)
    }

    fn hide_client_line(&mut self, text: &[u8], taken: usize, time: Timestamp, out: &mut Out<'_>) {
        if text.is_empty() && self.client.synced {
            return;
        }
        if self.client.synced {
            let code = if is_command_name(text) { "missing-tag" } else { "malformed-command" };
            out.anomaly(Side::Client, time, code, None);
        }
        self.client.synced = false;
        self.unseen = true;
        // Whatever it was, what is refused later may quote it.
        self.secrets.vague = true;
        out.undecoded(taken as u64);
    }

    /// A line of the message at hand ended.
    fn client_line_ended(&mut self, ending: Ending, time: Timestamp, out: &mut Out<'_>) {
        self.client.message.set_time(time);
        match ending {
            Ending::Literal(header) if matches!(self.expect, Expect::Command) => {
                if header.synchronising {
                    let parts = self.client.message.parts();
                    let tag = Head::parse(parts.line, false).map_or(&[][..], |head| head.tag);
                    self.expect = Expect::answer(Tag::new(tag), Question::Literal(header));
                } else {
                    self.unasked_literal(header, time, out);
                    self.client_literal(header, time, out);
                }
            }
            Ending::Absurd => {
                self.unseen = true;
                out.anomaly(Side::Client, time, "literal-too-large", None);
                self.gathered_command(true, out);
                self.client.synced = false;
            }
            Ending::Plain | Ending::Malformed | Ending::Literal(_) => {
                self.gathered_command(true, out);
            }
        }
    }

    /// The octets of a literal come next.
    pub(super) fn client_literal(&mut self, header: Header, time: Timestamp, out: &mut Out<'_>) {
        let holds = mail::sent(self.client.message.parts(), header);
        if self.client.literal(header, holds, mail::is_read(&out.settings)) {
            out.anomaly(Side::Client, time, "too-many-literals", None);
        }
    }

    /// Nobody will say what the server answered: what stands there has to
    /// show it. The step counts as lost, so that nothing unknown is shown.
    fn decide_by_looks(&mut self, question: Question, rest: &[u8], out: &mut Out<'_>) {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let is_command = Head::parse(line, false).is_some_and(|head| head.kind.is_some());
        self.expect = Expect::Command;
        self.unseen = true;
        match question {
            Question::Literal(header) if !is_command => {
                let [_, time] = self.client.message.times();
                self.client_literal(header, time, out);
            }
            Question::Literal(_) => self.gathered_command(false, out),
            Question::Sasl if !is_command => {
                self.expect = Expect::Sasl;
                if let Some(authentication) = &mut self.authentication {
                    authentication.exchange.disturbed();
                }
            }
            Question::Sasl | Question::Upgrade => {}
        }
        self.client.synced = false;
    }

    /// Tells of the message that was gathered, if one was.
    pub(super) fn gathered_command(&mut self, complete: bool, out: &mut Out<'_>) {
        if self.client.message.begun() {
            let mut message = std::mem::take(&mut self.client.message);
            self.command(message.parts(), message.times(), complete, out);
            message.clear();
        }
    }

    /// Tells of a message. One that is not `complete` (its literal was
    /// refused, or bytes are missing) changes nothing of what comes next.
    /// `times`: of its first and its last byte.
    fn command(
        &mut self,
        parts: Parts<'_>,
        times: [Timestamp; 2],
        complete: bool,
        out: &mut Out<'_>,
    ) {
        let [started, time] = times;
        let mail = self.client.take_mail();
        if matches!(self.expect, Expect::Sasl) {
            self.sasl_response(parts, time, out);
            return;
        }
        if is_done(parts.line) {
            self.done(parts, time, out);
            return;
        }
        let Some(head) = Head::parse(parts.line, parts.cut) else { return };
        let show_secrets = out.settings.show_secrets;
        let shown = Shown::new(&head, parts, self.charset, show_secrets, self.authenticated);
        for secret in &shown.secrets {
            self.secrets.remember(secret);
        }
        self.secrets.vague |= shown.vague;
        let mechanism = shown.exchange.mechanism.map(|mechanism| mechanism.name);
        let auth = (shown.user.is_some() || mechanism.is_some())
            .then_some(imap::Auth { mechanism, user: shown.user });
        let tag = Tag::new(head.tag);
        self.doubt(Side::Client, self.pending.has_begun(tag), "tag-in-use", time);
        let command = imap::Command {
            imap: imap::CommandObject {
                command: imap::CommandFields {
                    tag: Some(head.tag.into()),
                    name: Some(head.name),
                    uid: head.uid,
                    mailbox: shown.mailbox,
                    arguments: shown.arguments,
                    truncated: false,
                },
                literal: imap::Literals { bytes: parts.sizes },
                auth,
            },
            email: mail.as_ref().and_then(|mail| email(mail)),
            line: shown.line,
        };
        let kind = match head.kind {
            _ if !complete => Kind::Other,
            Some(kind) => kind,
            None => Kind::Unknown,
        };
        let leave = std::mem::take(&mut self.leave);
        let exchange =
            out.settings.exchanges.then(|| Box::new(Exchange::new(&command.imap, started, leave)));
        tell(command, time, out);
        self.client.synced |= head.kind.is_some();
        let open = Open { tag, kind, started, whole: complete, exchange };
        if let Some(forgotten) = self.pending.begin(open) {
            self.odd(Side::Client, true, "pipeline-too-long", time, out);
            Self::unfinished(&forgotten, time, out);
            self.unseen = true;
        }
        match kind {
            Kind::Authenticate => {
                let responded = !shown.secrets.is_empty();
                self.authentication = Some(Box::new(Authentication {
                    tag,
                    exchange: shown.exchange,
                    heard: responded,
                }));
                self.expect = Expect::answer(tag, Question::Sasl);
            }
            Kind::StartTls | Kind::Compress => {
                self.expect = Expect::answer(tag, Question::Upgrade);
            }
            Kind::Idle => {
                self.idle = Some(Idle { tag, unanswered: true, done: false });
            }
            Kind::Login | Kind::Unknown | Kind::Other => {}
        }
    }

    /// `DONE`, which ends IDLE and has no tag of its own.
    fn done(&mut self, parts: Parts<'_>, time: Timestamp, out: &mut Out<'_>) {
        let idles = self.idle.is_some_and(|idle| !idle.done);
        self.odd(Side::Client, !idles, "unexpected-done", time, out);
        let idle = self.idle.as_mut().filter(|idle| !idle.done);
        let tag = idle.map(|idle| {
            idle.done = true;
            idle.tag
        });
        let command = imap::Command {
            imap: imap::CommandObject {
                command: imap::CommandFields {
                    tag: tag.as_ref().and_then(Tag::bytes).map(Text::from),
                    name: Some("DONE".into()),
                    ..imap::CommandFields::default()
                },
                ..imap::CommandObject::default()
            },
            email: None,
            line: parts.line.into(),
        };
        tell(command, time, out);
    }

    /// A response to the server's challenge. All of it is secret.
    fn sasl_response(&mut self, parts: Parts<'_>, time: Timestamp, out: &mut Out<'_>) {
        self.expect = Expect::Command;
        let Some(authentication) = self.authentication.as_mut() else { return };
        let (tag, mechanism) = (authentication.tag, authentication.exchange.mechanism);
        let mut response = authentication.exchange.response(parts.line);
        authentication.heard = true;
        if parts.cut {
            response = sasl::Response::default();
        }
        self.secrets.remember(parts.line);
        self.secrets.vague |= parts.cut;
        if let Some(secret) = &response.secret {
            self.secrets.remember(secret);
        }
        let user = response.user.map(Text::from);
        if let (Some(exchange), Some(user)) = (self.pending.of_tag(tag), &user) {
            exchange.authenticates(user);
        }
        // `*` takes the command back (RFC 9051 section 6.2.2).
        let open = out.settings.show_secrets || parts.line == b"*";
        let shown = if open { parts.line.into() } else { Text::REDACTED };
        let command = imap::Command {
            imap: imap::CommandObject {
                command: imap::CommandFields {
                    tag: tag.bytes().map(Text::from),
                    arguments: Some(shown.clone()),
                    ..imap::CommandFields::default()
                },
                literal: imap::Literals::default(),
                auth: Some(imap::Auth {
                    mechanism: mechanism.map(|mechanism| mechanism.name),
                    user,
                }),
            },
            email: None,
            line: shown,
        };
        tell(command, time, out);
        self.expect = Expect::answer(tag, Question::Sasl);
    }

    /// Nothing will be added to the message at hand.
    pub(super) fn client_ended(&mut self, out: &mut Out<'_>) {
        if self.client.message.begun() {
            self.client.message.mark_cut();
            let expect = std::mem::take(&mut self.expect);
            if matches!(expect, Expect::Sasl) {
                self.expect = expect;
            }
            self.gathered_command(false, out);
        }
    }

    /// Bytes of the client are missing.
    pub(super) fn client_lost(&mut self, out: &mut Out<'_>) {
        self.client_ended(out);
        self.client.lose();
        self.expect = Expect::Command;
        // A response may be among what is missing.
        self.secrets.vague |= self.authentication.take().is_some();
        self.blocked = false;
        self.looked = 0;
    }
}

/// Tells of a command, unless of exchanges alone.
fn tell(command: imap::Command<'_>, time: Timestamp, out: &mut Out<'_>) {
    if out.settings.exchanges_only {
        out.leave_out(Side::Client, time);
    } else {
        out.emit(Side::Client, time, Message::ImapCommand(command));
    }
}

fn is_done(line: &[u8]) -> bool {
    line.trim_ascii_end().eq_ignore_ascii_case(b"DONE")
}
