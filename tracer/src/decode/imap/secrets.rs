//! What was hidden of a dialogue, to be found again where a server quotes it.

use std::collections::VecDeque;

use crate::decode::quote;

/// Secret values that are remembered, the oldest being forgotten first.
const SECRETS_LIMIT: usize = 16;
/// Bytes of a secret that are remembered: a server's text that quotes so much
/// of it gives it away.
const SECRET_LIMIT: usize = 256;

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
