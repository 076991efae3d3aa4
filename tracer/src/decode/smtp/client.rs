//! The client's stream: commands, mail data, SASL responses, TLS.

use std::borrow::Cow;

use memchr::memchr;

use super::{
    HELO_LIMIT, LINE_LIMIT, REST, Smtp,
    auth::Auth,
    command::{self, Command, Verb},
    data::Scan,
    is_tls,
    pending::Kind,
};
use crate::{
    decode::{End, Input, Out, Progress},
    event::{
        Message, Side, Text, Timestamp,
        smtp::{self, CommandFields, CommandObject, DataMode},
    },
};

/// What the client's next bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// A command line.
    #[default]
    Command,
    /// Unknown, until a line is certainly a command.
    Lost,
    /// The rest of a line that is not shown; then what the mode says.
    SkipLine {
        /// Lost behind it.
        lost: bool,
    },
    /// To be seen from the server's answer.
    Await(Answer),
    /// A SASL response.
    Sasl,
    /// A mail's data, up to the line with a dot.
    Data(Scan),
    /// A chunk.
    Chunk {
        /// Bytes that are left of it.
        left: u64,
        /// The mail ends with it.
        last: bool,
    },
    /// TLS, by what was agreed upon.
    Tls,
}

/// The command whose answer says what the client's bytes behind it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// DATA: mail data if the answer is 354, else commands.
    Data {
        /// The command ended with a bare LF.
        bare: bool,
        /// Bytes behind it are missing.
        gapped: bool,
    },
    /// AUTH or a SASL response: another if the answer is 334, else commands.
    Auth,
    /// STARTTLS: TLS if the answer is 220, else commands.
    Tls,
}

/// State of the client's stream.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of their own, not one state")]
pub(super) struct Client {
    pub(super) mode: Mode,
    /// Bytes at the front of the input that have no line end.
    searched: usize,
    /// A line that is no certain command may be a SASL response: the server
    /// refused AUTH, but the client may not have waited for that.
    pub(super) suspect: bool,
    /// Bytes wait for an answer.
    pub(super) blocked: bool,
    /// The answer that is waited for may be missing.
    pub(super) answer_lost: bool,
    /// No answers will come any more.
    pub(super) server_closed: bool,
    /// STARTTLS was agreed upon, and no byte followed yet.
    pub(super) starttls_open: bool,
    /// The server gave leave to send a mail (354) for which no command was
    /// seen.
    pub(super) go_ahead: bool,
    /// The last line that was not shown, which a reply might quote.
    pub(super) hidden: Vec<u8>,
}

impl Client {
    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        self.hidden.capacity()
    }
}

/// What became of the bytes at the front of the client's input.
pub(super) enum Step {
    /// So many were taken; 0 if only the mode has changed.
    Took(usize),
    /// More are needed.
    More,
    /// The server's answer is needed.
    Peer,
    /// All were taken, and so many behind them are of no interest.
    Skip(u64),
}

/// A line at the front of bytes.
struct Line<'a> {
    /// Without its end.
    text: &'a [u8],
    /// With it.
    len: usize,
    /// Ended by LF without CR, and not by the end of the bytes.
    bare: bool,
}

