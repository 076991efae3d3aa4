//! What is remembered of a dialogue: commands in progress and secrets.

use std::collections::VecDeque;

use super::command::Kind;
use crate::decode::quote;

/// Commands in progress that are remembered, the oldest being forgotten first;
/// clients rarely pipeline more than a dozen.
const PENDING_LIMIT: usize = 64;
/// Bytes of a tag that are compared, beside its length; clients use 4 to 10.
const TAG_LIMIT: usize = 24;
/// Secret values that are remembered, the oldest being forgotten first.
const SECRETS_LIMIT: usize = 16;
/// Bytes of a secret that are remembered: a server's text that quotes so much
/// of it gives it away.
const SECRET_LIMIT: usize = 256;

/// A tag, as much of it as tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    bytes: [u8; TAG_LIMIT],
    length: usize,
}

impl Tag {
    /// The tag of these bytes.
    pub(super) fn new(tag: &[u8]) -> Self {
        let mut bytes = [0; TAG_LIMIT];
        for (to, from) in bytes.iter_mut().zip(tag) {
            *to = *from;
        }
        Self { bytes, length: tag.len() }
    }

    /// Its bytes, unless it is too long for them to be known.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length)
    }
}

/// Commands whose tagged completion was not seen yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    commands: VecDeque<(Tag, Kind)>,
}

impl Pending {
    /// A command was sent.
    pub(super) fn begin(&mut self, tag: Tag, kind: Kind) {
        if self.commands.len() == PENDING_LIMIT {
            self.commands.pop_front();
        }
        self.commands.push_back((tag, kind));
    }

    /// Whether a command with this tag is in progress.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.commands.iter().any(|(begun, _)| *begun == tag)
    }

    /// Whether no command is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// A command was completed.
    pub(super) fn end(&mut self, tag: Tag) -> Option<Kind> {
        let at = self.commands.iter().position(|(begun, _)| *begun == tag)?;
        self.commands.remove(at).map(|(_, kind)| kind)
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.commands.capacity() * size_of::<(Tag, Kind)>()
    }
}

/// Values that were replaced, so that a server's text that quotes them can be
/// replaced as well.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Some secret was sent in a form that does not tell where it begins and
    /// ends, or in part.
    pub(super) vague: bool,
    values: VecDeque<Box<[u8]>>,
}

impl Secrets {
    /// Remembers a value.
    pub(super) fn remember(&mut self, value: &[u8]) {
        let value = value.get(..value.len().min(SECRET_LIMIT)).unwrap_or_default();
        if value.is_empty() || self.values.iter().any(|known| **known == *value) {
            return;
        }
        if self.values.len() == SECRETS_LIMIT {
            self.values.pop_front();
        }
        self.values.push_back(value.into());
    }

    /// Whether nothing was replaced so far.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a text quotes one of them.
    pub(super) fn quoted_in(&self, text: &[u8]) -> bool {
        self.values.iter().any(|secret| quote::find(text, secret).next().is_some())
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.values.capacity() * size_of::<Box<[u8]>>()
            + self.values.iter().map(|value| value.len()).sum::<usize>()
    }
}
