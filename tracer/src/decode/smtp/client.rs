//! The client's stream: commands, mail data, SASL responses, TLS.

use memchr::{memchr, memchr2};

use super::{
    LINE_LIMIT, REST, Smtp,
    command::{Command, Verb},
    data::Scan,
    is_tls,
    pending::Kind,
};
use crate::{
    decode::{End, Input, Out, Progress},
    event::{Side, Text, Timestamp, smtp::DataMode},
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
    /// Bytes were taken or skipped: what a reply waits for may be over.
    pub(super) moved: bool,
    /// Bytes wait for an answer.
    pub(super) blocked: bool,
    /// The answer that is waited for may be missing.
    pub(super) answer_lost: bool,
    /// The step was lost, and the server has answered what was lost: with no
    /// leave for anything but commands.
    pub(super) answered: bool,
    /// No answers will come any more.
    pub(super) server_closed: bool,
    /// STARTTLS was agreed upon, and no byte followed yet.
    pub(super) starttls_open: bool,
    /// Bytes behind STARTTLS came before the server agreed.
    pub(super) injected: bool,
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
            // A reply that came early is due as soon as what it answers is
            // over, and before anything else.
            if std::mem::take(&mut self.client.moved)
                && let Some(code) = self.server.waiting
                && input.end.is_none()
                && !self.is_early(code, input.time, out)
            {
                return Progress::peer(at);
            }
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::more(at);
            }
            match self.client_step(rest, input, out) {
                Step::Took(bytes) => {
                    at += bytes;
                    self.client.searched = 0;
                    self.client.moved = true;
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
                // A refusal may quote what was not read of it.
                self.queue.missing_commands(input.time);
                self.queue.push(Kind::Other, input.time, None);
                self.client.suspect = true;
            }
            self.client.mode = Mode::SkipLine { lost };
            return Step::Took(0);
        }
        if line.bare {
            self.once(Side::Client, input.time, "bare-lf", Some(Text::from("command")), out);
        }
        let command = Command::parse(line.text);
        // Of a line that was cut off only what is surely a command is told.
        if !whole && (input.end.is_none() || !command.is_certain()) {
            return Step::More;
        }
        if whole && (self.client.mode == Mode::Command || command.is_certain()) {
            self.faults(&command, line.len, input.time, out);
        }
        match self.client.mode {
            Mode::Lost if !(command.is_certain() || (self.client.answered && command.known)) => {
                self.hide(line.text);
                out.undecoded(line.len as u64);
            }
            Mode::Sasl => self.response(line.text, input.time, out),
            _ => self.command(&command, line.bare, input.time, out),
        }
        Step::Took(line.len)
    }

    /// Tells once of each thing that is odd about a command's line.
    fn faults(&mut self, command: &Command<'_>, len: usize, time: Timestamp, out: &mut Out<'_>) {
        if !command.known {
            return;
        }
        let line = command.line;
        let long = len > command.verb.line_limit();
        let eight_bit = !line.is_ascii();
        if !long && !eight_bit && memchr2(b'\r', 0, line).is_none() {
            return;
        }
        let of_mail = command.verb != Verb::Mail;
        let utf8 = command.is_utf8()
            || (of_mail && self.mails.current().is_none_or(|mail| mail.is_utf8()));
        for (found, code) in [
            (memchr(b'\r', line).is_some(), "bare-cr"),
            (memchr(0, line).is_some(), "nul"),
            (long, "line-too-long"),
            (eight_bit && !utf8, "8bit-undeclared"),
        ] {
            if found {
                self.once(Side::Client, time, code, Some(Text::from("command")), out);
            }
        }
    }

    /// Remembers a line that was not shown.
    fn hide(&mut self, line: &[u8]) {
        self.client.hidden.clear();
        // Secrets are Base64, without spaces.
        if !line.iter().any(u8::is_ascii_whitespace) {
            self.client.hidden.extend_from_slice(line);
        }
    }

    /// Bytes behind a command whose answer is not there: waits for it, or
    /// decides by what they look like if it will not come.
    fn undecided(&mut self, answer: Answer, rest: &[u8], input: &Input<'_>) -> Step {
        if input.end.is_none() && !self.answer_is_lost() {
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

    /// Whether the answer that the client waits for will not be seen.
    pub(super) const fn answer_is_lost(&self) -> bool {
        self.client.answer_lost || self.client.server_closed
    }

    /// The server agreed to the command that was waited for.
    pub(super) fn agree(&mut self, answer: Answer) {
        self.client.mode = match answer {
            Answer::Data { bare, gapped } => {
                let scan = Scan::new(bare);
                if let Some(mail) = self.mails.current() {
                    mail.begin(DataMode::Data);
                    mail.lines.bare = bare;
                    if gapped {
                        mail.missing(0);
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
        if std::mem::take(&mut self.client.injected) {
            out.anomaly(Side::Client, input.time, "starttls-injection", None);
        }
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
        // A reply that came early may be due now, before what stands behind it.
        self.client.moved = true;
        self.client.searched = 0;
        let missing = bytes.unwrap_or(0);
        match self.client.mode {
            Mode::Data(scan) => {
                self.client.mode = Mode::Data(scan.disturbed());
                self.mail_gap(missing);
                if self.server.waiting.is_some() {
                    self.data_ended_unseen(time, out);
                }
                return;
            }
            Mode::Command | Mode::Lost if self.client.go_ahead => {
                self.client.go_ahead = false;
                self.ensure_mail(time, out);
                return self.agree(Answer::Data { bare: false, gapped: true });
            }
            Mode::Chunk { left, last } if missing <= left => {
                self.mail_gap(missing);
                self.client.mode = Mode::Chunk { left: left - missing, last };
                if left == missing {
                    self.end_chunk(last, time, out);
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
        self.client.answered = false;
        self.client.answer_lost = false;
        if let Some(auth) = &mut self.session.auth {
            auth.disturbed();
        }
        self.queue.missing_commands(time);
    }
}
