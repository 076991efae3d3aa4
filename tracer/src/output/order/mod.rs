//! The lines of several shards, in the order of their times.
//!
//! Each shard formats its events by itself, into a buffer of its own, and hands
//! the lines over after each batch. Whoever does writes what is due, of all
//! shards: what is older than anything that can still come. A shard whose
//! source has nothing that was not handed over can only bring what happens from
//! now on; of another one it is known up to which packet it has come.

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Format, Output, View,
    lines::{Lines, Mark},
    look::Look,
    put,
    writer::{BUFFER, Out},
};
use crate::{
    event::{Event, Sink, Timestamp},
    metrics::Counting,
};

/// For how long, in nanoseconds, lines wait for those of a shard that is late:
/// longer than a busy system usually keeps a thread from running. What comes
/// still later is written late.
const WINDOW: u64 = 100_000_000;

/// Bytes of lines that may wait; beyond, they are written in the order that
/// they have.
const WAITING: usize = 4 * 1024 * 1024;

/// Nanoseconds from the moment at which a packet's time is taken until the
/// source can be seen to hold it.
const STAMPED: u64 = 20_000;

/// What tells how far the source of a shard has been read.
pub trait Feed: Send {
    /// A count of what has been put into the source.
    fn written(&self) -> usize;

    /// Up to where in that count the shard has read, at the end of its last
    /// batch.
    fn read(&self) -> usize;
}

/// Puts the lines of several shards in order and writes them.
pub struct Order<W> {
    merge: Mutex<Merge<W>>,
    /// Nanoseconds, by the clock of the packets.
    clock: fn() -> u64,
}

/// The output of one of several shards.
pub struct ShardWriter<W> {
    order: Arc<Order<W>>,
    shard: usize,
    lines: Lines,
    offset: u64,
    /// The time of the last packet.
    reached: u64,
    is_waiting: bool,
}

struct Merge<W> {
    out: Out<W>,
    lanes: Vec<Lane>,
    /// Lines that were written.
    count: u64,
    buffer: Vec<u8>,
}

/// The lines of a shard that were not yet written.
struct Lane {
    feed: Box<dyn Feed>,
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    /// Marks of which the lines were written, and their bytes.
    written: (usize, usize),
    /// Up to where the source has been read, all lines of which are here.
    taken: usize,
    /// The time of the last packet that was read.
    reached: u64,
    /// The time of the last line.
    latest: u64,
    is_closed: bool,
}

impl<W: io::Write> Order<W> {
    /// Writes to `out` what shards with these sources hand over.
    pub fn new(
        out: W,
        clock: fn() -> u64,
        feeds: impl IntoIterator<Item = Box<dyn Feed>>,
    ) -> Arc<Self> {
        let lanes = feeds.into_iter().map(Lane::new).collect();
        let merge = Merge { out: Out::new(out), lanes, count: 0, buffer: Vec::new() };
        Arc::new(Self { merge: Mutex::new(merge), clock })
    }

    /// The output of a shard, whose times are those of the clock of the packets
    /// and `offset` nanoseconds more.
    pub fn shard(
        self: &Arc<Self>,
        shard: usize,
        format: Format,
        view: View,
        offset: u64,
    ) -> ShardWriter<W> {
        let mut lines = Lines::marked(format, view);
        lines.set_offset(offset);
        let order = Arc::clone(self);
        ShardWriter { order, shard, lines, offset, reached: 0, is_waiting: false }
    }

    fn merge(&self) -> MutexGuard<'_, Merge<W>> {
        self.merge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: io::Write> ShardWriter<W> {
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

    /// Hands the lines over and writes what is due.
    fn hand_over(&mut self, is_batch: bool, is_last: bool) -> io::Result<()> {
        let mut merge = self.order.merge();
        if let Some(error) = self.lines.error() {
            merge.out.break_off(error);
        }
        if let Some(lane) = merge.lanes.get_mut(self.shard) {
            lane.take(&mut self.lines);
            lane.reached = self.reached;
            lane.is_closed |= is_last;
            if is_batch {
                lane.taken = lane.feed.read();
            }
        }
        merge.write((self.order.clock)());
        self.is_waiting = merge.lanes.get(self.shard).is_some_and(|lane| lane.first().is_some());
        if is_batch { merge.out.flush() } else { Ok(()) }
    }
}

impl<W: io::Write> Sink for ShardWriter<W> {
    fn event(&mut self, event: &Event<'_>) {
        self.lines.event(event);
        if self.lines.buffer().len() >= BUFFER {
            // Whoever flushes hears of an error.
            let _ = self.hand_over(false, false);
        }
    }
}

impl<W: io::Write> Output for ShardWriter<W> {
    fn begin(&mut self, time: Timestamp) {
        self.lines.begin(time);
        self.reached = time.0.wrapping_sub(self.offset);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.end_batch();
        self.hand_over(true, false)
    }

