//! Something that both sides of a flow have.

use crate::event::Side;

/// One of a kind for each side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair<T> {
    /// The client's.
    pub(super) client: T,
    /// The server's.
    pub(super) server: T,
}

impl<T> Pair<T> {
    /// The one of `side`.
    pub(super) const fn of(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The one of `side`, to change.
    pub(super) const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
