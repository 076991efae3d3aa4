//! The output of one shard, or of a file: lines in the order in which they
//! come.

use std::{io, thread, time::Duration};

use super::{Format, Output, View, again, lines::Lines, look::Look};
use crate::{
    event::{Event, Sink, Timestamp},
    metrics::Counting,
};

/// Bytes of formatted events after which they are handed on even when nobody
/// flushes: large enough that a write costs nothing a row, small enough to
/// stay in the cache.
pub(super) const BUFFER: usize = 64 * 1024;

/// Pause before a reader is tried again whose pipe is full and was set not to
/// block by somebody else who holds it.
const RETRY: Duration = Duration::from_millis(1);

/// Writes events in one format and one view.
///
/// After an error, what was not yet written is dropped, and so is all that
/// follows.
#[derive(Debug)]
pub struct Writer<W> {
    out: Out<W>,
    lines: Lines,
}

/// Takes the bytes, until that fails.
#[derive(Debug)]
pub(super) struct Out<W> {
    to: W,
    error: Option<io::Error>,
}

impl<W: io::Write> Out<W> {
    pub(super) const fn new(to: W) -> Self {
        Self { to, error: None }
    }

    /// Whether writing still makes sense.
    pub(super) const fn is_open(&self) -> bool {
        self.error.is_none()
    }

    /// Nothing is written any more.
    pub(super) fn break_off(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }

    /// Hands bytes to the reader.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && self.is_open() {
            match self.to.write(rest) {
                Ok(0) => self.break_off(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => self.break_off(error),
            }
        }
    }

    /// Says whether all was written.
    ///
    /// # Errors
    ///
    /// What kept bytes from being written, each time.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.is_open()
            && let Err(error) = self.to.flush()
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.break_off(error);
        }
        self.error.as_ref().map_or(Ok(()), |error| Err(again(error)))
    }
}

impl<W: io::Write> Writer<W> {
    /// Writes to `out`.
    pub fn new(out: W, format: Format, view: View) -> Self {
        Self { out: Out::new(out), lines: Lines::numbered(format, view) }
    }

    /// Has text rows look otherwise than plain.
    #[must_use]
    pub fn with_look(mut self, look: Look) -> Self {
        self.lines.set_look(look);
        self
    }

    /// Counts events for whoever asks while they are written.
    #[must_use]
    pub fn counted_by(mut self, counting: Option<Counting>) -> Self {
        self.lines.count_by(counting);
        self
    }

    fn drain(&mut self) {
        if let Some(error) = self.lines.error() {
            self.out.break_off(error);
        }
        self.out.write(self.lines.buffer());
        self.lines.clear();
    }
}

impl<W: io::Write> Sink for Writer<W> {
    fn event(&mut self, event: &Event<'_>) {
        if self.out.is_open() {
            self.lines.event(event);
            if self.lines.buffer().len() >= BUFFER {
                self.drain();
            }
        }
    }
}

impl<W: io::Write> Output for Writer<W> {
    fn begin(&mut self, time: Timestamp) {
        self.lines.begin(time);
    }

    fn set_clock_step(&mut self, nanoseconds: u64) {
        self.lines.set_step(nanoseconds);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.end_batch();
        self.drain();
        self.out.flush()
    }

    fn events(&self) -> u64 {
        self.lines.count()
    }
}
