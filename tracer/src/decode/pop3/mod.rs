//! POP3 (RFC 1939) with CAPA, response codes and pipelining (RFC 2449), STLS
//! (RFC 2595), AUTH (RFC 5034), UTF8 and LANG (RFC 6856).
//!
//! `client` and `server` follow the two sides; `command` says what a line of
//! the client's means and what of it is secret, `pending` which commands wait
//! for a response, `body` where the lines behind a status line end, `recognise` how a connection begins. What the
//! sides must know of each other stands in [`Pop3`].
//!
//! No anomaly has a detail: bytes that cannot be read may be a secret.

mod body;
mod client;
mod command;
mod pending;
mod recognise;
mod secrets;
mod server;

use self::{
    pending::{Pending, Pipeline},
    secrets::Secrets,
    server::Expect,
};
use super::{Decoder, End, Input, Out, Progress, Protocol, sasl};
use crate::event::{
    Common, Hue, Label, Message, Side, Text, Timestamp,
    pop3::{Exchange, ExchangeObject},
};

/// POP3 in the clear.
pub(super) const PROTOCOL: Protocol = Protocol {
    label: Label { name: "pop3", column: "POP3", hue: Hue::Cyan },
    ports: &[110],
    by_default: false,
    decoder: || Box::new(Pop3::default()),
    recognises: recognise::recognises,
};

/// Bytes of a line that are read: the longest SASL response (RFC 5034 section
/// 4) and its end. What is longer is told of and thrown away.
const LINE_LIMIT: usize = 12_288 + 2;

/// Bytes asked to be skipped at a time once the connection is opaque: more than
/// any connection carries, and far from any overflow.
const OPAQUE_STRIDE: u64 = 1 << 40;

/// A SASL exchange in progress.
#[derive(Debug, Default)]
struct Sasl {
    exchange: sasl::Exchange,
    /// Name of the mechanism, in upper case.
    mechanism: Option<Text<'static>>,
}

/// Decoder of one connection.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of their own, not one state")]
struct Pop3 {
    /// What the server's next bytes are.
    expect: Expect,
    pipeline: Pipeline,
    /// The exchange that AUTH began: lines of the client's are its responses.
    sasl: Option<Sasl>,
    secrets: Secrets,
    /// Who has said the latest line that was decoded.
    last: Option<Side>,
    /// Responses that were due when the client last spoke, and did not come
    /// since; negative when there were more.
    due: isize,
    /// The greeting is over.
    greeted: bool,
    /// Lines of the client's are not to be trusted before a known command.
    unsynced: bool,
    /// Commands may not have been seen whose refusal may quote a secret.
    doubtful: bool,
    /// Which command a response answers is not known.
    skewed: bool,
    /// Something was not seen: what does not fit together is nobody's fault.
    unseen: bool,
    /// The rest of an overlong line is thrown away: client's, server's.
    discarding: [bool; 2],
    /// Anomalies that were told of and may come with each line.
    bare_lf: [bool; 2],
    /// STLS was accepted.
    opaque: bool,
}

/// A line that was cut off the input.
struct Cut<'a> {
    /// Without its end.
    text: &'a [u8],
    /// Bytes of it, its end included.
    taken: usize,
}

impl Pop3 {
    /// Cuts the next line off; `None` when it is not complete. Overlong ones
    /// are thrown away but for their beginning.
    fn line<'a>(
        &mut self,
        input: &Input<'_>,
        bytes: &'a [u8],
        out: &mut Out<'_>,
    ) -> Option<Cut<'a>> {
        let index = usize::from(input.side == Side::Server);
        let end = memchr::memchr(b'\n', bytes);
        let limited = input.end == Some(End::Limit);
        if let Some(discarding) = self.discarding.get_mut(index)
            && *discarding
        {
            let taken = end.map_or(bytes.len(), |end| end + 1);
            *discarding = end.is_none();
            out.undecoded(taken as u64);
            return (taken > 0).then_some(Cut { text: &[], taken });
        }
        let Some(end) = end.filter(|end| *end < LINE_LIMIT) else {
            if bytes.len() < LINE_LIMIT && !limited || bytes.is_empty() {
                return None;
            }
            let taken = bytes.len().min(LINE_LIMIT);
            if let Some(discarding) = self.discarding.get_mut(index) {
                *discarding = true;
            }
            self.anomaly(input, "line-too-long", out);
            return Some(Cut { text: bytes.get(..taken)?, taken });
        };
        let text = bytes.get(..end)?;
        let stripped = text.strip_suffix(b"\r");
        if stripped.is_none()
            && let Some(told) = self.bare_lf.get_mut(index)
            && !std::mem::replace(told, true)
        {
            self.anomaly(input, "bare-lf", out);
        }
        Some(Cut { text: stripped.unwrap_or(text), taken: end + 1 })
    }

    /// Tells that a side broke the protocol, unless that may be the doing of
    /// something that was not seen.
    fn anomaly(&self, input: &Input<'_>, code: &'static str, out: &mut Out<'_>) {
        if !self.unseen {
            out.anomaly(input.side, input.time, code, None);
        }
    }

    /// Tells of a command that nobody will answer any more.
    fn unanswered(pending: Pending, time: Timestamp, out: &mut Out<'_>) {
        if let Some(kept) = pending.kept {
            let outcome = Some(Exchange::outcome(None));
            let object =
                ExchangeObject { command: Some(kept.command), auth: kept.auth, response: None };
            let common = Common { outcome, ..Common::default() };
            let exchange = Exchange { pop3: object, email: None, headline: None, common };
            out.emit(Side::Client, time, Message::Pop3Exchange(exchange));
        }
    }
}

impl Decoder for Pop3 {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let mut taken = 0;
        while !self.opaque {
            let rest = input.bytes.get(taken..).unwrap_or_default();
            let step = match input.side {
                Side::Client => self.client_line(input, rest, out),
                Side::Server => self.server_part(input, rest, out),
            };
            if step == 0 {
                return Progress::more(taken);
            }
            taken += step;
        }
        Progress::skip(input.bytes.len(), OPAQUE_STRIDE)
    }

    fn skipped(&mut self, _: Side, _: u64, _: Timestamp, _: &mut Out<'_>) {}

    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        if self.opaque {
            return;
        }
        self.unseen = true;
        self.greeted = true;
        self.discarding = [false; 2];
        match side {
            Side::Client => self.client_gap(),
            Side::Server => self.server_gap(bytes, time, out),
        }
        self.doubtful = true;
        self.pipeline.doubt();
    }

    fn close(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        if side == Side::Server {
            self.break_off(time, out);
        }
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        self.break_off(time, out);
        while let Some(pending) = self.pipeline.pop() {
            Self::unanswered(pending, time, out);
        }
    }

    fn held(&self) -> usize {
        let mechanism = self.sasl.as_ref().and_then(|sasl| sasl.mechanism.as_ref());
        self.pipeline.held()
            + self.secrets.held()
            + self.expect.held()
            + mechanism.map_or(0, |name| name.0.len())
    }
}
