//! `IMAP4rev1` and `IMAP4rev2` (RFC 3501, RFC 9051) with LITERAL+ (RFC 7888), BINARY's
//! `~{n}` (RFC 3516), IDLE (RFC 2177), SASL-IR (RFC 4959) and COMPRESS
//! (RFC 4978).
//!
//! `line` finds where lines and literals end, `message` gathers what belongs
//! together, `mail` finds the mails in it, `client` and `server` follow the two
//! sides and hand whole messages to `command` and `response`; `answer` says what
//! a response means for the client, `public` how much of it may be shown. What
//! the sides must know of each other (who waits for whom, commands in progress,
//! secrets) stands in [`Imap`].
//!
//! No anomaly has a detail: bytes that cannot be read may be a secret.

mod answer;
mod arguments;
mod client;
mod command;
mod exchange;
mod line;
mod mail;
mod mailbox;
mod message;
mod odd;
mod pending;
mod public;
mod recognise;
mod response;
mod secrets;
mod sequence;
mod server;
#[cfg(test)]
mod tests;
mod urlauth;
mod values;

pub(super) use self::message::release_spares;
use self::{
    client::Expect,
    line::Lines,
    mail::Holds,
    mailbox::Charset,
    message::Message,
    odd::{Doubts, LiteralLimit, Told},
    pending::{Open, Pending, Tag},
    secrets::Secrets,
};
use super::{Decoder, Input, Out, Progress, Protocol, mail::Header, sasl::Exchange};
use crate::event::{Hue, Label, Side, Timestamp};

/// IMAP in the clear.
pub(super) const PROTOCOL: Protocol = Protocol {
    label: Label { name: "imap", column: "IMAP", hue: Hue::Magenta },
    ports: &[143],
    by_default: true,
    decoder: || Box::new(Imap::default()),
    recognises: recognise::recognises,
};

/// Bytes asked to be skipped at a time once the connection is opaque: more than
/// any connection carries, and far from any overflow.
const OPAQUE_STRIDE: u64 = 1 << 40;

/// One side of a dialogue.
#[derive(Debug)]
struct Stream {
    lines: Lines,
    message: Message,
    /// Lines are known to begin where they seem to. Otherwise only a line that
    /// can hardly be anything else is taken for a message.
    synced: bool,
    /// The rest of an overlong line is not shown and counts as undecoded.
    hiding: bool,
    /// Anomalies of its lines that were told of.
    told: Told,
    /// The header of the first mail in the message at hand.
    mail: Option<Box<Header>>,
    /// The literal at hand is, or begins with, that header.
    in_header: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            lines: Lines::default(),
            message: Message::default(),
            synced: true,
            hiding: false,
            told: Told::default(),
            mail: None,
            in_header: false,
        }
    }
}

impl Stream {
    /// Loses the step: what comes next is no line of a known place.
    fn lose(&mut self) {
        self.lines.restart();
        self.message.clear();
        self.mail = None;
        (self.synced, self.hiding, self.in_header) = (false, false, false);
    }

    /// The octets of a literal come next; `read`: its header is, if it holds a
    /// mail. Returns whether it is the first one too many.
    fn literal(&mut self, header: line::Header, holds: Holds, read: bool) -> bool {
        let excess = self.message.literal(header, holds == Holds::String);
        self.lines.literal(header.octets);
        self.in_header = read && holds == Holds::Header && self.mail.is_none();
        if self.in_header {
            self.mail = Some(Box::default());
        }
        excess
    }

    /// Octets of the literal at hand came.
    fn octets(&mut self, octets: &[u8]) {
        self.message.octets(octets);
        if self.in_header
            && let Some(mail) = &mut self.mail
        {
            mail.push(octets);
            self.in_header = !mail.is_ended() && self.lines.left() > 0;
        }
    }

    /// Octets of the literal at hand went by that are not to be had.
    fn passed(&mut self, octets: u64) {
        self.lines.pass(octets);
        self.message.length += octets;
        if let Some(mail) = self.mail.as_mut().filter(|_| self.in_header) {
            mail.missing();
            self.in_header = false;
        }
    }

    /// The header of a mail in the message that is complete now.
    fn take_mail(&mut self) -> Option<Box<Header>> {
        self.in_header = false;
        let mut mail = self.mail.take()?;
        mail.end();
        Some(mail)
    }

