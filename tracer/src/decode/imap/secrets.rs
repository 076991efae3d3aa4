//! What was hidden of a dialogue, to be found again where a server quotes it.

use crate::decode::quote;

/// Secret values that are remembered, the oldest being forgotten first.
const SECRETS_LIMIT: usize = 16;
/// Bytes of a secret that are remembered: a server's text that quotes so much
/// of it gives it away.
const SECRET_LIMIT: usize = 256;

/// Bytes of a value's length.
const LENGTH: usize = size_of::<u16>();

/// Values that were replaced, so that a server's text that quotes them can be
/// replaced as well.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Some secret was sent in a form that does not tell where it begins and
    /// ends, or in part.
    pub(super) vague: bool,
    /// Each behind its length in two bytes, oldest first.
    values: Box<[u8]>,
}

impl Secrets {
    /// Remembers a value.
    pub(super) fn remember(&mut self, value: &[u8]) {
        let value = value.get(..value.len().min(SECRET_LIMIT)).unwrap_or_default();
        if value.is_empty() || self.values().any(|known| *known == *value) {
            return;
        }
        let oldest =
            if self.values().count() == SECRETS_LIMIT { self.values().next() } else { None };
        let kept = self.values.get(oldest.map_or(0, |oldest| LENGTH + oldest.len())..);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_ne_bytes();
        self.values = [kept.unwrap_or_default(), &length, value].concat().into_boxed_slice();
    }

    /// The values, the oldest first.
    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.values;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<LENGTH>()?;
            let (value, behind) = behind.split_at_checked(u16::from_ne_bytes(*length).into())?;
            rest = behind;
            Some(value)
        })
    }

    /// Whether nothing was replaced so far.
    pub(super) const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a text quotes one of them.
    pub(super) fn quoted_in(&self, text: &[u8]) -> bool {
        self.values().any(|secret| quote::find(text, secret).next().is_some())
    }

    /// Bytes held on the heap.
    pub(super) const fn held(&self) -> usize {
        self.values.len()
    }
}
