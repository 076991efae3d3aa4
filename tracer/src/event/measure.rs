//! Spans of time and numbers of bytes as a reader wants them: short, with the
//! digits that matter. The exact figures stand in JSON.

use std::fmt;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;

/// A span of time in nanoseconds: `850 ns`, `43 µs`, `0.8 ms`, `123 ms`,
/// `1.2 s`, `2 min 3 s`, `1 h 2 min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_units = |unit: u64| self.0.saturating_add(unit / 2) / unit;
        // Each unit is left when its number, rounded, would get too long.
        let micros = in_units(MICROSECOND);
        let tenths_of_milli = in_units(MILLISECOND / 10);
        let millis = in_units(MILLISECOND);
        let tenths = in_units(SECOND / 10);
        let seconds = in_units(SECOND);
        let minutes = in_units(60 * SECOND);
        if self.0 < MICROSECOND {
            write!(formatter, "{} ns", self.0)
        } else if micros < 100 {
            write!(formatter, "{micros} µs")
        } else if tenths_of_milli < 100 {
            write!(formatter, "{}.{} ms", tenths_of_milli / 10, tenths_of_milli % 10)
        } else if millis < 1_000 {
            write!(formatter, "{millis} ms")
        } else if tenths < 600 {
            write!(formatter, "{}.{} s", tenths / 10, tenths % 10)
        } else if seconds < 3_600 {
            write!(formatter, "{} min {} s", seconds / 60, seconds % 60)
        } else {
            write!(formatter, "{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

/// A number of bytes: `512 B`, `1.2 kB`, `123 kB`, `20 MB`. Units are powers of
/// 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1_000 {
            return write!(formatter, "{} B", self.0);
        }
        let mut unit = 1_000_u64;
        for (number, name) in UNITS.into_iter().enumerate() {
            let in_units = |unit: u64| self.0.saturating_add(unit / 2) / unit;
            let (whole, tenths) = (in_units(unit), in_units(unit / 10));
            if tenths < 100 {
                return write!(formatter, "{}.{} {name}", tenths / 10, tenths % 10);
            }
            if whole < 1_000 || number + 1 == UNITS.len() {
                return write!(formatter, "{whole} {name}");
            }
            unit *= 1_000;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short_and_rounded() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (42_600, "43 µs"),
            (99_499, "99 µs"),
            (99_500, "0.1 ms"),
            (800_000, "0.8 ms"),
            (9_949_999, "9.9 ms"),
            (9_950_000, "10 ms"),
            (123_456_789, "123 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1.0 s"),
            (12_340_000_000, "12.3 s"),
            (59_950_000_000, "1 min 0 s"),
            (123_000_000_000, "2 min 3 s"),
            (3_720_000_000_000, "1 h 2 min"),
            (u64::MAX, "5124095 h 34 min"),
        ] {
            assert_eq!(Span(nanoseconds).to_string(), text, "{nanoseconds}");
        }
    }

    #[test]
    fn sizes_are_short_and_rounded() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_249, "1.2 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (20_000_000, "20 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text, "{bytes}");
        }
    }
}
