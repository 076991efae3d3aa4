//! What follows from what a scanner has found.

use crate::{
    slot::{Kind, Statement},
    window::{BODY_SHOWN, NOWHERE, Passing},
};

/// What a [`Scanner`](super::Scanner) has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is known of the direction now.
    pub next: Statement,
    /// Bytes from the begin of what was looked at to the body, or to a chunk's
    /// bytes.
    pub head_len: u32,
}

/// What follows for a segment from what was found in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What is known of the direction now.
    pub next: Statement,
    /// Offset behind the last payload byte that is copied, of those before what
    /// is to be looked at next.
    pub to: u32,
    /// Where in the payload that stands; [`NOWHERE`] if not there.
    pub look: u32,
}

impl Found {
    /// What follows for the segment in which this was found, `look` bytes into
    /// its payload.
    #[inline(always)]
    #[must_use]
    pub const fn outlook(&self, look: u32, segment: &Passing) -> Outlook {
        let Self { next, head_len } = *self;
        // Bytes behind the head that are copied with it, and where to go on.
        let (shown, behind) = match next.kind {
            Kind::Body => (BODY_SHOWN, next.end),
            Kind::Chunk => (0, next.end),
            Kind::Message | Kind::Within => (u32::MAX, next.begin),
            _ => return Outlook { next, to: segment.len, look: NOWHERE },
        };
        let behind = behind.wrapping_sub(segment.sequence);
        let there = behind < segment.len;
        let end = if there { behind } else { segment.len };
        let shown = look.saturating_add(head_len).saturating_add(shown);
        let to = if shown < end { shown } else { end };
        Outlook { next, to, look: if there { behind } else { NOWHERE } }
    }
}
