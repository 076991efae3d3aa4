//! Unix time of what the kernel stamped with `CLOCK_MONOTONIC`.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::{
    errno::Errno,
    sys::{
        time::TimeSpec,
        timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    time::{ClockId, clock_gettime},
};

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// From here on a difference is no drift: somebody stepped the clock, or the
/// host slept.
const STEP: u64 = SECOND;

/// Tells Unix time from `CLOCK_MONOTONIC`, to all shards the same, and becomes
/// readable when somebody steps the clock.
///
/// Flows know nothing of steps: an hour by which the clock is set right is none
/// in which somebody was silent. What is written does.
pub(super) struct Clock {
    steps: TimerFd,
    offset: AtomicU64,
    /// All steps so far.
    step: AtomicU64,
    /// When both were derived last.
    derived: AtomicU64,
    deriving: Mutex<()>,
}

impl Clock {
    /// Reads both clocks.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let steps = TimerFd::new(TimerClock::CLOCK_REALTIME, flags)?;
        let clock = Self {
            steps,
            offset: AtomicU64::new(offset().0),
            step: AtomicU64::new(0),
            derived: AtomicU64::new(monotonic()),
            deriving: Mutex::new(()),
        };
        clock.watch()?;
        Ok(clock)
    }

    /// Arms the timer: never to expire, but to be cancelled by a step.
    fn watch(&self) -> io::Result<()> {
        // Far beyond every clock; the largest value is refused.
        let never = Expiration::OneShot(TimeSpec::new(i64::from(u32::MAX) * 2, 0));
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        Ok(self.steps.set(never, flags)?)
    }

    fn derive(&self) {
        // A step is to be counted once.
        let _guard = self.deriving.lock().unwrap_or_else(PoisonError::into_inner);
        let (offset, now) = offset();
        let known = self.offset.load(Ordering::Relaxed);
        let steps = self.step();
        let more = offset.wrapping_sub(known.wrapping_add(steps));
        if more.cast_signed().unsigned_abs() < STEP {
            self.offset.store(known.wrapping_add(more), Ordering::Relaxed);
        } else {
            self.step.store(steps.wrapping_add(more), Ordering::Relaxed);
        }
        self.derived.store(now, Ordering::Relaxed);
    }

    /// Reads the clocks anew if the clock was stepped.
    pub(super) fn look_for_step(&self) {
        // The timer's only event is its cancellation, and reading takes it; nix
        // tells of it by Ok.
        if self.steps.wait() != Err(Errno::EAGAIN) {
            let _ = self.watch();
            self.derive();
        }
    }

    /// The time, and the offset that is added to make Unix time of it as it
    /// would be without steps, both in nanoseconds. The clocks drift apart, so an
    /// offset that is a second old is made anew.
    pub(super) fn read(&self) -> (u64, u64) {
        let now = monotonic();
        if now.saturating_sub(self.derived.load(Ordering::Relaxed)) >= SECOND {
            self.derive();
        }
        (now, self.offset.load(Ordering::Relaxed))
    }

    /// By how much the clock was stepped since the start, nanoseconds, which
    /// wrap below 0.
    pub(super) fn step(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    /// Unix time as it would be without steps, nanoseconds.
    pub(super) fn now(&self) -> u64 {
        let (now, offset) = self.read();
        now.wrapping_add(offset)
    }
}

/// What is added to `CLOCK_MONOTONIC` to make Unix time of it, and when that was
/// read.
fn offset() -> (u64, u64) {
    let before = monotonic();
    let unix = nanoseconds(ClockId::CLOCK_REALTIME);
    let after = monotonic();
    (unix.wrapping_sub(before + after.saturating_sub(before) / 2), after)
}

/// `CLOCK_MONOTONIC`, the clock of the kernel side, in nanoseconds.
pub(super) fn monotonic() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC)
}

/// What Unix time is ahead of `CLOCK_MONOTONIC`, nanoseconds.
pub(super) fn ahead() -> u64 {
    nanoseconds(ClockId::CLOCK_REALTIME).wrapping_sub(monotonic())
}

impl AsFd for Clock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.steps.as_fd()
    }
}

fn nanoseconds(clock: ClockId) -> u64 {
    clock_gettime(clock)
        .map_or(0, |time| time.tv_sec().cast_unsigned() * SECOND + time.tv_nsec().cast_unsigned())
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_time_is_the_unix_time() {
        let clock = Clock::new().unwrap();
        let expected = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let difference = u128::from(clock.now()).abs_diff(expected);
        assert!(difference < u128::from(SECOND), "{difference} ns");
    }

    #[test]
    fn within_a_second_the_clocks_are_not_read_again() {
        let clock = Clock::new().unwrap();
        let derived = clock.derived.load(Ordering::Relaxed);
        clock.read();
        assert_eq!(clock.derived.load(Ordering::Relaxed), derived);
        clock.derived.store(derived - SECOND, Ordering::Relaxed);
        clock.read();
        assert!(clock.derived.load(Ordering::Relaxed) >= derived);
    }

    #[test]
    fn a_step_is_kept_from_flows_in_both_directions() {
        const HOUR: u64 = 3600 * SECOND;
        for step in [HOUR, HOUR.wrapping_neg()] {
            let clock = Clock::new().unwrap();
            let before = clock.now();
            // As if it had been derived before the step.
            let (_, offset) = clock.read();
            clock.offset.store(offset.wrapping_sub(step), Ordering::Relaxed);
            let flows = clock.now();
            clock.derive();
            assert!(clock.now() - flows < SECOND, "flows see it");
            let rest = clock.step().wrapping_sub(step).cast_signed().unsigned_abs();
            assert!(rest < SECOND, "{rest} ns beside the step");
            let shown = clock.now().wrapping_add(clock.step());
            assert!(shown.abs_diff(before) < SECOND, "not the time");
            // And once.
            clock.derive();
            assert!(clock.now().wrapping_add(clock.step()).abs_diff(before) < SECOND);
        }
    }

    #[test]
    fn a_drift_is_no_step() {
        let clock = Clock::new().unwrap();
        let (_, offset) = clock.read();
        clock.offset.store(offset + SECOND / 1000, Ordering::Relaxed);
        clock.derive();
        let (_, derived) = clock.read();
        assert!(derived.abs_diff(offset) < SECOND / 2000, "{derived} after {offset}");
        assert_eq!(clock.step(), 0);
    }

    #[test]
    fn a_clock_that_nobody_steps_is_not_read_again() {
        let clock = Clock::new().unwrap();
        let derived = clock.derived.load(Ordering::Relaxed);
        clock.look_for_step();
        assert_eq!(clock.derived.load(Ordering::Relaxed), derived);
    }
}
