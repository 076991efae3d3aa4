//! Bytes that are in order and that a decoder has left.

use std::collections::VecDeque;

use crate::event::Timestamp;

/// Capture times that one buffer remembers. What comes when so many are kept
/// takes the time of what stands before it.
const MARKS: usize = 16;

/// Bytes up to which a buffer doubles when it grows. Beyond, it grows by a
/// quarter, because what is reserved counts against the limits.
const STEP: usize = 16 * 1024;

/// Bytes in order, and when they were captured. Most streams hold none at any
/// time: then it is one word.
#[derive(Debug, Default)]
pub(super) struct Buffer(Option<Box<Kept>>);

/// What a buffer holds that is not empty.
#[derive(Debug, Default)]
struct Kept {
    data: Vec<u8>,
    /// Bytes of `data` that were taken.
    taken: usize,
    /// Where in the stream `data` ends.
    end: u64,
    /// Offset from which on bytes have the time beside it.
    marks: VecDeque<(u64, Timestamp)>,
}

impl Buffer {
    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], Kept::bytes)
    }

    /// Number of bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.0.as_deref().map_or(0, Kept::held)
    }

    /// When the first byte was captured.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.0.as_ref()?.marks.front().map(|(_, time)| *time)
    }

    /// When the last byte was captured.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.0.as_ref()?.marks.back().map(|(_, time)| *time)
    }

    /// Appends `bytes`, the last of which stands before offset `end`.
    pub(super) fn append(&mut self, bytes: &[u8], end: u64, time: Timestamp) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().append(bytes, end, time);
        }
    }

    /// Drops so many bytes from the front.
    pub(super) fn take(&mut self, count: usize) {
        if self.0.as_mut().is_some_and(|kept| !kept.take(count)) {
            self.0 = None;
        }
    }
}

impl Kept {
    fn bytes(&self) -> &[u8] {
        self.data.get(self.taken..).unwrap_or_default()
    }

    fn held(&self) -> usize {
        let marks = self.marks.capacity() * size_of::<(u64, Timestamp)>();
        size_of::<Self>() + self.data.capacity() + marks
    }

    fn append(&mut self, bytes: &[u8], end: u64, time: Timestamp) {
        // Half the buffer at least, so that each byte is moved once on average.
        let full = self.data.len() + bytes.len() > self.data.capacity();
        if full && self.taken >= self.data.len() / 2 {
            self.data.drain(..self.taken);
            self.taken = 0;
        }
        if self.data.len() + bytes.len() > self.data.capacity() {
            let capacity = self.data.capacity();
            self.data.reserve_exact(bytes.len().max(capacity.min((capacity / 4).max(STEP))));
        }
        self.data.extend_from_slice(bytes);
        self.end = end;
        let start = end.saturating_sub(bytes.len() as u64);
        let known = self.marks.back().is_some_and(|(_, last)| *last == time);
        if !known && self.marks.len() < MARKS {
            self.marks.push_back((start, time));
        }
    }

    /// Drops so many bytes from the front; returns whether some are left.
    fn take(&mut self, count: usize) -> bool {
        self.taken = (self.taken + count).min(self.data.len());
        let left = self.bytes().len();
        if left == 0 {
            return false;
        }
        let front = self.end.saturating_sub(left as u64);
        while self.marks.get(1).is_some_and(|(start, _)| *start <= front) {
            self.marks.pop_front();
        }
        true
    }
}
