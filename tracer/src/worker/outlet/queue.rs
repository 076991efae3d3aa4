//! The lines that wait for a slow output.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use memchr::{memchr, memchr_iter};

use super::{Lost, Target};
use crate::output::again;

/// How long a write to a regular file may take before shards leave the writing
/// to the thread: its disk is stalling.
const STALL: Duration = Duration::from_millis(100);

/// How the disk of a regular file does; of others nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// It takes what it gets.
    Prompt,
    /// It has stalled once.
    Slow,
    /// It takes nothing, which has been said.
    Full,
}

/// What is to be written, where, and what became of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) target: Arc<Target>,
    /// Where it is to be written once no line is half in the target.
    pub(super) next: Option<Target>,
    /// Whether a line is half in the target.
    pub(super) is_begun: bool,
    /// Whether the thread writes what it has taken out.
    is_out: bool,
    /// Whole lines, but for what was written of the first of them.
    chunks: VecDeque<Vec<u8>>,
    /// Bytes in them, and in the one that the thread has taken out.
    pub(super) waiting: usize,
    /// Bytes that may wait.
    limit: usize,
    pub(super) disk: Disk,
    /// Lines are dropped until there is room for many.
    is_dropping: bool,
    /// Lines that were dropped since it was last told.
    lost: Lost,
    /// Lines that were dropped so far.
    pub(super) dropped: u64,
    /// Writes that came to something.
    pub(super) progress: u64,
    /// Nothing can be written any more.
    pub(super) error: Option<io::Error>,
    pub(super) is_given_up: bool,
}

impl Queue {
    pub(super) fn new(target: Target, limit: usize) -> Self {
        Self {
            target: Arc::new(target),
            next: None,
            is_begun: false,
            is_out: false,
            chunks: VecDeque::new(),
            waiting: 0,
            limit,
            disk: Disk::Prompt,
            is_dropping: false,
            lost: Lost::default(),
            dropped: 0,
            progress: 0,
            error: None,
            is_given_up: false,
        }
    }

    /// What keeps bytes from being written, each time it is asked.
    pub(super) fn state(&self) -> io::Result<()> {
        self.error.as_ref().map_or(Ok(()), |error| Err(again(error)))
    }

    /// Whether who must not wait may write by itself.
    pub(super) fn is_prompt(&self) -> bool {
        self.waiting == 0
            && self.disk == Disk::Prompt
            && self.error.is_none()
            && self.target.is_prompt()
    }

    /// Notes how a write went that took so long, and says how many bytes it took.
    pub(super) fn note(&mut self, result: io::Result<usize>, time: Duration) -> usize {
        match result {
            Ok(written) => {
                self.progress += 1;
                if self.disk == Disk::Full {
                    log::warn!("the output is written again");
                    self.disk = Disk::Slow;
                }
                if self.target.is_regular() && time > STALL {
                    self.disk = Disk::Slow;
                }
                return written;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if self.target.is_regular() => {
                if self.disk != Disk::Full {
                    log::error!("writing the output: {error}; it is tried again each second");
                }
                self.disk = Disk::Full;
            }
            Err(error) => self.error = Some(error),
        }
        0
    }

    /// Takes lines, if there is room for them; in any case the rest of one that
    /// has begun to be written.
    pub(super) fn push(&mut self, lines: &[u8], is_begun: bool) {
        self.is_dropping |= self.waiting + lines.len() > self.limit;
        if self.is_dropping && !is_begun {
            let events = memchr_iter(b'\n', lines).count() as u64;
            self.drop_lines(events, lines.len());
        } else {
            self.waiting += lines.len();
            self.chunks.push_back(lines.to_vec());
        }
    }

    fn drop_lines(&mut self, events: u64, bytes: usize) {
        self.lost.events += events;
        self.lost.bytes += bytes as u64;
        self.dropped += events;
    }

    /// Turns to the next target, if there is one and no line is half in this one.
    /// A disk that takes nothing does not keep it: what is missing of the line
    /// is dropped with it.
    pub(super) fn turn(&mut self) {
        if self.next.is_none() || self.is_out {
            return;
        }
        if self.is_begun && self.disk == Disk::Full {
            if let Some(mut chunk) = self.chunks.pop_front() {
                let end = memchr(b'\n', &chunk).map_or(chunk.len(), |end| end + 1);
                self.drop_lines(1, end);
                chunk.drain(..end);
                self.put_back(chunk);
            }
            self.is_begun = false;
        }
        if !self.is_begun
            && let Some(next) = self.next.take()
        {
            self.target = Arc::new(next);
            self.disk = Disk::Prompt;
        }
    }

    /// Takes the first bytes out, which wait on: the rest of a line alone, if
    /// another target waits for its end.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let mut chunk = self.chunks.pop_front()?;
        if self.next.is_some()
            && let Some(end) = memchr(b'\n', &chunk)
        {
            let rest = chunk.split_off(end + 1);
            if !rest.is_empty() {
                self.chunks.push_front(rest);
            }
        }
        self.is_out = true;
        Some(chunk)
    }

    /// Gives back what was not written of them.
    pub(super) fn put_back(&mut self, rest: Vec<u8>) {
        self.is_out = false;
        if !rest.is_empty() {
            self.chunks.push_front(rest);
        }
        self.waiting = self.chunks.iter().map(Vec::len).sum();
        self.is_dropping &= self.waiting > self.limit / 2;
    }

    /// What was dropped since it was last told, once there is room to tell it.
    pub(super) fn lost(&mut self) -> Option<Lost> {
        if self.is_dropping || self.lost == Lost::default() {
            return None;
        }
        Some(std::mem::take(&mut self.lost))
    }
}
