//! Unix time of what the kernel stamped with `CLOCK_MONOTONIC`.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
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

/// Tells Unix time from `CLOCK_MONOTONIC`, and becomes readable when somebody
/// steps the clock.
pub(super) struct Clock {
    steps: TimerFd,
    offset: u64,
    derived: u64,
}

impl Clock {
    /// Reads both clocks.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let steps = TimerFd::new(TimerClock::CLOCK_REALTIME, flags)?;
        let mut clock = Self { steps, offset: 0, derived: 0 };
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

    fn derive(&mut self) {
        let before = nanoseconds(ClockId::CLOCK_MONOTONIC);
        let unix = nanoseconds(ClockId::CLOCK_REALTIME);
        let after = nanoseconds(ClockId::CLOCK_MONOTONIC);
        self.offset = unix.wrapping_sub(before + after.saturating_sub(before) / 2);
        self.derived = after;
    }

    /// Reads the clocks anew, when the last time was a second ago or the clock
    /// was stepped. True if a second has passed.
    pub(super) fn update(&mut self) -> bool {
        // The timer's only event is its cancellation, and reading takes it; nix
        // tells of it by Ok.
        if self.steps.wait() != Err(Errno::EAGAIN) {
            let _ = self.watch();
            self.derive();
            return false;
        }
        self.second()
    }

    /// As [`Clock::update`], without a look for steps: cheap enough to be
    /// asked between batches.
    pub(super) fn second(&mut self) -> bool {
        let passed = nanoseconds(ClockId::CLOCK_MONOTONIC).saturating_sub(self.derived) >= SECOND;
        if passed {
            self.derive();
        }
        passed
    }

    /// Unix time less `CLOCK_MONOTONIC`, nanoseconds.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Unix time, nanoseconds.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(ClockId::CLOCK_MONOTONIC).wrapping_add(self.offset)
    }
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
        let mut clock = Clock::new().unwrap();
        let offset = clock.offset();
        assert!(!clock.update());
        assert_eq!(clock.offset(), offset);
        clock.derived -= SECOND;
        assert!(clock.update());
    }
}
