//! Unix time of what the kernel stamped with `CLOCK_MONOTONIC`.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicU64, Ordering},
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

/// Tells Unix time from `CLOCK_MONOTONIC`, to all shards the same, and becomes
/// readable when somebody steps the clock.
pub(super) struct Clock {
    steps: TimerFd,
    offset: AtomicU64,
    derived: AtomicU64,
}

impl Clock {
    /// Reads both clocks.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let steps = TimerFd::new(TimerClock::CLOCK_REALTIME, flags)?;
        let clock = Self { steps, offset: AtomicU64::new(0), derived: AtomicU64::new(0) };
        clock.watch()?;
        clock.derive();
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
        let before = monotonic();
        let unix = nanoseconds(ClockId::CLOCK_REALTIME);
        let after = monotonic();
        let offset = unix.wrapping_sub(before + after.saturating_sub(before) / 2);
        self.offset.store(offset, Ordering::Relaxed);
        self.derived.store(after, Ordering::Relaxed);
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

    /// The time, and the offset that is added to make Unix time of it, both in
    /// nanoseconds. The clocks drift apart, so an offset that is a
    /// second old is made anew.
    pub(super) fn read(&self) -> (u64, u64) {
        let now = monotonic();
        if now.saturating_sub(self.derived.load(Ordering::Relaxed)) >= SECOND {
            self.derive();
        }
        (now, self.offset.load(Ordering::Relaxed))
    }

    /// Unix time, nanoseconds.
    pub(super) fn now(&self) -> u64 {
        let (now, offset) = self.read();
        now.wrapping_add(offset)
    }
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
    fn a_clock_that_nobody_steps_is_not_read_again() {
        let clock = Clock::new().unwrap();
        let derived = clock.derived.load(Ordering::Relaxed);
        clock.look_for_step();
        assert_eq!(clock.derived.load(Ordering::Relaxed), derived);
    }
}
