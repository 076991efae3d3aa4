//! SMTP (RFC 5321) with PIPELINING (2920), CHUNKING (3030), STARTTLS (3207)
//! and AUTH (4954), and LMTP (2033); and the mail inside.
//!
//! The client's bytes are commands, mail data or SASL responses, and which of
//! them only the server's answer tells; [`client`] waits for it, [`follow`] says
//! what a line means, [`transfer`] takes the mail. [`server`] matches replies to
//! the commands that wait in [`pending`], and [`answer`] says what they mean.
//!
//! Anomalies that are told when they are seen: `bare-lf`, `bare-cr`, `nul`,
//! `line-too-long`, `8bit-undeclared`, `unexpected-pipelining`,
//! `starttls-injection`, `command-too-long`, `not-a-command`, `bdat-size`,
//! `too-many-recipients`; `reply-too-long`, `not-a-reply`, `reply-codes-differ`,
//! `unknown-reply-code`. Those of a mail are told with it: of its [`lines`], and
//! of [`mail`](super::mail). None shows bytes that could be secrets.

mod answer;
mod auth;
mod client;
mod command;
mod data;
mod follow;
mod lines;
mod mail;
mod pending;
mod recognise;
mod reply;
mod server;
#[cfg(test)]
mod tests;
mod transfer;

use super::{Decoder, Input, Out, Progress, Protocol};
use crate::event::{Hue, Label, Message, Outcome, Side, Text, Timestamp, tracer::Upgrade};

use auth::Auth;
use client::Client;
use mail::{Mail, Mails, Told};
use pending::Queue;
use server::Server;

/// SMTP in the clear.
pub(super) const PROTOCOL: Protocol = Protocol {
    label: Label { name: "smtp", column: "SMTP", hue: Hue::Cyan },
    ports: &[25],
    by_default: true,
    decoder: || Box::new(Smtp::default()),
    recognises: recognise::recognises,
};

/// Longest command line: 512 bytes (RFC 5321 section 4.5.3.1.4), more with
/// extensions, and 12,288 for AUTH and SASL responses (RFC 4954 section 4).
const LINE_LIMIT: usize = 12_288;
/// Longest HELO name that is kept: a domain has 255 bytes at most.
const HELO_LIMIT: usize = 255;
/// Length of a skip over all that is left of a stream.
const REST: u64 = u64::MAX;

/// Anomalies that were told of, and are told of once for a side; there are as
/// many as there are codes.
#[derive(Clone, Debug, Default)]
struct Once(Vec<(Side, &'static str)>);

/// Decoder of one connection.
#[derive(Debug, Default)]
struct Smtp {
    client: Client,
    server: Server,
    queue: Queue,
    mails: Mails,
    session: Session,
    once: Once,
}

/// What lasts longer than a mail.
#[derive(Clone, Debug, Default)]
struct Session {
    helo: Option<Box<[u8]>>,
    lmtp: bool,
    /// Whether the reply to EHLO offered PIPELINING, if that was seen.
    pipelining: Option<bool>,
    auth: Option<Box<Auth>>,
    starttls: bool,
    /// The flow is TLS from here on.
    opaque: bool,
}

impl Smtp {
    /// Tells of a mail.
    fn tell(&self, mail: &Mail, end: &End<'_>, time: Timestamp, out: &mut Out<'_>) {
        let told = Told {
            helo: self.session.helo.as_deref(),
            auth: self.session.auth.as_ref().map(|auth| auth.object(true)),
            starttls: self.session.starttls,
            queue_id: end.queue_id.map(Into::into),
            outcome: Some(end.outcome),
        };
        if !mail.ended {
            mail.tell_odd(time, out);
        }
        out.emit(Side::Client, time, Message::SmtpMessage(mail::event(mail, told, out.settings)));
    }

    /// Tells of a mail that no final reply was seen for; of one that was never
    /// sent only if the server refused something.
    fn tell_unanswered(&self, mail: &Mail, time: Timestamp, out: &mut Out<'_>) {
        // A mail that ended, or whose end may be missing, may well have been
        // accepted; one that broke off was not.
        let unknown = mail.ended || mail.incomplete;
        let outcome = match mail.mode {
            // LMTP: one of the final replies came, and took it.
            Some(_) if mail.accepted => Outcome::Success,
            Some(_) if unknown => Outcome::Unknown,
            None if !mail.is_refused() => return,
            _ => Outcome::Failure,
        };
        self.tell(mail, &End { outcome, queue_id: None }, time, out);
    }

    /// Leaves the transaction that the client is in.
    fn leave(&mut self, time: Timestamp, out: &mut Out<'_>) {
        self.mails.leave_current();
        self.settle(time, out);
    }

    /// Tells of transactions that were left, once all their replies are in.
    fn settle(&mut self, time: Timestamp, out: &mut Out<'_>) {
        while let Some(mail) = self.mails.take_left(|id| self.queue.is_open(id)) {
            self.tell_unanswered(&mail, time, out);
        }
    }

    /// The flow is TLS now.
    fn upgrade(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        self.session.opaque = true;
        self.client.starttls_open = false;
        // Words of the server behind its leave to begin with TLS.
        if side == Side::Client && self.server.waiting.take().is_some() {
            out.anomaly(Side::Server, time, "starttls-injection", None);
        }
        out.emit(side, time, Message::Upgrade(Upgrade::new("tls")));
    }

    /// Tells of an anomaly, the first time that the side shows it.
    fn once(
        &mut self,
        side: Side,
        time: Timestamp,
        code: &'static str,
        detail: Option<Text<'_>>,
        out: &mut Out<'_>,
    ) {
        if !self.once.0.contains(&(side, code)) {
            self.once.0.push((side, code));
            out.anomaly(side, time, code, detail);
        }
    }
}

/// How a mail ended.
struct End<'a> {
    outcome: Outcome,
    queue_id: Option<&'a [u8]>,
}

/// Whether the bytes are the start of a TLS record with a handshake message;
/// `None` while that cannot be said.
fn is_tls(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0x16, 0x03, minor, ..] => Some(*minor <= 4),
        [] | [0x16] | [0x16, 0x03] => None,
        _ => Some(false),
    }
}

impl Decoder for Smtp {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        if self.session.opaque {
            return Progress::skip(input.bytes.len(), REST);
        }
        match input.side {
            Side::Client => self.client_data(input, out),
            Side::Server => self.server_data(input, out),
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        if side == Side::Client && !self.session.opaque {
            self.chunk_skipped(bytes, time, out);
        }
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        if self.session.opaque {
            return;
        }
        match side {
            Side::Client => self.client_gap(bytes, time, out),
            Side::Server => self.server_gap(bytes),
        }
    }

    fn close(&mut self, side: Side, _time: Timestamp, _out: &mut Out<'_>) {
        if side == Side::Server {
            self.client.server_closed = true;
        }
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        if self.client.starttls_open {
            self.upgrade(Side::Client, time, out);
        }
        while let Some(mail) = self.mails.pop() {
            self.tell_unanswered(&mail, time, out);
        }
    }

    fn held(&self) -> usize {
        let auth = self.session.auth.as_deref().map_or(0, |auth| size_of::<Auth>() + auth.held());
        let helo = self.session.helo.as_ref().map_or(0, |name| name.len());
        let once = self.once.0.capacity() * size_of::<(Side, &str)>();
        once + self.queue.held() + self.mails.held() + self.client.held() + auth + helo
    }
}
