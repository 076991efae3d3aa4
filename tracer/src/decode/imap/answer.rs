//! What a response means for the client's bytes that wait for it, and for the
//! command that it completes.

use super::{
    Imap,
    client::{Expect, Question},
    command::{Kind as Command, is_tag},
    pending::Tag,
};
use crate::{
    decode::Out,
    event::{Message, Side, Text, Timestamp, tracer},
};

impl Imap {
    /// The server says `+`, and what stands behind it.
    pub(super) fn continued(&mut self, text: &[u8], time: Timestamp, out: &mut Out<'_>) {
        if let Some(idle) = self.idle.as_mut().filter(|idle| idle.unanswered) {
            idle.unanswered = false;
            return;
        }
        match self.expect.asked().map(|(_, question)| question) {
            Some(Question::Literal(header)) => {
                self.odd(Side::Client, self.looked > 0, "literal-not-awaited", time, out);
                self.expect = Expect::Command;
                self.client_literal(header, time, out);
            }
            Some(Question::Sasl) => {
                self.expect = Expect::Sasl;
                if let Some(authentication) = &mut self.authentication {
                    authentication.exchange.challenge(text);
                }
            }
            Some(Question::Upgrade) | None => {
                let odd = !self.pending.any_of(Command::Unknown);
                self.doubt(Side::Server, odd, "unexpected-continuation", time);
            }
        }
    }

    /// The server completes a command: what the client still owed it never
    /// comes. Before the response is told of.
    pub(super) fn completing(
        &mut self,
        tag: Tag,
        status: Option<&str>,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        if self.idle.is_some_and(|idle| idle.tag == tag) {
            self.idle = None;
        }
        if let Some((asked, question)) = self.expect.asked()
            && asked == tag
        {
            self.expect = Expect::Command;
            if let Question::Literal(_) = question {
                self.gathered_command(false, out);
                self.client.synced = false;
            }
        }
        self.doubt(Side::Server, !self.pending.has_begun(tag), "unknown-tag", time);
        if self.authentication.as_ref().is_some_and(|authentication| authentication.tag == tag) {
            self.authentication = None;
            self.expect = Expect::Command;
            self.client.synced &= status == Some("OK");
        }
    }

    /// A command was completed, and that was told of: with a status, a code as
    /// it may be shown, and in so many bytes.
    pub(super) fn completed(
        &mut self,
        tag: Tag,
        (status, code, length): (&'static str, Option<Text<'_>>, u64),
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let Some(mut open) = self.pending.end(tag) else { return };
        if let Some(exchange) = &mut open.exchange {
            exchange.add(length);
            out.emit(Side::Client, time, exchange.told(Some((status, code, time))));
        }
        if status != "OK" {
            return;
        }
        let to = match open.kind {
            Command::StartTls => "tls",
            Command::Compress => "deflate",
            Command::Login | Command::Authenticate => {
                self.authenticated = true;
                return;
            }
            Command::Idle | Command::Unknown | Command::Other => return,
        };
        let early = self.looked > 0 && self.first_waiting.is_some_and(|byte| is_tag(&[byte]));
        self.odd(Side::Client, early, "clear-text-before-upgrade", time, out);
        self.opaque = true;
        out.emit(Side::Server, time, Message::Upgrade(tracer::Upgrade::new(to)));
    }
}