impl Smtp {
    pub(super) fn client_data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        self.client.blocked = false;
        let mut at = 0;
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::more(at);
            }
            match self.client_step(rest, input, out) {
                Step::Took(bytes) => {
                    at += bytes;
                    self.client.searched = 0;
                    // A reply that came early is due as soon as what it
                    // answers is over, and before anything else.
                    if let Some(code) = self.server.waiting
                        && input.end.is_none()
                        && !self.is_early(code, input.time)
                    {
                        return Progress::peer(at);
                    }
                }
                Step::More => return Progress::more(at),
                Step::Skip(bytes) => return Progress::skip(input.bytes.len(), bytes),
                Step::Peer => {
                    self.client.blocked = true;
                    return Progress::peer(at);
                }
            }
        }
    }

    fn client_step(&mut self, rest: &[u8], input: &Input<'_>, out: &mut Out<'_>) -> Step {
        match self.client.mode {
            Mode::Data(scan) => self.mail_data(scan, rest, input, out),
            Mode::Chunk { left, last } => self.chunk(left, last, rest, input, out),
            Mode::SkipLine { lost } => {
                let end = memchr(b'\n', rest);
                let len = end.map_or(rest.len(), |at| at + 1);
                out.undecoded(len as u64);
                if end.is_some() {
                    self.client.mode = if lost { Mode::Lost } else { Mode::Command };
                }
                Step::Took(len)
            }
            Mode::Await(answer) => self.undecided(answer, rest, input),
            Mode::Command | Mode::Lost | Mode::Tls => match is_tls(rest) {
                Some(true) => {
                    self.upgrade(Side::Client, input.time, out);
                    Step::Skip(REST)
                }
                None if input.end.is_none() => Step::More,
                _ if self.client.mode == Mode::Tls => self.agreed_tls(rest, input, out),
                _ => self.line(rest, input, out),
            },
            Mode::Sasl => self.line(rest, input, out),
        }
    }

    /// The line at the front, if it is whole or will never be.
    fn find_line<'a>(&mut self, rest: &'a [u8], end: Option<End>) -> Option<Line<'a>> {
        let searched = self.client.searched;
        let found = rest.get(searched..).and_then(|new| memchr(b'\n', new));
        let Some(at) = found else {
            self.client.searched = rest.len();
            let over = rest.len() > LINE_LIMIT || end.is_some();
            return over.then_some(Line { text: rest, len: rest.len(), bare: false });
        };
        let at = searched + at;
        let line = rest.get(..at).unwrap_or_default();
        let text = line.strip_suffix(b"\r");
        Some(Line { text: text.unwrap_or(line), len: at + 1, bare: text.is_none() })
    }

    fn line(&mut self, rest: &[u8], input: &Input<'_>, out: &mut Out<'_>) -> Step {
        let Some(line) = self.find_line(rest, input.end) else { return Step::More };
        let whole = rest.get(line.len - 1) == Some(&b'\n');
        let lost = self.client.mode == Mode::Lost;
        if line.len > LINE_LIMIT + 2 || (!whole && input.end == Some(End::Limit)) {
            if !lost {
                out.anomaly(Side::Client, input.time, "command-too-long", None);
                self.queue.push(Kind::Other, input.time, None);
                self.client.suspect = true;
            }
            self.client.mode = Mode::SkipLine { lost };
            return Step::Took(0);
        }
        if line.bare {
            self.bare_lf(Side::Client, input.time, out);
        }
        let command = Command::parse(line.text);
        // Of a line that was cut off only what is surely a command is told.
        if !whole && (input.end.is_none() || !command.is_certain()) {
            return Step::More;
        }
        match self.client.mode {
            Mode::Lost if !command.is_certain() => {
                self.hide(line.text);
                out.undecoded(line.len as u64);
            }
            Mode::Sasl => self.response(line.text, input.time, out),
            _ => self.command(&command, line.bare, input.time, out),
        }
        Step::Took(line.len)
    }

    /// Remembers a line that was not shown.
    fn hide(&mut self, line: &[u8]) {
        self.client.hidden.clear();
        // Secrets are Base64, without spaces.
        if !line.iter().any(u8::is_ascii_whitespace) {
            self.client.hidden.extend_from_slice(line);
        }
    }

    /// A line that is or may be a SASL response.
    fn response(&mut self, line: &[u8], time: Timestamp, out: &mut Out<'_>) {
        let sasl = self.client.mode == Mode::Sasl;
        if sasl && let Some(auth) = &mut self.session.auth {
            auth.response(line);
        }
        let shown = if out.settings.show_secrets || line == b"*" {
            Text::from(line)
        } else {
            Text::REDACTED
        };
        let auth = self.session.auth.as_ref().filter(|_| sasl).map(|auth| auth.object(false));
        let fields = CommandFields { verb: None, argument: Some(shown.clone()) };
        let smtp = CommandObject { command: fields, auth };
        out.emit(Side::Client, time, Message::SmtpCommand(smtp::Command { smtp, line: shown }));
        let kind = if sasl { Kind::Auth } else { Kind::Other };
        let secret = (!out.settings.show_secrets).then_some(line);
        self.queue.push(kind, time, secret);
        if sasl {
            self.wait(Answer::Auth);
        }
    }

    fn wait(&mut self, answer: Answer) {
        self.client.mode = Mode::Await(answer);
        self.client.answer_lost = false;
    }

    fn command(&mut self, command: &Command<'_>, bare: bool, time: Timestamp, out: &mut Out<'_>) {
        let unknown = command.verb == Verb::Unlike;
        if unknown || (self.client.suspect && !command.known) {
            if unknown && !std::mem::replace(&mut self.once.not_a_command, true) {
                out.anomaly(Side::Client, time, "not-a-command", None);
            }
            self.client.mode = Mode::Command;
            return self.response(command.line, time, out);
        }
        self.client.mode = Mode::Command;
        self.client.suspect = false;
        self.client.go_ahead = false;
        let pipelined = !self.queue.is_empty();
        let mut secret = None;
        match command.verb {
            Verb::Auth => {
                self.session.auth = Some(Auth::begin(command.argument));
                secret = Some(command.argument);
            }
            Verb::Pass => secret = Some(command.argument),
            _ => {}
        }
        let secret = secret.filter(|secret| !secret.is_empty() && !out.settings.show_secrets);
        let abandoned = match command.verb {
            Verb::Mail | Verb::Rset | Verb::Hello | Verb::Lhlo => self.mails.drop_current(),
            _ => None,
        };
        if let Some(mail) = abandoned {
            self.tell_unanswered(&mail, time, out);
        }
        self.emit_command(command, secret.is_some(), time, out);
        let mut pushed = secret;
        if command.verb == Verb::Auth {
            let name = Auth::mechanism_of(command.argument).map_or(0, <[u8]>::len);
            pushed = secret.and_then(|all| all.get(name..)).map(<[u8]>::trim_ascii);
        }
        let kind = self.follow(command, pipelined, bare, time, out);
        self.queue.push(kind, time, pushed.filter(|secret| !secret.is_empty()));
    }

    /// What a command changes; says what its reply will be about.
    fn follow(
        &mut self,
        command: &Command<'_>,
        pipelined: bool,
        bare: bool,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Kind {
        match command.verb {
            Verb::Hello | Verb::Lhlo => {
                let name = command.argument.get(..HELO_LIMIT).unwrap_or(command.argument);
                self.session.helo = Some(Box::from(name));
                self.session.lmtp = command.verb == Verb::Lhlo;
                Kind::Other
            }
            Verb::Mail => {
                self.begin_mail(command::path(command.argument, b"FROM:"), pipelined, time, out);
                Kind::Other
            }
            Verb::Rcpt => {
                let Some(address) = command::path(command.argument, b"TO:") else {
                    return Kind::Other;
                };
                let Some(mail) = self.ensure_mail(pipelined, time, out) else {
                    return Kind::Other;
                };
                let (id, index) = (mail.id, mail.recipient(address));
                if index.is_none() && !std::mem::replace(&mut mail.full, true) {
                    out.anomaly(Side::Client, time, "too-many-recipients", None);
                }
                Kind::Rcpt(id, index)
            }
            Verb::Data => {
                self.ensure_mail(pipelined, time, out);
                self.wait(Answer::Data { bare, gapped: false });
                Kind::Data
            }
            Verb::Bdat => {
                let Some((left, last)) = command::chunk(command.argument) else {
                    out.anomaly(Side::Client, time, "bdat-size", None);
                    self.client.mode = Mode::Lost;
                    return Kind::Other;
                };
                self.client.mode = Mode::Chunk { left, last };
                let id = self.ensure_mail(pipelined, time, out).map(|mail| {
                    mail.mode = Some(DataMode::Bdat);
                    mail.id
                });
                if left == 0 {
                    self.end_chunk(last);
                }
                id.filter(|_| last).map_or(Kind::Other, Kind::Final)
            }
            Verb::Auth => {
                self.wait(Answer::Auth);
                Kind::Auth
            }
            Verb::StartTls => {
                self.wait(Answer::Tls);
                Kind::StartTls
            }
            Verb::Quit => Kind::Quit,
            Verb::Rset | Verb::Other | Verb::Pass | Verb::Unlike => Kind::Other,
        }
    }

    fn emit_command(
        &self,
        command: &Command<'_>,
        redact: bool,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let verb = match command.verb {
            // A word that only begins like AUTH may have the secret in it.
            Verb::Auth => Cow::Borrowed(&b"AUTH"[..]),
            _ if command.name.iter().all(u8::is_ascii_uppercase) => Cow::Borrowed(command.name),
            _ => Cow::Owned(command.name.to_ascii_uppercase()),
        };
        let auth = match command.verb {
            Verb::Auth => self.session.auth.as_ref().map(|auth| auth.object(false)),
            _ => None,
        };
        let odd = command.verb == Verb::Auth && command.name.len() != 4;
        let (line, argument) = if redact || (odd && !out.settings.show_secrets) {
            let name = command.name.get(..4).unwrap_or(command.name);
            let mut shown = Vec::new();
            if command.verb == Verb::Auth
                && let Some(mechanism) = Auth::mechanism_of(command.argument)
            {
                shown.extend_from_slice(mechanism);
            }
            let more = shown.len() < command.argument.len() || odd;
            if more {
                if !shown.is_empty() {
                    shown.push(b' ');
                }
                shown.extend_from_slice(&Text::REDACTED.0);
            }
            let line = [name, b" ", &shown].concat();
            (Text::from(line), Text::from(shown))
        } else {
            (Text::from(command.line), Text::from(command.argument))
        };
        let argument = Some(argument).filter(|argument| !argument.0.is_empty());
        let fields = CommandFields { verb: Some(Text(verb)), argument };
        let smtp = CommandObject { command: fields, auth };
        out.emit(Side::Client, time, Message::SmtpCommand(smtp::Command { smtp, line }));
    }

    /// Bytes behind a command whose answer is not there: waits for it, or
    /// decides by what they look like if it will not come.
    fn undecided(&mut self, answer: Answer, rest: &[u8], input: &Input<'_>) -> Step {
        let lost = self.client.answer_lost || self.client.server_closed;
        if input.end.is_none() && !lost {
            return Step::Peer;
        }
        let Some(line) = self.find_line(rest, input.end) else { return Step::More };
        let command = Command::parse(line.text);
        let is_command = match answer {
            Answer::Data { .. } | Answer::Tls => command.is_certain(),
            Answer::Auth => command.is_no_response(),
        };
        if is_command {
            self.client.suspect = true;
            self.client.mode = Mode::Command;
        } else {
            self.agree(answer);
            if let (Answer::Auth, Some(auth)) = (answer, &mut self.session.auth) {
                auth.disturbed();
            }
        }
        Step::Took(0)
    }

    /// The server agreed to the command that was waited for.
    pub(super) fn agree(&mut self, answer: Answer) {
        self.client.mode = match answer {
            Answer::Data { bare, gapped } => {
                let scan = Scan::new(bare);
                if let Some(mail) = self.mails.current() {
                    mail.mode = Some(DataMode::Data);
                    if gapped {
                        mail.incomplete = true;
                        mail.content.missing(0);
                    }
                }
                Mode::Data(if gapped { scan.disturbed() } else { scan })
            }
            Answer::Auth => Mode::Sasl,
            Answer::Tls => Mode::Tls,
        };
    }

    /// The server did not agree, or ended what was agreed upon.
    pub(super) fn refuse(&mut self, answer: Answer, suspect: bool) {
        let gapped = matches!(answer, Answer::Data { gapped: true, .. });
        self.client.mode = if gapped { Mode::Lost } else { Mode::Command };
        self.client.suspect |= suspect;
    }

    /// Bytes behind an agreed STARTTLS that are no TLS record: a capture of
    /// what was inside TLS goes on in the clear.
    fn agreed_tls(&mut self, rest: &[u8], input: &Input<'_>, out: &mut Out<'_>) -> Step {
        let letters = rest.first().is_some_and(u8::is_ascii_alphabetic);
        if letters {
            let Some(line) = self.find_line(rest, input.end) else { return Step::More };
            if Command::parse(line.text).is_certain() {
                self.client.mode = Mode::Command;
                self.client.starttls_open = false;
                self.session.starttls = true;
                return Step::Took(0);
            }
        }
        self.upgrade(Side::Client, input.time, out);
        Step::Skip(REST)
    }

    pub(super) fn client_gap(&mut self, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        self.client.searched = 0;
        let missing = bytes.unwrap_or(0);
        match self.client.mode {
            Mode::Data(scan) => {
                self.client.mode = Mode::Data(scan.disturbed());
                self.mail_gap(missing);
                if self.server.waiting.is_some() {
                    self.data_ended_unseen(time);
                }
                return;
            }
            Mode::Command | Mode::Lost if self.client.go_ahead => {
                self.client.go_ahead = false;
                self.ensure_mail(false, time, out);
                return self.agree(Answer::Data { bare: false, gapped: true });
            }
            Mode::Chunk { left, last } if missing <= left => {
                self.mail_gap(missing);
                self.client.mode = Mode::Chunk { left: left - missing, last };
                if left == missing {
                    self.end_chunk(last);
                }
                return;
            }
            Mode::Chunk { .. } => self.mail_gap(0),
            Mode::Await(Answer::Data { bare, .. }) => {
                self.client.mode = Mode::Await(Answer::Data { bare, gapped: true });
                return;
            }
            _ => {}
        }
        self.client.mode = Mode::Lost;
        if let Some(auth) = &mut self.session.auth {
            auth.disturbed();
        }
        self.queue.missing_commands(time);
    }
}
