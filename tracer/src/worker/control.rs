//! The worker's ear: a thread that hears the privileged process, its death,
//! and signals, while the main thread may be stuck in writing output.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
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
        pthread::{Pthread, pthread_kill, pthread_self},
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::handover::{Channel, FromWorker, ToWorker};

/// For how long, after a stop, the main thread may make no progress before the
/// rest of its output is given up: a reader that has stopped reading does not
/// keep tracer alive.
const STALL: Duration = Duration::from_secs(1);

/// For how long, after a stop, a reader that reads slowly is waited for.
const DRAIN: Duration = Duration::from_secs(10);

/// For how long giving up may take, before the process ends as it is.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Pause between two looks at the progress.
const LOOK: Duration = Duration::from_millis(50);

/// Interrupts a write that the main thread is stuck in. It does nothing else.
const INTERRUPT: Signal = Signal::SIGUSR1;

/// What both threads see.
pub(super) struct Control {
    /// Interfaces that came or went, in order, until the main thread looks.
    changes: Mutex<Vec<ToWorker>>,
    changed: AtomicBool,
    stop: AtomicBool,
    orphaned: AtomicBool,
    unread: AtomicBool,
    given_up: AtomicBool,
    progress: AtomicU64,
    wake: EventFd,
}

impl Control {
    /// Starts the listening thread. The caller is the main thread.
    ///
    /// # Errors
    ///
    /// When a descriptor or a thread is not to be had.
    pub(super) fn start(channel: Channel) -> io::Result<Arc<Self>> {
        ignore_interrupts()?;
        // Blocked in every thread, so that only the descriptor tells of it.
        let mut termination = SigSet::empty();
        termination.add(Signal::SIGTERM);
        termination.thread_block()?;
        let signals = SignalFd::with_flags(&termination, SfdFlags::SFD_CLOEXEC)?;
        let control = Arc::new(Self {
            changes: Mutex::default(),
            changed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            orphaned: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            wake: EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        });
        let (shared, main) = (Arc::clone(&control), pthread_self());
        thread::Builder::new().name("control".to_owned()).spawn(move || {
            let _guard = EndsTheProcess;
            shared.listen(&channel, &signals);
            shared.watch(main);
        })?;
        Ok(control)
    }

    /// Hears until the end is near.
    fn listen(&self, channel: &Channel, signals: &SignalFd) {
        let out = io::stdout();
        // On a quiet host nothing would be written for long, and only a write
        // tells the main thread that its reader has gone. It will not come
        // back: once it is known, the output is not looked at any more.
        loop {
            let mut ready = [
                PollFd::new(channel.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(out.as_fd(), PollFlags::empty()),
            ];
            let watched = if self.is_unread() { 2 } else { 3 };
            // Interrupted at worst, and then nothing is ready.
            let _ = poll(ready.get_mut(..watched).unwrap_or_default(), PollTimeout::NONE);
            let [from_parent, from_signals, from_out] = ready.map(|one| one.any().unwrap_or(false));
            if from_out {
                self.unread.store(true, Ordering::Relaxed);
            }
            if from_out || from_signals && signals.read_signal().is_ok() {
                // The other side detaches first, so that the counts are exact.
                let _ = channel.send(&FromWorker::Stop, &[]);
            }
            if from_parent {
                match channel.receive() {
                    Ok(Some(ToWorker::Stop)) => break,
                    Ok(Some(change)) => self.change(change),
                    Ok(None) | Err(_) => {
                        self.orphaned.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
        self.stop.store(true, Ordering::Release);
        let _ = self.wake.write(1);
    }

    fn change(&self, change: ToWorker) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        self.changed.store(true, Ordering::Release);
    }

    /// Sees to it that the main thread comes to its end.
    fn watch(&self, main: Pthread) {
        let start = Instant::now();
        let (mut progress, mut since) = (self.progress.load(Ordering::Relaxed), start);
        loop {
            thread::sleep(LOOK);
            let now = Instant::now();
            let seen = self.progress.load(Ordering::Relaxed);
            if seen != progress {
                (progress, since) = (seen, now);
            }
            if now - since >= STALL || now - start >= DRAIN {
                break;
            }
        }
        self.given_up.store(true, Ordering::Release);
        let given_up = Instant::now();
        while given_up.elapsed() < GIVE_UP {
            // Again and again: the first may come just before a write begins.
            let _ = pthread_kill(main, INTERRUPT);
            thread::sleep(LOOK);
        }
        process::exit(1);
    }

    /// Takes the interfaces that came or went since the last call.
    pub(super) fn changes(&self) -> Vec<ToWorker> {
        if !self.changed.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// Tells that the main thread is not stuck.
    pub(super) fn progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Becomes readable when the end is near.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
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

extern "C" fn nothing(_signal: libc::c_int) {}

/// Lets [`INTERRUPT`] interrupt system calls, and nothing else.
fn ignore_interrupts() -> io::Result<()> {
    #![expect(unsafe_code, reason = "signal handlers are installed by an unsafe call")]
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, so it does nothing that a signal
    // handler must not do.
    unsafe { sigaction(INTERRUPT, &action) }?;
    Ok(())
}

/// The output, on which the main thread gives up when told so.
pub(super) struct Interruptible<W> {
    out: W,
    control: Arc<Control>,
}

impl<W> Interruptible<W> {
    /// Wraps an output.
    pub(super) const fn new(out: W, control: Arc<Control>) -> Self {
        Self { out, control }
    }
}

impl<W: io::Write> io::Write for Interruptible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            // No relaxed peek after the write instead: the flag may be set,
            // and its signal spent, before this write begins.
            if self.control.given_up.load(Ordering::Acquire) {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "its reader has stopped reading; what was not yet written is lost",
                ));
            }
            match self.out.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    self.control.progress();
                    return result;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn started() -> (Channel, Arc<Control>) {
        let (privileged, worker) = Channel::pair().unwrap();
        (privileged, Control::start(worker).unwrap())
    }

    fn waited(condition: impl Fn() -> bool) -> bool {
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
    fn interfaces_arrive_in_order_and_once() {
        let (privileged, control) = started();
        for index in 1..=3 {
            privileged.send(&ToWorker::Gone { index }, &[]).unwrap();
        }
        let mut changes = Vec::new();
        let start = Instant::now();
        while changes.len() < 3 && start.elapsed() < Duration::from_secs(10) {
            changes.extend(control.changes());
        }
        let expected: Vec<_> = (1..=3).map(|index| ToWorker::Gone { index }).collect();
        assert_eq!(changes, expected);
        assert_eq!(control.changes(), []);
        assert!(!control.is_stopping());
        // Left running: its end would end the test's process.
        std::mem::forget(privileged);
    }

    #[test]
    fn output_is_written_until_it_is_given_up() {
        let (privileged, control) = started();
        let mut out = Interruptible::new(Vec::new(), Arc::clone(&control));
        out.write_all(b"line").unwrap();
        assert_eq!(out.out, b"line");
        assert!(waited(|| control.progress.load(Ordering::Relaxed) == 1));
        control.given_up.store(true, Ordering::Release);
        assert_eq!(out.write(b"more").unwrap_err().kind(), io::ErrorKind::TimedOut);
        std::mem::forget(privileged);
    }
}
