//! AUTH (RFC 4954): what may be told of it, which is never the secret.

use crate::{
    decode::sasl::{Exchange, Mechanism},
    event::{Outcome, Text, smtp},
};

/// Longest name of a mechanism (RFC 4422 section 3.1).
const MECHANISM_LIMIT: usize = 20;

/// Responses that are remembered; no mechanism has so many.
const SENT_LIMIT: usize = 8;
/// Bytes of each: those that a reply's line has room for.
const RESPONSE_LIMIT: usize = 512;

/// What is known of the session's authentication.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    /// Name of the mechanism, upper case.
    mechanism: Option<Box<[u8]>>,
    user: Option<Box<[u8]>>,
    /// How it ended.
    pub(super) outcome: Option<Outcome>,
    exchange: Exchange,
    /// The secret of the last response that had one, decoded: a server may
    /// quote it in plain text, now or later.
    secret: Option<Box<[u8]>>,
    /// Beginnings of all responses, as they were sent: a server may quote any
    /// of them when it refuses.
    sent: Vec<Box<[u8]>>,
}

impl Auth {
    /// Begins with the argument of AUTH; the initial response is looked into
    /// for the user name and not kept.
    pub(super) fn begin(argument: &[u8]) -> Self {
        let Some(name) = Self::mechanism_of(argument) else { return Self::default() };
        let mut exchange = Exchange::new(Mechanism::named(name));
        let initial = Self::initial_of(argument)
            .map(|base64| exchange.initial_response(base64))
            .unwrap_or_default();
        Self {
            mechanism: Some(name.to_ascii_uppercase().into_boxed_slice()),
            user: initial.user.map(Box::from),
            outcome: None,
            exchange,
            secret: initial.secret.map(Box::from),
            sent: Self::initial_of(argument).map(beginning).into_iter().collect(),
        }
    }

    /// The mechanism's name at the start of AUTH's argument, if that is one.
    ///
    /// Mechanisms that are known may be spelt in any way; others only in upper
    /// case, as RFC 4422 section 3.1 writes them, because a secret might stand
    /// there.
    pub(super) fn mechanism_of(argument: &[u8]) -> Option<&[u8]> {
        let name = argument.split(u8::is_ascii_whitespace).next()?;
        let shape = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
        let shaped = (3..=MECHANISM_LIMIT).contains(&name.len()) && name.iter().all(shape);
        (shaped || Mechanism::named(name).is_some()).then_some(name)
    }

    /// The initial response behind the mechanism.
    fn initial_of(argument: &[u8]) -> Option<&[u8]> {
        let end = argument.iter().position(u8::is_ascii_whitespace)?;
        argument.get(end..).map(<[u8]>::trim_ascii)
    }

    /// Takes the server's challenge (334) into account.
    pub(super) fn challenge(&mut self, text: &[u8]) {
        self.exchange.challenge(text);
    }

    /// Takes a response into account, for the user name in it.
    pub(super) fn response(&mut self, line: &[u8]) {
        if self.sent.len() < SENT_LIMIT && !line.is_empty() {
            self.sent.push(beginning(line));
        }
        let response = self.exchange.response(line);
        if let Some(user) = response.user {
            self.user = Some(user.into());
        }
        if let Some(secret) = response.secret {
            self.secret = Some(secret.into());
        }
    }

    /// What stood between AUTH and here may be missing.
    pub(super) const fn disturbed(&mut self) {
        self.exchange.disturbed();
    }

    /// What a server's text must not be shown to quote; may be empty.
    pub(super) fn secret(&self) -> &[u8] {
        self.secret.as_deref().unwrap_or_default()
    }

    /// What was sent for secrets, as it was sent.
    pub(super) fn sent(&self) -> impl Iterator<Item = &[u8]> {
        self.sent.iter().map(AsRef::as_ref)
    }

    /// The object `smtp.auth`; `ended` with its outcome.
    pub(super) fn object(&self, ended: bool) -> smtp::Auth<'_> {
        smtp::Auth {
            mechanism: self.mechanism.as_deref().map(Text::from),
            user: self.user.as_deref().map(Text::from),
            outcome: if ended { Some(self.outcome.unwrap_or(Outcome::Unknown)) } else { None },
        }
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        [&self.mechanism, &self.user, &self.secret]
            .into_iter()
            .flatten()
            .chain(&self.sent)
            .map(|bytes| bytes.len())
            .sum::<usize>()
            + self.sent.capacity() * size_of::<Box<[u8]>>()
    }
}

/// So much of a response as it takes to know a quote of it.
fn beginning(response: &[u8]) -> Box<[u8]> {
    Box::from(response.get(..RESPONSE_LIMIT).unwrap_or(response))
}
