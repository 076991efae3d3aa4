//! What the service manager is told, where one wants to know: systemd, or
//! whoever else has set `NOTIFY_SOCKET` (`sd_notify(3)`).
//!
//! The watchdog vouches for both processes: the worker is asked for a sign of
//! life, which it gives when all of its shards have come round, and only that
//! goes on to the manager.

use std::{
    env,
    fmt::Write as _,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use crate::handover::Figures;

/// Where the manager listens; without it nobody is told anything.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How often the manager is told how things go.
const STATUS: Duration = Duration::from_secs(5);

/// The shortest time between two signs of life.
const SHORTEST: Duration = Duration::from_millis(10);

/// A service manager that listens.
#[derive(Debug)]
pub(super) struct Manager {
    /// Time from one sign of life to the next.
    interval: Duration,
    /// Whether it ends a service that gives none.
    watches: bool,
    /// What was counted last: it takes two for a rate.
    last: Option<(Instant, Figures)>,
}

impl Manager {
    /// The manager that started this process, if one did that wants to know.
    pub(super) fn new() -> Option<Self> {
        env::var_os(SOCKET)?;
        let limit = sd_notify::watchdog_enabled();
        // Half of the limit, so that one that is late is none that is missing.
        let interval = limit.map_or(STATUS, |limit| (limit / 2).clamp(SHORTEST, STATUS));
        Some(Self { interval, watches: limit.is_some(), last: None })
    }

    /// How often it is to be told of the worker.
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// Everything that was chosen is traced.
    pub(super) fn ready(what: &str) {
        let status = format!("tracing {what}");
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// The settings are being read again; [`Manager::ready`] follows.
    pub(super) fn reloading() {
        match NotifyState::monotonic_usec_now() {
            // In one message, says `sd_notify(3)`.
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => log::warn!("telling the service manager: {error}"),
        }
    }

    /// The end is near.
    pub(super) fn stopping() {
        tell(&[NotifyState::Stopping]);
    }

    /// The worker lives, and has counted so much.
    pub(super) fn alive(&mut self, now: Instant, figures: Figures) {
        let status = self.status(now, figures);
        let signs = [NotifyState::Status(&status), NotifyState::Watchdog];
        let told = if self.watches { &signs[..] } else { &signs[..1] };
        tell(told);
    }

    fn status(&mut self, now: Instant, figures: Figures) -> String {
        let Figures { packets, events, lost, events_lost, flows } = figures;
        let last = self.last.replace((now, figures));
        let mut status = match last {
            None => format!("{packets} packets, {events} events"),
            Some((then, last)) => {
                let time = now.saturating_duration_since(then);
                let packets = rate(packets, last.packets, time);
                format!("{packets} packets/s, {} events/s", rate(events, last.events, time))
            }
        };
        let _ = write!(status, ", {flows} flows open, {lost} packets lost");
        if events_lost > 0 {
            let _ = write!(status, ", {events_lost} events not written");
        }
        status
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("telling the service manager: {error}");
    }
}

/// How much came in a second, rounded down.
fn rate(now: u64, then: u64, time: Duration) -> u128 {
    u128::from(now.saturating_sub(then)) * 1000 / time.as_millis().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_are_rates_and_what_was_lost_so_far() {
        let mut manager = Manager { interval: STATUS, watches: true, last: None };
        let now = Instant::now();
        let mut figures = Figures { packets: 1000, events: 10, lost: 0, events_lost: 0, flows: 3 };
        let first = manager.status(now, figures);
        assert_eq!(first, "1000 packets, 10 events, 3 flows open, 0 packets lost");
        figures.packets += 5000;
        figures.events += 26;
        figures.lost = 7;
        let second = manager.status(now + Duration::from_secs(5), figures);
        assert_eq!(second, "1000 packets/s, 5 events/s, 3 flows open, 7 packets lost");
        // No time has passed, and nothing came.
        figures.events_lost = 2;
        let third = manager.status(now + Duration::from_secs(5), figures);
        let expected =
            "0 packets/s, 0 events/s, 3 flows open, 7 packets lost, 2 events not written";
        assert_eq!(third, expected);
    }
}
