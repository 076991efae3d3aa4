//! The page for people.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    metrics::{
        snapshot::{Service, Snapshot},
        tally::LATENCIES,
    },
    stats::{FlowCounters, Outcomes},
};

/// How it goes, and at what rate since shortly before.
pub(super) struct Page<'a> {
    pub(super) before: &'a Snapshot,
    pub(super) now: &'a Snapshot,
    /// Seconds of Unix time.
    pub(super) unix: u64,
    /// Time between the two.
    pub(super) apart: Duration,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.way(formatter)?;
        self.held(formatter)?;
        self.services(formatter)
    }
}

impl Page<'_> {
    /// So many a second, of what has become more.
    fn rate(&self, before: u64, now: u64) -> u64 {
        let milliseconds = self.apart.as_millis().max(1);
        let more = u128::from(now.saturating_sub(before)) * 1000 / milliseconds;
        more.try_into().unwrap_or(u64::MAX)
    }

    /// What came, and what became of it.
    fn way(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, now, .. } = self;
        let Snapshot { version, worker, stats, .. } = now;
        let since = Since(self.unix.saturating_sub(now.began));
        writeln!(formatter, "tracer {version}, process {worker}, tracing for {since}\n")?;
        let rate = self.rate(before.stats.seen, stats.seen);
        let Outcomes { lost, .. } = stats.outcomes;
        writeln!(formatter, "packets    {} seen, {rate}/s", stats.seen)?;
        writeln!(formatter, "           {}", Counts(&outcomes(&stats.outcomes)))?;
        writeln!(
            formatter,
            "lost       {} packets ({} ring full, {} unreadable), {} events not written",
            lost.ring_full + lost.unreadable,
            lost.ring_full,
            lost.unreadable,
            stats.events_lost
        )?;
        let FlowCounters { open, total, gaps, gap_bytes, shed, given_up, .. } = stats.flows;
        writeln!(formatter, "gaps       {gaps}, of {gap_bytes} bytes")?;
        let of_overload = shed + given_up;
        writeln!(
            formatter,
            "flows      {open} open, {total} seen, {of_overload} left out to keep up"
        )?;
        let rate = self.rate(before.stats.events, stats.events);
        writeln!(formatter, "events     {} written, {rate}/s", stats.events)?;
        if !now.actions.is_empty() {
            writeln!(formatter, "           {}", Counts(&counts(&now.actions)))?;
        }
        if !now.anomalies.is_empty() {
            writeln!(formatter, "anomalies  {}", Counts(&counts(&now.anomalies)))?;
        }
        Ok(())
    }

    fn held(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { rings, memory, resident, .. } = self.now;
        let fills = rings.iter().map(|ring| ring.waiting * 100 / ring.size.max(1));
        let size = rings.first().map_or(0, |ring| ring.size);
        writeln!(
            formatter,
            "rings      {} of {}, the fullest to {} %",
            rings.len(),
            Bytes(size),
            fills.max().unwrap_or(0)
        )?;
        write!(formatter, "memory     ")?;
        for (kind, memory) in memory.iter().filter(|(kind, _)| *kind != "rings") {
            write!(formatter, "{kind} {} of {}, ", Bytes(memory.held), Bytes(memory.limit))?;
        }
        match resident {
            Some(resident) => writeln!(formatter, "in all {}, rings included", Bytes(*resident)),
            None => writeln!(formatter, "in all an unknown amount"),
        }
    }

    fn services(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "\n{:<10}{:>6}{:>12}{:>8}{:>10}{:>10}  answers",
            "protocol", "port", "requests", "/s", "median", "99 %"
        )?;
        for service in &self.now.services {
            let same = |of: &&Service| (&of.protocol, of.port) == (&service.protocol, service.port);
            let before = self.before.services.iter().find(same);
            let rate = self.rate(before.map_or(0, |of| of.requests), service.requests);
            let line = format!(
                "{:<10}{:>6}{:>12}{rate:>8}{:>10}{:>10}  {}",
                service.protocol,
                service.port(),
                service.requests,
                quantile(&service.latencies, 50),
                quantile(&service.latencies, 99),
                Counts(&counts(&service.classes)),
            );
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Outcomes by their names in the summary, the losses apart.
fn outcomes(outcomes: &Outcomes) -> Vec<(&str, u64)> {
    let all = [
        ("copied", outcomes.copied),
        ("truncated", outcomes.truncated),
        ("duplicate", outcomes.duplicate),
        ("pure ACK", outcomes.pure_ack),
        ("not selected", outcomes.not_selected),
        ("fragment", outcomes.fragment),
        ("malformed", outcomes.malformed),
        ("shunted", outcomes.shunted),
        ("shed", outcomes.shed),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn counts(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    counts.iter().map(|(name, count)| (&**name, *count)).collect()
}

/// The bound under which so many of a hundred stay.
fn quantile(latencies: &[u64], percent: u64) -> String {
    let all: u64 = latencies.iter().sum();
    if all == 0 {
        return "-".to_owned();
    }
    let wanted = (all * percent).div_ceil(100);
    let mut sum = 0;
    let at = latencies.iter().position(|count| {
        sum += count;
        sum >= wanted
    });
    match at.and_then(|at| LATENCIES.get(at)) {
        Some(bound) => format!("<= {}", Time(*bound)),
        None => format!("> {}", Time(LATENCIES.last().copied().unwrap_or_default())),
    }
}

/// Names with their counts.
struct Counts<'a>(&'a [(&'a str, u64)]);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, count)) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(formatter, "{separator}{name} {count}")?;
        }
        Ok(())
    }
}

/// Nanoseconds, one of the bounds.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0 / 1000;
        let (unit, of, name) = if microseconds < 1_000_000 {
            (1000, microseconds, "ms")
        } else {
            (1_000_000, microseconds, "s")
        };
        match of % unit * 10 / unit {
            0 => write!(formatter, "{} {name}", of / unit),
            tenths => write!(formatter, "{}.{tenths} {name}", of / unit),
        }
    }
}

/// A number of bytes.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 >> shift > 0 {
                let tenths = (self.0 >> (shift - 10)) * 10 / 1024;
                return match tenths % 10 {
                    0 => write!(formatter, "{} {unit}", tenths / 10),
                    rest => write!(formatter, "{}.{rest} {unit}", tenths / 10),
                };
            }
        }
        write!(formatter, "{} bytes", self.0)
    }
}

/// Seconds.
struct Since(u64);

impl fmt::Display for Since {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = self;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(formatter, "{seconds} s"),
            (0, 0, minutes) => write!(formatter, "{minutes} min {} s", seconds % 60),
            (0, hours, minutes) => write!(formatter, "{hours} h {minutes} min"),
            (days, hours, _) => write!(formatter, "{days} d {hours} h"),
        }
    }
}
