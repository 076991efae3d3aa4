//! Secrets that went by, which a server may quote.

use std::{borrow::Cow, collections::VecDeque};

use crate::decode::quote;

/// Secrets that are remembered: those of several attempts to be let in.
const LIMIT: usize = 8;

/// The latest secrets.
#[derive(Debug, Default)]
pub(super) struct Secrets(VecDeque<Box<[u8]>>);

impl Secrets {
    /// Remembers one.
    pub(super) fn add(&mut self, secret: &[u8]) {
        if self.0.len() == LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(secret.into());
    }

    /// A text without what it quotes of them.
    pub(super) fn redacted<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        self.0.iter().fold(Cow::Borrowed(text), |text, secret| quote::redacted(text, secret))
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        let secrets: usize = self.0.iter().map(|secret| secret.len()).sum();
        self.0.capacity() * size_of::<Box<[u8]>>() + secrets
    }
}
