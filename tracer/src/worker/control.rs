//! The worker's ear: a thread that hears the privileged process, its death,
//! and signals, while the shards may be stuck in writing output.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        eventfd::{EfdFlags, EventFd},
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::outlet::{Outlet, Target};
use crate::{
    handover::{Channel, Figures, FromWorker, ToWorker},
    stats::Stats,
};

/// For how long, after a stop, no shard may make progress before the rest of
/// the output is given up: a reader that has stopped reading does not
/// keep tracer alive.
const STALL: Duration = Duration::from_secs(1);

/// For how long, after a stop, a reader that reads slowly is waited for.
const DRAIN: Duration = Duration::from_secs(10);

/// For how long giving up may take, before the process ends as it is.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Pause between two looks at the progress.
const LOOK: Duration = Duration::from_millis(50);

/// What all threads see.
pub(super) struct Control {
    /// One for each shard.
    boxes: Box<[Letters]>,
    /// Readable when a shard has come round that was asked to.
    round: EventFd,
    outlet: Outlet,
    stop: AtomicBool,
    orphaned: AtomicBool,
    unread: AtomicBool,
    progress: AtomicU64,
}

/// What a shard is told.
struct Letters {
    /// Interfaces that came or went, in order, until the shard looks.
    changes: Mutex<Vec<ToWorker>>,
    changed: AtomicBool,
    /// Readable until the shard has looked; for good when the end is near.
    wake: EventFd,
    /// The number of the latest asking at which the shard has come round, and
    /// the events until then.
    round: AtomicU64,
    events: AtomicU64,
}

impl Letters {
    fn new() -> io::Result<Self> {
        Ok(Self {
            changes: Mutex::default(),
            changed: AtomicBool::new(false),
            wake: event()?,
            round: AtomicU64::new(0),
            events: AtomicU64::new(0),
        })
    }

    fn tell(&self, change: ToWorker) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        self.changed.store(true, Ordering::Release);
        let _ = self.wake.write(1);
    }
}

/// What a thread is woken by.
fn event() -> io::Result<EventFd> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    Ok(EventFd::from_value_and_flags(0, flags)?)
}

impl Control {
    /// Starts the listening thread and the output, with a queue of so many
    /// bytes, for so many shards. `counted` says what was counted until so many
    /// events.
    ///
    /// # Errors
    ///
    /// When a descriptor or a thread is not to be had.
    pub(super) fn start(
        channel: Channel,
        shards: usize,
        (target, queue): (Target, usize),
        counted: impl Fn(u64) -> Stats + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        // Blocked in every thread, so that only the descriptor tells of it.
        let mut termination = SigSet::empty();
        termination.add(Signal::SIGTERM);
        termination.thread_block()?;
        let signals = SignalFd::with_flags(&termination, SfdFlags::SFD_CLOEXEC)?;
        let is_stdout = target.is_stdout();
        let control = Arc::new(Self {
            boxes: (0..shards).map(|_| Letters::new()).collect::<io::Result<_>>()?,
            round: event()?,
            outlet: Outlet::start(target, queue)?,
            stop: AtomicBool::new(false),
            orphaned: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            progress: AtomicU64::new(0),
        });
        let shared = Arc::clone(&control);
        thread::Builder::new().name("control".to_owned()).spawn(move || {
            let _guard = EndsTheProcess;
            shared.listen(&channel, &signals, is_stdout, &counted);
            shared.watch();
        })?;
        Ok(control)
    }

