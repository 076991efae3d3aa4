//! What the client says.

use super::{
    Pop3, Sasl,
    command::{Kind, Line},
    pending::Kept,
};
use crate::{
    decode::{
        Input, Out,
        sasl::{Exchange, Mechanism},
    },
    event::{
        Message, Side, Text,
        pop3::{Auth, Command, CommandFields, CommandObject},
    },
};

impl Pop3 {
    /// Takes the next line of the client's; returns its bytes, 0 when it is not
    /// complete.
    pub(super) fn client_line(
        &mut self,
        input: &Input<'_>,
        bytes: &[u8],
        out: &mut Out<'_>,
    ) -> usize {
        let Some(cut) = self.line(input, bytes, out) else { return 0 };
        let line = cut.text.trim_ascii();
        if line.is_empty() {
            return cut.taken;
        }
        let known = Line::new(line);
        if self.sasl.is_some() {
            self.sasl_response(line, input, out);
        } else if self.unsynced && known.known.is_none() {
            self.secrets.add(line);
            out.undecoded(cut.taken as u64);
            return cut.taken;
        } else {
            self.command(&known, input, out);
        }
        self.last = Some(Side::Client);
        self.due = self.pipeline.len().cast_signed();
        cut.taken
    }

    /// Bytes of the client's are missing. Where a response came that nothing
    /// else had asked for, they were answered; else their response may be taken
    /// for that of the next command.
    pub(super) fn client_gap(&mut self) {
        self.unsynced = true;
        self.skewed |= self.due >= 0;
        if let Some(sasl) = &mut self.sasl {
            sasl.exchange.disturbed();
        }
    }

    fn command(&mut self, line: &Line<'_>, input: &Input<'_>, out: &mut Out<'_>) {
        self.unsynced = false;
        if self.skewed && self.last == Some(Side::Server) {
            // Clients wait, and this one has: all that was asked is answered.
            self.skewed = false;
            while let Some(pending) = self.pipeline.pop() {
                Self::unanswered(pending, input.time, out);
            }
        }
        if let Some(secret) = line.secret() {
            self.secrets.add(secret);
            // Of a command that is not known, servers may quote the word alone.
            let last = secret.rsplit(u8::is_ascii_whitespace).next();
            if let Some(last) =
                last.filter(|last| line.known.is_none() && last.len() < secret.len())
            {
                self.secrets.add(last);
            }
        }
        let mut user = None;
        if line.kind == Kind::Auth {
            user = self.authenticate(line);
        }
        let shown = line.shown(out.settings.show_secrets);
        let auth = line.auth(user.as_deref());
        let kept = out.settings.exchanges.then(|| Kept::new(&shown, auth.as_ref()));
        if !self.pipeline.push(line, input.time, kept) {
            self.anomaly(input, "pipeline-too-long", out);
            self.unseen = true;
            self.skewed = true;
        }
        say(shown, auth, input, out);
    }

    /// AUTH begins; returns the user that its initial response names.
    fn authenticate(&mut self, line: &Line<'_>) -> Option<Vec<u8>> {
        let Some((name, initial)) = line.sasl() else {
            self.sasl = Some(Sasl::default());
            return None;
        };
        let mut exchange = Exchange::new(Mechanism::named(name));
        let response = initial.map(|initial| {
            self.secrets.add(initial);
            exchange.initial_response(initial)
        });
        let mechanism = Some(Text(name.to_ascii_uppercase().into()));
        self.sasl = Some(Sasl { exchange, mechanism });
        let response = response?;
        if let Some(secret) = response.secret {
            self.secrets.add(&secret);
        }
        response.user
    }

    fn sasl_response(&mut self, line: &[u8], input: &Input<'_>, out: &mut Out<'_>) {
        let Some(sasl) = &mut self.sasl else { return };
        let cancelled = line == b"*";
        let mut user = None;
        if !cancelled {
            let response = sasl.exchange.response(line);
            self.secrets.add(line);
            if let Some(secret) = response.secret {
                self.secrets.add(&secret);
            }
            user = response.user;
        }
        if let Some(user) = &user {
            self.pipeline.user(user);
        }
        let argument =
            if cancelled || out.settings.show_secrets { line.into() } else { Text::REDACTED };
        let shown = CommandFields { verb: None, argument: Some(argument) };
        let mechanism = sasl.mechanism.as_ref().map(|name| name.0.as_ref().into());
        let auth = Auth { mechanism, user: user.as_deref().map(Text::from) };
        say(shown, Some(auth), input, out);
    }
}

fn say(command: CommandFields<'_>, auth: Option<Auth<'_>>, input: &Input<'_>, out: &mut Out<'_>) {
    let command = Command { pop3: CommandObject { command, auth } };
    out.emit(Side::Client, input.time, Message::Pop3Command(command));
}
