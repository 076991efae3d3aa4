//! The way out: takes lines, and never has a shard wait for who reads them.
//!
//! What the output takes at once is written by the shard itself. The rest goes
//! into a queue that a thread of its own empties; when that is full, lines are
//! dropped and counted, until half of it is free. A file whose disk is full is
//! a slow output, too: there may be room again.

mod queue;
mod target;
#[cfg(test)]
mod tests;

use std::{
    io,
    os::fd::AsFd as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, poll};

use self::queue::{Disk, Queue};
pub(crate) use self::target::Target;

/// Milliseconds from one look whether the output is given up to the next.
const LOOK: u16 = 50;

/// Pause before a disk that took nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The output of all shards. A clone is the same one.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do, or to stop waiting for.
    changed: Condvar,
}

/// Lines that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Outlet {
    /// Writes to a target, for which so many bytes may wait.
    ///
    /// # Errors
    ///
    /// When the thread is not to be had.
    pub(super) fn start(target: Target, limit: usize) -> io::Result<Self> {
        let queue = Mutex::new(Queue::new(target, limit));
        let shared = Arc::new(Shared { queue, changed: Condvar::new() });
        let thread = Arc::clone(&shared);
        thread::Builder::new().name("output".to_owned()).spawn(move || thread.empty())?;
        Ok(Self { shared })
    }

    /// What was dropped since it was last told, once there is room again.
    pub(super) fn lost(&self) -> Option<Lost> {
        self.shared.queue().lost()
    }

    /// Lines that were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.queue().dropped
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.shared.queue().waiting
    }

    /// A number that changes with every write that came to something.
    pub(super) fn progress(&self) -> u64 {
        self.shared.queue().progress
    }

    /// Writes to another target from now on, and what waits as well. A line
    /// that has begun to be written ends where it began, if it can.
    pub(super) fn turn_to(&self, target: Target) {
        let mut queue = self.shared.queue();
        queue.next = Some(target);
        queue.turn();
        self.shared.changed.notify_all();
    }

    /// What waits is not to be waited for any more.
    pub(super) fn give_up(&self) {
        self.shared.queue().is_given_up = true;
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    ///
    /// When not all was.
    pub(super) fn drain(&self) -> io::Result<()> {
        let mut queue = self.shared.queue();
        while queue.waiting > 0 && queue.error.is_none() {
            if queue.is_given_up {
                queue.error = Some(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "its reader has stopped reading; what was not yet written is lost",
                ));
                break;
            }
            queue = self.shared.wait(queue);
        }
        queue.state()
    }
}

impl io::Write for Outlet {
    /// Takes whole lines: all of them, if only to drop them.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.shared.take(lines).map(|()| lines.len())
    }

    /// Says whether it makes sense to go on. What waits, waits.
    fn flush(&mut self) -> io::Result<()> {
        self.shared.queue().state()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, lines: &[u8]) -> io::Result<()> {
        let mut queue = self.queue();
        let mut written = 0;
        queue.turn();
        if queue.is_prompt() {
            let begin = Instant::now();
            let result = queue.target.write(lines);
            written = queue.note(result, begin.elapsed());
            queue.is_begun = is_cut(lines, written, queue.is_begun);
        }
        queue.state()?;
        match lines.get(written..) {
            None | Some([]) => {}
            Some(rest) => {
                queue.push(rest, written > 0);
                self.changed.notify_all();
            }
        }
        Ok(())
    }

    /// The thread: empties the queue, until the end.
    fn empty(&self) {
        let mut queue = self.queue();
        while queue.state().is_ok() && !queue.is_given_up {
            queue.turn();
            let Some(mut chunk) = queue.pop() else {
                queue = self.wait(queue);
                continue;
            };
            let target = Arc::clone(&queue.target);
            drop(queue);
            // Not under the lock: it may take long.
            let begin = Instant::now();
            let result = target.write(&chunk);
            queue = self.queue();
            let written = queue.note(result, begin.elapsed());
            queue.is_begun = is_cut(&chunk, written, queue.is_begun);
            chunk.drain(..written);
            queue.put_back(chunk);
            if queue.waiting == 0 {
                self.changed.notify_all();
            } else if queue.disk == Disk::Full {
                let waited = self.changed.wait_timeout(queue, RETRY);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else if written == 0 {
                drop(queue);
                let mut ready = [PollFd::new(target.as_fd(), PollFlags::POLLOUT)];
                // Interrupted at worst: then it is tried once more.
                let _ = poll(&mut ready, LOOK);
                queue = self.queue();
            }
        }
        drop(queue);
        // Who waits for the end is told.
        self.changed.notify_all();
    }
}

/// Whether a line has begun to be written, and has not ended, after so many of
/// these bytes were.
fn is_cut(lines: &[u8], written: usize, before: bool) -> bool {
    match lines.get(..written) {
        Some([.., last]) => *last != b'\n',
        _ => before,
    }
}
