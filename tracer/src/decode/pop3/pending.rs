//! Commands that wait for their responses.

use std::collections::VecDeque;

use super::command::{Kind, Line};
use crate::event::{
    Text, Timestamp,
    pop3::{Auth, CommandFields},
};

/// Commands that may wait for a response: more than any client sends at once
/// (RFC 2449 section 6.6).
const PIPELINE_LIMIT: usize = 1_024;

/// Bytes of a command that are kept for its exchange: as many as one may have
/// (RFC 2449 section 4).
const KEPT_LIMIT: usize = 255;

/// A command that waits for its response.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    /// When it was complete.
    pub(super) time: Timestamp,
    /// Nothing else waited for a response when it was sent.
    pub(super) alone: bool,
    /// What its exchange says of it, when exchanges are told of.
    pub(super) kept: Option<Box<Kept>>,
}

/// What an exchange says of its command.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) command: CommandFields<'static>,
    pub(super) auth: Option<Auth<'static>>,
}

impl Kept {
    pub(super) fn new(command: &CommandFields<'_>, auth: Option<&Auth<'_>>) -> Self {
        let auth = auth.map(|auth| Auth {
            mechanism: auth.mechanism.as_ref().map(kept),
            user: auth.user.as_ref().map(kept),
        });
        let CommandFields { verb, argument } = command;
        let command =
            CommandFields { verb: verb.as_ref().map(kept), argument: argument.as_ref().map(kept) };
        Self { command, auth }
    }

    fn held(&self) -> usize {
        let CommandFields { verb, argument } = &self.command;
        let auth = self.auth.iter().flat_map(|auth| [&auth.mechanism, &auth.user]);
        let texts = [verb, argument].into_iter().chain(auth).flatten();
        size_of::<Self>() + texts.map(|text| text.0.len()).sum::<usize>()
    }
}

fn kept(text: &Text<'_>) -> Text<'static> {
    Text(text.0.get(..KEPT_LIMIT).unwrap_or(&text.0).to_vec().into())
}

/// Commands that wait for their responses, in order.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    waiting: VecDeque<Pending>,
    held: usize,
}

impl Pipeline {
    /// Adds a command; returns whether there is room for it.
    pub(super) fn push(&mut self, line: &Line<'_>, time: Timestamp, kept: Option<Kept>) -> bool {
        let room = self.waiting.len() < PIPELINE_LIMIT;
        if room {
            let alone = self.waiting.is_empty();
            let kept = kept.map(Box::new);
            self.held += kept.as_ref().map_or(0, |kept| kept.held());
            self.waiting.push_back(Pending { kind: line.kind, time, alone, kept });
        }
        room
    }

    /// Takes the command that is answered next.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        let pending = self.waiting.pop_front()?;
        self.held -= pending.kept.as_ref().map_or(0, |kept| kept.held());
        Some(pending)
    }

    /// The command that is answered next.
    pub(super) fn front(&self) -> Option<&Pending> {
        self.waiting.front()
    }

    /// Something was not seen: the response to each may be another's.
    pub(super) fn doubt(&mut self) {
        for pending in &mut self.waiting {
            pending.alone = false;
        }
    }

    /// What the last command's SASL responses say of the user.
    pub(super) fn user(&mut self, user: &[u8]) {
        let kept = self.waiting.back_mut().and_then(|pending| pending.kept.as_mut());
        if let Some(kept) = kept {
            let before = kept.held();
            let auth = kept.auth.get_or_insert_default();
            auth.user = Some(self::kept(&user.into()));
            self.held = self.held + kept.held() - before;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether each was sent on its own, so that the answer to all but the last
    /// had come when that was sent.
    pub(super) fn is_in_turns(&self) -> bool {
        let times = self.waiting.iter().map(|pending| pending.time);
        times.clone().zip(times.skip(1)).all(|(one, other)| one < other)
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        self.waiting.capacity() * size_of::<Pending>() + self.held
    }
}