    fn set_clock_offset(&mut self, nanoseconds: u64) {
        self.offset = nanoseconds;
        self.lines.set_offset(nanoseconds);
    }

    fn set_clock_step(&mut self, nanoseconds: u64) {
        self.lines.set_step(nanoseconds);
    }

    fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    fn close(&mut self) -> io::Result<()> {
        self.lines.end_batch();
        self.hand_over(true, true)
    }

    fn events(&self) -> u64 {
        self.order.merge().count
    }
}

impl Lane {
    fn new(feed: Box<dyn Feed>) -> Self {
        Self {
            taken: feed.read(),
            feed,
            bytes: Vec::new(),
            marks: Vec::new(),
            written: (0, 0),
            reached: 0,
            latest: 0,
            is_closed: false,
        }
    }

    /// Takes the lines of a shard behind those that are here.
    fn take(&mut self, lines: &mut Lines) {
        if self.first().is_none() {
            self.bytes.clear();
            self.marks.clear();
            self.written = (0, 0);
        }
        // The order of a shard's own lines stays, whatever their times are.
        self.marks.extend(lines.marks().iter().map(|mark| {
            self.latest = self.latest.max(mark.time);
            Mark { time: self.latest, ..*mark }
        }));
        if self.bytes.is_empty() {
            std::mem::swap(&mut self.bytes, lines.buffer());
        } else {
            self.bytes.extend_from_slice(lines.buffer());
        }
        lines.clear();
    }

    /// The first line that was not written.
    fn first(&self) -> Option<&Mark> {
        self.marks.get(self.written.0)
    }

    /// Bytes of the lines that were not written.
    const fn waiting(&self) -> usize {
        self.bytes.len() - self.written.1
    }

    /// Up to when all lines of the shard are here.
    fn complete(&self, now: u64) -> u64 {
        if self.is_closed {
            u64::MAX
        } else if self.feed.written() == self.taken {
            now.saturating_sub(STAMPED)
        } else {
            self.reached.max(now.saturating_sub(WINDOW))
        }
    }
}

impl<W: io::Write> Merge<W> {
    /// Writes the lines that are due at `now`.
    fn write(&mut self, now: u64) {
        if self.lanes.iter().all(|lane| lane.first().is_none()) {
            return;
        }
        let complete = self.lanes.iter().map(|lane| lane.complete(now)).min();
        let waiting: usize = self.lanes.iter().map(Lane::waiting).sum();
        let due = if waiting > WAITING { None } else { complete };
        let due = due.unwrap_or(u64::MAX);
        while let Some((shard, until)) = self.next(due) {
            self.run(shard, until);
            if self.buffer.len() >= BUFFER {
                self.drain();
            }
        }
        self.drain();
    }

    /// The shard that has the first line of all, if that is due, and until when
    /// it goes on having it.
    fn next(&self, due: u64) -> Option<(usize, u64)> {
        let (mut first, mut second) = (None, due);
        for (shard, lane) in self.lanes.iter().enumerate() {
            let Some(time) = lane.first().map(|mark| mark.time).filter(|time| *time <= due) else {
                continue;
            };
            match first {
                Some((_, earliest)) if earliest <= time => second = second.min(time),
                before => {
                    second = before.map_or(second, |(_, earliest)| second.min(earliest));
                    first = Some((shard, time));
                }
            }
        }
        first.map(|(shard, _)| (shard, second))
    }

    /// Gives numbers to the lines of a shard up to a time, and at least to one.
    fn run(&mut self, shard: usize, until: u64) {
        let Self { lanes, count, buffer, .. } = self;
        let Some(Lane { bytes, marks, written, .. }) = lanes.get_mut(shard) else { return };
        let rest = marks.get(written.0..).unwrap_or_default();
        for mark in rest.iter().take_while(|mark| mark.time <= until) {
            *count += 1;
            let line = bytes.get(written.1..).and_then(|rest| rest.get(..mark.len));
            let line = line.unwrap_or_default();
            match mark.number.and_then(|at| line.split_at_checked(at)) {
                Some((before, [b'0', behind @ ..])) => {
                    buffer.extend_from_slice(before);
                    put::decimal(buffer, *count);
                    buffer.extend_from_slice(behind);
                }
                _ => buffer.extend_from_slice(line),
            }
            *written = (written.0 + 1, written.1 + mark.len);
        }
    }

    fn drain(&mut self) {
        self.out.write(&self.buffer);
        self.buffer.clear();
    }
}
