//! What a reply means: for the mail that it is about, and for the bytes of the
//! client that wait for it.

use super::{
    End, Smtp,
    auth::Auth,
    client::{Answer, Mode},
    pending::Kind,
    reply,
};
use crate::{
    decode::Out,
    event::{Outcome, Timestamp},
};

impl Smtp {
    /// What a reply means for a mail; false if more final replies will follow.
    pub(super) fn about_mail(
        &mut self,
        kind: Option<Kind>,
        code: u16,
        text: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> bool {
        let about = match kind {
            Some(Kind::Rcpt(id, _) | Kind::Mail(id) | Kind::Chunk(id) | Kind::Final(id)) => {
                Some(id)
            }
            Some(Kind::Data(id)) => id,
            _ => None,
        };
        let decides = code >= 400 || matches!(kind, Some(Kind::Final(_)));
        if let Some(mail) = about.and_then(|id| self.mails.find(id)).filter(|_| decides) {
            mail.decide(code, reply::enhanced(text, code), time);
        }
        match kind {
            Some(Kind::Rcpt(id, Some(index))) => {
                if let Some(mail) = self.mails.find(id) {
                    mail.recipient_reply(index, code);
                }
                true
            }
            Some(Kind::Final(id)) => {
                let lmtp = self.session.lmtp;
                let Some(mail) = self.mails.find(id) else { return true };
                if !mail.final_reply(code, lmtp) {
                    return false;
                }
                let Some(mail) = self.mails.take(id) else { return true };
                let outcome = if mail.accepted { Outcome::Success } else { Outcome::Failure };
                let queue_id = if code < 300 { reply::queue_id(text) } else { None };
                self.tell(&mail, &End { outcome, queue_id }, time, out);
                true
            }
            _ => true,
        }
    }

    /// What a reply means for the client's bytes that wait for it.
    pub(super) fn answer(
        &mut self,
        kind: Option<Kind>,
        code: u16,
        challenge: &[u8],
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        match (kind, self.client.mode) {
            (Some(Kind::Data(_)), Mode::Await(answer @ Answer::Data { .. })) => {
                if code == 354 {
                    self.agree(answer);
                } else {
                    self.refuse(answer, false);
                }
            }
            (Some(Kind::StartTls), Mode::Await(Answer::Tls)) => {
                if code == 220 {
                    self.agree(Answer::Tls);
                    self.client.starttls_open = true;
                    self.client.injected = self.client.blocked;
                } else {
                    self.refuse(Answer::Tls, false);
                }
            }
            (Some(Kind::Auth), mode) => {
                if let Some(auth) = &mut self.session.auth {
                    match code {
                        334 => auth.challenge(challenge),
                        235 => auth.outcome = Some(Outcome::Success),
                        _ => auth.outcome = Some(Outcome::Failure),
                    }
                }
                if mode == Mode::Await(Answer::Auth) {
                    if code == 334 {
                        self.agree(Answer::Auth);
                    } else {
                        self.refuse(Answer::Auth, code >= 400);
                    }
                }
            }
            // The server goes on in the clear.
            (None, Mode::Tls) => self.client.starttls_open = false,
            // Leave for something whose command is missing.
            (None, Mode::Lost) if code == 354 => {
                self.ensure_mail(time, out);
                self.agree(Answer::Data { bare: false, gapped: false });
            }
            (None, Mode::Command) if code == 354 => self.client.go_ahead = true,
            // It gave no leave for anything but commands.
            (None, Mode::Lost) if code != 334 => self.client.answered = !self.client.answer_lost,
            (None, Mode::Lost | Mode::Command) if code == 334 => {
                let mut auth = Auth::default();
                auth.disturbed();
                self.session.auth = Some(Box::new(auth));
                self.client.suspect = true;
                self.agree(Answer::Auth);
            }
            _ => {}
        }
    }
}
