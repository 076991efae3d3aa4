//! What is left of a head that is too long: thrown away, but for the fields
//! that frame the message.

use memchr::memchr;

use super::{
    body::Line,
    framing::{Framing, Kind, Version},
    head,
};

/// Bytes of a field line that is still read for the framing; the fields that
/// matter have a few dozen.
const LINE_LIMIT: usize = 1024;

/// What has to be known of a head to find the end of its message.
#[derive(Debug)]
pub(super) struct Head {
    /// The fields that frame the message.
    pub(super) framing: Framing,
    /// Its version.
    pub(super) version: Version,
    /// What kind of message it begins.
    pub(super) kind: Kind,
}

/// A head of which something is left.
#[derive(Debug)]
pub(super) struct Rest {
    head: Option<Head>,
    /// What was thrown away of the line at hand.
    line: Line,
}

impl Rest {
    /// The rest of `head`, at the start of a line or within one.
    pub(super) const fn new(head: Head, line: Line) -> Self {
        Self { head: Some(head), line }
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.head.as_ref().map_or(0, |head| head.framing.odd.held())
    }

    /// Takes lines up to the empty one; with `all`, an incomplete one as well.
    /// Returns the bytes taken, and the head when it is whole.
    pub(super) fn take(&mut self, bytes: &[u8], all: bool) -> (usize, Option<Head>) {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                if !all && self.line == Line::Empty && rest.len() <= LINE_LIMIT {
                    return (taken, None);
                }
                self.line = self.line.with(rest);
                return (bytes.len(), None);
            };
            taken += end + 1;
            let line = rest.get(..end).unwrap_or_default();
            let started = std::mem::replace(&mut self.line, Line::Empty);
            if started.with(line) != Line::Field {
                return (taken, self.head.take());
            }
            if started == Line::Empty
                && line.len() <= LINE_LIMIT
                && let Some((name, value)) = head::split_field(line)
                && let Some(head) = &mut self.head
            {
                head.framing.field(name, value);
            }
        }
    }
}
