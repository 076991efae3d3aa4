//! Times, as JSON lines have them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::{event::Timestamp, output::put::digits};

/// A time as RFC 3339 has it, in UTC and with nanoseconds:
/// `2026-11-23T11:04:52.657349926Z`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rfc3339([u8; 30]);

/// Writes times: most have the second of the one before.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    text: [u8; 30],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00.000000000Z" }
    }
}

impl Clock {
    /// A time.
    pub(super) fn text(&mut self, time: Timestamp) -> Rfc3339 {
        const SECOND: u64 = 1_000_000_000;
        let (second, nanoseconds) = (time.0 / SECOND, time.0 % SECOND);
        if second != self.second {
            self.second = second;
            self.text = text(second);
        }
        let digits = digits::<9>(nanoseconds);
        if let Some(place) = self.text.last_chunk_mut::<10>() {
            let [n0, n1, n2, n3, n4, n5, n6, n7, n8] = digits;
            *place = [n0, n1, n2, n3, n4, n5, n6, n7, n8, b'Z'];
        }
        Rfc3339(self.text)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl JsonSchema for Rfc3339 {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Time as RFC 3339 has it, in UTC and with nanoseconds.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
        })
    }
}

/// A time without a fraction.
fn text(seconds: u64) -> [u8; 30] {
    const DAY: u64 = 86_400;
    let (year, month, day) = date(seconds / DAY);
    let [y0, y1, y2, y3] = digits(year);
    let [[m0, m1], [d0, d1]] = [month, day].map(digits);
    let [[h0, h1], [i0, i1], [s0, s1]] =
        [seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60].map(digits);
    let [n0, n1, n2, n3, n4, n5, n6, n7, n8] = [b'0'; 9];
    [
        y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'.',
        n0, n1, n2, n3, n4, n5, n6, n7, n8, b'Z',
    ]
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Years are taken to begin in March: then the leap day is the last of the
/// year, and the months have the lengths 31, 30, 31, 30, 31 over and over,
/// which `(153 * month + 2) / 5` adds up.
const fn date(days: u64) -> (u64, u64, u64) {
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;
    /// In 400 years, after which the calendar repeats.
    const ERA: u64 = 146_097;
    let days = days + EPOCH;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let january_or_february = if month <= 2 { 1 } else { 0 };
    (era * 400 + year + january_or_february, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(clock: &mut Clock, time: Timestamp) -> String {
        String::from_utf8(clock.text(time).0.to_vec()).unwrap()
    }

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        let mut clock = Clock::default();
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_475_232_887, "2016-09-30T10:54:47"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            for (nanoseconds, digits) in [(7_000, "000007000"), (123_456_789, "123456789")] {
                let time = Timestamp(seconds * 1_000_000_000 + nanoseconds);
                assert_eq!(written(&mut clock, time), format!("{text}.{digits}Z"));
            }
        }
        assert_eq!(written(&mut clock, Timestamp(u64::MAX)), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = (1969, 12, 31);
        for days in 0..200_000 {
            let (year, month, day) = date(days);
            let (last_year, last_month, last_day) = before;
            let leap = |year: u64| {
                year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
            };
            let length = match last_month {
                2 if leap(last_year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = if last_day < length {
                (last_year, last_month, last_day + 1)
            } else if last_month < 12 {
                (last_year, last_month + 1, 1)
            } else {
                (last_year + 1, 1, 1)
            };
            assert_eq!((year, month, day), next);
            before = next;
        }
    }
}
