//! Sequence sets (RFC 9051 section 9): which messages a command is about.

use memchr::memchr;

/// Whether a set such as `2,4:7,9:*` names a message; `None` where only the
/// server knows: `*` is the largest number in use, `$` what a search has saved.
pub(super) fn names(set: &[u8], number: u64) -> Option<bool> {
    let mut known = true;
    for range in set.split(|byte| *byte == b',') {
        let (one, other) = match memchr(b':', range) {
            Some(at) => (range.get(..at)?, range.get(at + 1..)?),
            None => (range, range),
        };
        match (value(one), value(other)) {
            (Some(one), Some(other)) => {
                if (one.min(other)..=one.max(other)).contains(&number) {
                    return Some(true);
                }
            }
            // No number is larger than `*`.
            (Some(one), None) | (None, Some(one)) if one <= number => return Some(true),
            _ => known = false,
        }
    }
    known.then_some(false)
}

fn value(number: &[u8]) -> Option<u64> {
    str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_set_names() {
        for (set, number, expected) in [
            ("7", 7, Some(true)),
            ("7", 8, Some(false)),
            ("2,4:6", 5, Some(true)),
            ("6:4", 5, Some(true)),
            ("2,4:6", 3, Some(false)),
            ("4:*", 4, Some(true)),
            ("*:4", 9, Some(true)),
            ("4:*", 3, None),
            ("1,*", 1, Some(true)),
            ("1,*", 2, None),
            ("$", 2, None),
            ("", 2, None),
            ("1:", 0, None),
        ] {
            assert_eq!(names(set.as_bytes(), number), expected, "{set} and {number}");
        }
    }
}