    /// Hears until the end is near.
    fn listen(
        &self,
        channel: &Channel,
        signals: &SignalFd,
        is_stdout: bool,
        counted: &impl Fn(u64) -> Stats,
    ) {
        let out = io::stdout();
        let mut answered = 0;
        // On a quiet host nothing would be written for long, and only a write
        // tells a shard that its reader has gone. It will not come
        // back: once it is known, the output is not looked at any more.
        loop {
            let mut ready = [
                PollFd::new(channel.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.round.as_fd(), PollFlags::POLLIN),
                PollFd::new(out.as_fd(), PollFlags::empty()),
            ];
            let watched = if is_stdout && !self.is_unread() { 4 } else { 3 };
            // Interrupted at worst, and then nothing is ready.
            let _ = poll(ready.get_mut(..watched).unwrap_or_default(), PollTimeout::NONE);
            let [from_parent, from_signals, from_shards, from_out] =
                ready.map(|one| one.any().unwrap_or(false));
            if from_shards {
                let _ = self.round.read();
                let number = self.come_round();
                if number > answered {
                    answered = number;
                    let _ = channel.send(&self.alive(number, counted), &[]);
                }
            }
            if from_out {
                self.unread.store(true, Ordering::Relaxed);
            }
            if from_out || from_signals && signals.read_signal().is_ok() {
                // The other side detaches first, so that the counts are exact.
                let _ = channel.send(&FromWorker::Stop, &[]);
            }
            if from_parent {
                match channel.receive_descriptors() {
                    Ok(Some((ToWorker::Stop, _))) => break,
                    Ok(Some((ToWorker::Output, descriptors))) => self.turn(descriptors),
                    Ok(Some((change, _))) => {
                        self.boxes.iter().for_each(|letters| letters.tell(change.clone()));
                    }
                    Ok(None) | Err(_) => {
                        self.orphaned.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
        self.halt();
    }

    /// Has the events go to another file.
    fn turn(&self, descriptors: Vec<OwnedFd>) {
        let Some(file) = descriptors.into_iter().next() else { return };
        match Target::of(file.into()) {
            Ok(target) => self.outlet.turn_to(target),
            Err(error) => log::error!("the output stays what it is: {error}"),
        }
    }

    /// Tells all shards to read what is left and to end.
    pub(super) fn halt(&self) {
        self.stop.store(true, Ordering::Release);
        for letters in &self.boxes {
            let _ = letters.wake.write(1);
        }
    }

    /// Sees to it that the shards come to their end.
    fn watch(&self) {
        let start = Instant::now();
        let progress = || (self.progress.load(Ordering::Relaxed), self.outlet.progress());
        let (mut last, mut since) = (progress(), start);
        loop {
            thread::sleep(LOOK);
            let now = Instant::now();
            let seen = progress();
            if seen != last {
                (last, since) = (seen, now);
            }
            if now - since >= STALL || now - start >= DRAIN {
                break;
            }
        }
        self.outlet.give_up();
        // A disk may hold a shard.
        thread::sleep(GIVE_UP);
        process::exit(1);
    }

    /// Takes the interfaces that came or went since the shard's last call.
    pub(super) fn changes(&self, shard: usize) -> Vec<ToWorker> {
        let Some(letters) = self.boxes.get(shard) else { return Vec::new() };
        if !letters.changed.load(Ordering::Acquire) {
            return Vec::new();
        }
        // First, so that what is told from here on is readable again. The end
        // was told of before it was made readable.
        let _ = letters.wake.read();
        letters.changed.store(false, Ordering::Release);
        std::mem::take(&mut *letters.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells that a shard was asked for a sign of life, when it had written so
    /// many events.
    pub(super) fn came_round(&self, shard: usize, number: u64, events: u64) {
        let Some(letters) = self.boxes.get(shard) else { return };
        letters.events.store(events, Ordering::Relaxed);
        letters.round.store(number, Ordering::Release);
        let _ = self.round.write(1);
    }

    /// The latest asking at which all shards have come round.
    fn come_round(&self) -> u64 {
        self.boxes.iter().map(|letters| letters.round.load(Ordering::Acquire)).min().unwrap_or(0)
    }

    fn alive(&self, number: u64, counted: impl Fn(u64) -> Stats) -> FromWorker {
        // Each knows of the events of all.
        let events = self.boxes.iter().map(|letters| letters.events.load(Ordering::Relaxed)).max();
        let stats = counted(events.unwrap_or(0)).without(self.outlet.dropped());
        let figures = Figures {
            packets: stats.seen,
            events: stats.events,
            lost: stats.outcomes.lost.ring_full + stats.outcomes.lost.unreadable,
            events_lost: stats.events_lost,
            flows: stats.flows.open,
        };
        FromWorker::Alive { number, figures }
    }

    /// Where the events of all shards go.
    pub(super) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Whether the rings get no more records.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whether the privileged process died.
    pub(super) fn is_orphaned(&self) -> bool {
        self.orphaned.load(Ordering::Relaxed)
    }

    /// Whether nobody can read the output any more.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Tells that the calling thread is not stuck.
    pub(super) fn progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Is readable when a shard has been told something, and when the end is
    /// near.
    pub(super) fn wake(&self, shard: usize) -> Option<BorrowedFd<'_>> {
        Some(self.boxes.get(shard)?.wake.as_fd())
    }
}

/// Ends the process with its thread: without an ear the worker would outlive
/// everything.
struct EndsTheProcess;

impl Drop for EndsTheProcess {
    fn drop(&mut self) {
        process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{FlowCounters, Outcomes};

    fn started() -> (Channel, Arc<Control>) {
        let (privileged, worker) = Channel::pair().unwrap();
        let target = Target::of(tempfile::tempfile().unwrap()).unwrap();
        let counted = |events| {
            let outcomes = Outcomes { copied: 7, ..Outcomes::default() };
            Stats::new(outcomes, FlowCounters::default(), events)
        };
        (privileged, Control::start(worker, 2, (target, 1024), counted).unwrap())
    }

    fn waited(mut condition: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if condition() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn interfaces_arrive_in_order_and_once_for_each_shard() {
        let (privileged, control) = started();
        for index in 1..=3 {
            privileged.send(&ToWorker::Gone { index }, &[]).unwrap();
        }
        let expected: Vec<_> = (1..=3).map(|index| ToWorker::Gone { index }).collect();
        for shard in 0..2 {
            let mut changes = Vec::new();
            assert!(waited(|| {
                let mut ready = [PollFd::new(control.wake(shard).unwrap(), PollFlags::POLLIN)];
                poll(&mut ready, PollTimeout::ZERO) == Ok(1)
            }));
            let start = Instant::now();
            while changes.len() < 3 && start.elapsed() < Duration::from_secs(10) {
                changes.extend(control.changes(shard));
            }
            assert_eq!(changes, expected);
            assert_eq!(control.changes(shard), []);
        }
        assert!(!control.is_stopping());
        // Left running: its end would end the test's process.
        std::mem::forget(privileged);
    }

    #[test]
    fn the_worker_is_alive_when_each_shard_has_come_round() {
        let (privileged, control) = started();
        privileged.set_nonblocking().unwrap();
        let answer = || privileged.receive::<FromWorker>().ok().flatten();
        for number in 1..=2 {
            privileged.send(&ToWorker::Ask { number }, &[]).unwrap();
        }
        assert!(waited(|| control.changes(0).contains(&ToWorker::Ask { number: 2 })));
        control.came_round(0, 2, 10);
        control.came_round(1, 1, 9);
        let mut told = None;
        assert!(waited(|| {
            told = answer();
            told.is_some()
        }));
        let Some(FromWorker::Alive { number: 1, figures }) = told else { panic!("{told:?}") };
        assert_eq!((figures.packets, figures.events), (7, 10));
        // The second is stuck.
        thread::sleep(Duration::from_millis(50));
        assert_eq!(answer(), None);
        control.came_round(1, 2, 12);
        assert!(waited(|| matches!(answer(), Some(FromWorker::Alive { number: 2, .. }))));
        // Left running: its end would end the test's process.
        std::mem::forget(privileged);
    }
}
