//! A number that may not be there, in the room of the number.

use crate::event::Timestamp;

/// An offset or a time, or none: each flow has several, and an `Option` of one
/// takes the room of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Maybe(u64);

impl Maybe {
    /// None: a number that no stream and no clock reaches.
    pub(super) const NONE: Self = Self(u64::MAX);

    /// This number.
    pub(super) const fn of(number: u64) -> Self {
        Self(number)
    }

    /// This time.
    pub(super) const fn at(time: Timestamp) -> Self {
        Self(time.0)
    }

    /// The number.
    pub(super) const fn get(self) -> Option<u64> {
        if self.is_some() { Some(self.0) } else { None }
    }

    /// The time.
    pub(super) const fn time(self) -> Option<Timestamp> {
        if self.is_some() { Some(Timestamp(self.0)) } else { None }
    }

    /// Whether there is one.
    pub(super) const fn is_some(self) -> bool {
        self.0 != Self::NONE.0
    }
}

impl Default for Maybe {
    fn default() -> Self {
        Self::NONE
    }
}
