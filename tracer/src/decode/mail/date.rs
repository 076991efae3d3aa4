//! The date and time of RFC 5322 section 3.3, its old forms included.

/// The date of a Date field in RFC 3339, in its own time zone; `None` where it
/// is none.
pub(super) fn rfc3339(value: &[u8]) -> Option<String> {
    let value = str::from_utf8(value).ok()?;
    // Comments stand behind the zone, and tell its name.
    let value = value.split('(').next()?;
    let mut words = value.split([' ', '\t', ',']).filter(|word| !word.is_empty()).peekable();
    if words.peek()?.starts_with(|first: char| first.is_ascii_alphabetic()) {
        words.next();
    }
    let day = number(words.next()?, 1..=2)?;
    let month = month(words.next()?)?;
    let year = year(words.next()?)?;
    let mut time = words.next()?.split(':');
    let (hour, minute) = (number(time.next()?, 1..=2)?, number(time.next()?, 1..=2)?);
    let second = time.next().map_or(Some(0), |second| number(second, 1..=2))?;
    let zone = words.next().map_or(Some(0), zone)?;
    let valid = (1..=days(year, month)).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !valid || time.next().is_some() {
        return None;
    }
    let mut text = String::with_capacity("2026-01-01T00:00:00+00:00".len());
    pair(&mut text, year / 100);
    pair(&mut text, year % 100);
    for (mark, number) in [('-', month), ('-', day), ('T', hour), (':', minute), (':', second)] {
        text.push(mark);
        pair(&mut text, number);
    }
    if zone == 0 {
        text.push('Z');
    } else {
        let minutes = zone.unsigned_abs();
        text.push(if zone < 0 { '-' } else { '+' });
        pair(&mut text, minutes / 60);
        text.push(':');
        pair(&mut text, minutes % 60);
    }
    Some(text)
}

/// Appends the two digits of a number below 100.
fn pair(text: &mut String, number: u32) {
    text.extend([number / 10, number % 10].map(|digit| char::from_digit(digit, 10).unwrap_or('?')));
}

fn number(word: &str, len: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let digits = len.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok())?
}

fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = word.get(..3)?;
    let at = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(month))?;
    u32::try_from(at + 1).ok()
}

/// A year; one of two or three digits as RFC 5322 section 4.3 reads it.
fn year(word: &str) -> Option<u32> {
    let year = number(word, 2..=4)?;
    Some(match word.len() {
        2 if year < 50 => year + 2000,
        2 | 3 => year + 1900,
        _ => year,
    })
}

const fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Minutes east of Greenwich. A zone that is not known says nothing, as RFC
/// 5322 section 4.3 asks.
fn zone(word: &str) -> Option<i32> {
    if let Some(digits) = word.strip_prefix(['+', '-']) {
        let number = i32::try_from(number(digits, 4..=4)?).ok()?;
        let (hours, minutes) = (number / 100, number % 100);
        let east = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
        return Some(if word.starts_with('-') { -east } else { east });
    }
    Some(match &*word.to_ascii_uppercase() {
        "EDT" => -4 * 60,
        "EST" | "CDT" => -5 * 60,
        "CST" | "MDT" => -6 * 60,
        "MST" | "PDT" => -7 * 60,
        "PST" => -8 * 60,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_every_form() {
        for (value, expected) in [
            ("Fri, 30 Sep 2016 12:56:30 +0200 (CEST)", "2016-09-30T12:56:30+02:00"),
            ("30 Sep 2016 12:56 -0330", "2016-09-30T12:56:00-03:30"),
            ("Fri,30 Sep 2016 12:56:30 GMT", "2016-09-30T12:56:30Z"),
            ("Fri, 1 January 1999 00:00:60 EST", "1999-01-01T00:00:60-05:00"),
            ("21 Nov 97 09:55:06 -0000", "1997-11-21T09:55:06Z"),
            ("29 Feb 00 9:5:6 Z", "2000-02-29T09:05:06Z"),
        ] {
            assert_eq!(rfc3339(value.as_bytes()).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for value in [
            "",
            "tomorrow",
            "31 Feb 2016 12:00:00 +0000",
            "30 Sep 2016 24:00:00 +0000",
            "30 Sep 2016 12:00:00:00 +0000",
            "30 Sep 2016",
            "30 Sep 2016 12:00:00 +9999",
            "30 Xyz 2016 12:00:00",
            "2016-09-30T12:56:30Z",
            "3\u{e9} Sep 2016 12:00",
        ] {
            assert_eq!(rfc3339(value.as_bytes()), None, "{value}");
        }
    }
}
