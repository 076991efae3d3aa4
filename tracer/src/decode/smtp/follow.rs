//! What the client's lines mean: events, the transaction, and what the bytes
//! behind a line will be.

use std::borrow::Cow;

use super::{
    HELO_LIMIT, Smtp,
    auth::Auth,
    client::{Answer, Mode},
    command::{self, Command, Path, Verb},
    pending::Kind,
};
use crate::{
    decode::Out,
    event::{
        Message, REDACTED, Side, Text, Timestamp,
        smtp::{self, CommandFields, CommandObject, DataMode},
    },
};

impl Smtp {
    /// A line that is or may be a SASL response.
    pub(super) fn response(&mut self, line: &[u8], time: Timestamp, out: &mut Out<'_>) {
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

    pub(super) fn command(
        &mut self,
        command: &Command<'_>,
        bare: bool,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let unknown = command.verb == Verb::Unlike;
        if unknown || (self.client.suspect && !command.known) {
            if unknown && !self.client.answer_lost {
                self.once(Side::Client, time, "not-a-command", None, out);
            }
            self.client.mode = Mode::Command;
            return self.response(command.line, time, out);
        }
        self.client.mode = Mode::Command;
        self.client.suspect = false;
        self.client.go_ahead = false;
        let mut secret = None;
        match command.verb {
            Verb::Auth => {
                self.session.auth = Some(Box::new(Auth::begin(command.argument)));
                secret = Some(command.argument);
            }
            // `XAUTH`, a misspelt `AUTH`, another protocol's `LOGIN`: what
            // nobody knows may be that as well.
            Verb::Pass => secret = Some(command.argument),
            Verb::Burl => {
                let token = command::url_token(command.argument);
                secret = token.and_then(|token| command.argument.get(token));
            }
            Verb::Other if !command.known => secret = Some(command.argument),
            _ => {}
        }
        let secret = secret.filter(|secret| !secret.is_empty() && !out.settings.show_secrets);
        if matches!(
            command.verb,
            Verb::Mail | Verb::Rset | Verb::Hello | Verb::Lhlo | Verb::Quit | Verb::StartTls
        ) {
            self.leave(time, out);
        }
        self.emit_command(command, secret.is_some(), time, out);
        let mut pushed = secret;
        if command.verb == Verb::Auth {
            let name = Auth::mechanism_of(command.argument).map_or(0, <[u8]>::len);
            pushed = secret.and_then(|all| all.get(name..)).map(<[u8]>::trim_ascii);
        }
        if !command.known {
            // Servers quote the secret without the words before it.
            pushed = secret.and_then(|all| all.rsplit(u8::is_ascii_whitespace).next());
        }
        let kind = self.follow(command, bare, time, out);
        self.queue.push(kind, time, pushed.filter(|secret| !secret.is_empty()));
    }

    /// What a command changes; says what its reply will be about.
    fn follow(
        &mut self,
        command: &Command<'_>,
        bare: bool,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Kind {
        match command.verb {
            Verb::Hello | Verb::Lhlo => {
                let name = command.argument.get(..HELO_LIMIT).unwrap_or(command.argument);
                self.session.helo = Some(Box::from(name));
                self.session.lmtp = command.verb == Verb::Lhlo;
                self.session.pipelining = None;
                Kind::Hello { extended: !command.name.eq_ignore_ascii_case(b"HELO") }
            }
            Verb::Mail => {
                self.begin_mail(Path::parse(command.argument, b"FROM:"), time, out);
                self.mails.current.map_or(Kind::Other, Kind::Mail)
            }
            Verb::Rcpt => {
                let Some(path) = Path::parse(command.argument, b"TO:") else {
                    return Kind::Other;
                };
                let Some(mail) = self.ensure_mail(time, out) else {
                    return Kind::Other;
                };
                let (id, index) = (mail.id, mail.recipient(&path));
                if index.is_none() && !std::mem::replace(&mut mail.full, true) {
                    out.anomaly(Side::Client, time, "too-many-recipients", None);
                }
                Kind::Rcpt(id, index)
            }
            Verb::Data => {
                self.ensure_mail(time, out);
                self.wait(Answer::Data { bare, gapped: false });
                Kind::Data(self.mails.current)
            }
            Verb::Bdat => {
                let Some((left, last)) = command::chunk(command.argument) else {
                    out.anomaly(Side::Client, time, "bdat-size", None);
                    self.client.mode = Mode::Lost;
                    return Kind::Other;
                };
                self.client.mode = Mode::Chunk { left, last };
                let id = self.ensure_mail(time, out).map(|mail| {
                    mail.begin(DataMode::Bdat);
                    mail.id
                });
                if left == 0 {
                    self.end_chunk(last, time, out);
                }
                id.map_or(Kind::Other, if last { Kind::Final } else { Kind::Chunk })
            }
            Verb::Burl => {
                let mut words = command.argument.rsplit(u8::is_ascii_whitespace);
                let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST"));
                let Some(mail) = self.ensure_mail(time, out) else {
                    return Kind::Other;
                };
                mail.begin(mail.mode.unwrap_or(DataMode::Burl));
                let id = mail.id;
                self.end_chunk(last, time, out);
                if last { Kind::Final(id) } else { Kind::Chunk(id) }
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
        let url = Some(command.argument).filter(|_| redact && command.verb == Verb::Burl);
        let (line, argument) = if let Some(token) = url.and_then(command::url_token) {
            let before = command.argument.get(..token.start).unwrap_or_default();
            let behind = command.argument.get(token.end..).unwrap_or_default();
            let shown = [before, REDACTED, behind].concat();
            (Text::from([command.name, b" ", &shown].concat()), Text::from(shown))
        } else if redact || (odd && !out.settings.show_secrets) {
            let name = if odd { command.name.get(..4) } else { None }.unwrap_or(command.name);
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
                shown.extend_from_slice(REDACTED);
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
}
