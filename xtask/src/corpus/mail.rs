//! Header fields of mail in one form, out of what the reference shows raw.

/// The addresses of an address list, by a rule of thumb that needs no grammar:
/// what holds an `@` outside of quotes and comments.
pub(super) fn addresses(raw: &str) -> String {
    let mut bare = String::new();
    let (mut quoted, mut depth, mut escaped) = (false, 0u32, false);
    for character in raw.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ => bare.push(character),
        }
    }
    let separator = |character: char| {
        matches!(character, '<' | '>' | ',' | ';' | ':') || character.is_whitespace()
    };
    let found: Vec<&str> = bare.split(separator).filter(|word| word.contains('@')).collect();
    found.join(", ")
}

/// White space of a folded field as one space.
pub(super) fn unfolded(raw: &str) -> String {
    raw.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Wed, 15 Jul 2015 16:55:39 +0200` as RFC 3339 has it; `None` if it is
/// written otherwise.
pub(super) fn date(raw: &str) -> Option<String> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let behind_day = raw.split_once(',').map_or(raw, |(_, rest)| rest);
    let mut words = behind_day.split_whitespace();
    let (day, month, year, time, zone) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    let day: u8 = day.parse().ok()?;
    let zone = match (zone.get(..3), zone.get(3..)) {
        (Some("+00" | "-00"), Some("00")) => "Z".to_owned(),
        (Some(hours), Some(minutes)) if hours.starts_with(['+', '-']) => {
            format!("{hours}:{minutes}")
        }
        _ => return None,
    };
    (year.len() == 4 && time.len() == 8).then(|| format!("{year}-{month:02}-{day:02}T{time}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_names_and_comments() {
        let raw = "\"A, b@c\" <d@e>,\r\n \"Group\":f@g, <h@i>; j@k (l@m)";
        assert_eq!(addresses(raw), "d@e, f@g, h@i, j@k");
    }

    #[test]
    fn dates() {
        let date = |raw| date(raw).unwrap_or_default();
        assert_eq!(date("Wed, 15 Jul 2015 16:55:39 +0200"), "2015-07-15T16:55:39+02:00");
        assert_eq!(date("5 Oct 2009 11:36:07 +0000 (UTC)"), "2009-10-05T11:36:07Z");
        assert_eq!(date("yesterday"), "");
    }
}