    /// What to answer when all bytes at hand were taken: the rest of a literal
    /// is skipped unless something of it is kept.
    fn progress(&self, taken: usize) -> Progress {
        match self.lines.left() {
            0 => Progress::more(taken),
            _ if self.in_header || self.message.wants_octets() => Progress::more(taken),
            left => Progress::skip(taken, left),
        }
    }

    /// Bytes held on the heap.
    fn held(&self) -> usize {
        let mail = self.mail.as_ref().map_or(0, |mail| size_of::<Header>() + mail.held());
        self.message.held() + mail
    }
}

/// A SASL exchange in progress.
#[derive(Clone, Copy, Debug)]
struct Authentication {
    tag: Tag,
    exchange: Exchange,
    /// A response was seen, so that what the server may quote is known.
    heard: bool,
}

/// An IDLE in progress.
#[derive(Clone, Copy, Debug)]
struct Idle {
    tag: Tag,
    /// The server's next `+` is its answer.
    unanswered: bool,
    /// The client has sent DONE.
    done: bool,
}

/// Decoder of one connection.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of their own, not one state")]
struct Imap {
    client: Stream,
    server: Stream,
    /// What the client's next bytes are.
    expect: Expect,
    /// The client's bytes were left for the server's answer, and they hold a
    /// whole line: it must be decoded before what the server says next.
    blocked: bool,
    /// Bytes of the client's that wait and were searched for the end of a line.
    looked: usize,
    /// The first of them.
    first_waiting: Option<u8>,
    /// Bytes of the server's that let literals of the client's message come.
    leave: u64,
    /// Commands in progress.
    pending: Pending,
    /// The exchange that AUTHENTICATE began.
    authentication: Option<Box<Authentication>>,
    /// IDLE in progress.
    idle: Option<Idle>,
    /// Values that were replaced.
    secrets: Secrets,
    /// The client was let in, so that a command of an unknown name is no
    /// misspelt LOGIN.
    authenticated: bool,
    /// How names of mailboxes are written.
    charset: Charset,
    /// How large a literal may be that does not wait for leave.
    literal_limit: LiteralLimit,
    /// The server has said something.
    greeted: bool,
    /// Something of the dialogue was not seen or not understood: what does not
    /// fit together is nobody's fault.
    unseen: bool,
    /// Anomalies, unless something was not seen.
    doubts: Doubts,
    /// STARTTLS or COMPRESS was accepted.
    opaque: bool,
}

impl Imap {
    const fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Tells of a command that nobody will complete any more.
    fn unfinished(open: &Open, time: Timestamp, out: &mut Out<'_>) {
        if let Some(exchange) = &open.exchange {
            out.emit(Side::Client, time, exchange.told(None));
        }
    }
}

impl Decoder for Imap {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        if self.opaque {
            return Progress::skip(input.bytes.len(), OPAQUE_STRIDE);
        }
        // Bytes that waited for an answer were there before it.
        if input.side == Side::Server || input.bytes.len() > self.looked {
            self.settle(input.side, out);
        }
        match input.side {
            Side::Client => self.client_data(input, out),
            Side::Server => self.server_data(input, out),
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, _time: Timestamp, _out: &mut Out<'_>) {
        self.stream(side).passed(bytes);
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, _time: Timestamp, out: &mut Out<'_>) {
        if self.opaque {
            return;
        }
        if bytes.is_none_or(|bytes| bytes > self.stream(side).lines.left()) {
            self.unseen = true;
            self.pending.disturbed();
        }
        let stream = self.stream(side);
        let Some(bytes) = bytes else {
            // What stood before the first byte answers nothing that was seen,
            // and what the server refuses may have been said before it.
            stream.lose();
            self.client.synced = false;
            return;
        };
        if bytes <= stream.lines.left() {
            stream.passed(bytes);
            return;
        }
        match side {
            Side::Client => self.client_lost(out),
            Side::Server => self.server_lost(out),
        }
    }

    fn close(&mut self, side: Side, _time: Timestamp, out: &mut Out<'_>) {
        self.settle(side, out);
        match side {
            _ if self.opaque => {}
            Side::Client => self.client_ended(out),
            Side::Server => self.server_ended(out),
        }
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        if !self.opaque {
            self.client_ended(out);
            self.server_ended(out);
        }
        while let Some(open) = self.pending.pop() {
            Self::unfinished(&open, time, out);
        }
    }

    fn held(&self) -> usize {
        self.client.held()
            + self.server.held()
            + self.pending.held()
            + self.doubts.held()
            + self.secrets.held()
            + self.authentication.as_deref().map_or(0, size_of_val)
    }
}
