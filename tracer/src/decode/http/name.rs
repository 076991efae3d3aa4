//! Names of header fields that are known without a look at each letter.

/// Bytes of the longest name that is known.
const LONGEST: usize = 16;

/// What a field that is known holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Text.
    Text,
    /// A URL or an authority alone.
    Url,
}

/// Makes letters lower case, and no other character of a token a letter or a
/// hyphen.
const LOWER: u64 = u64::from_le_bytes([0x20; 8]);

/// A name in lower case, as its length, its first and its last eight bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known(usize, u64, u64);

impl Known {
    /// Of names that are tokens, no two have the same, but for the case of their
    /// letters, if either of them has letters and hyphens only.
    const fn of(name: &[u8]) -> Option<Self> {
        if name.len() > LONGEST {
            return None;
        }
        let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
                }
                _ => return None,
            },
        };
        Some(Self(name.len(), first | LOWER, last | LOWER))
    }
}

/// Makes the look-up.
macro_rules! known {
    ($($holds:ident: $($constant:ident $name:literal)+;)+) => {
        /// What the field of this name, a token, holds; `None` of one that has to
        /// be looked at.
        pub(super) fn holds(name: &str) -> Option<Holds> {
            $($(const $constant: Option<Known> = Known::of($name);)+)+
            match Known::of(name.as_bytes()) {
                None => None,
                $($($constant)|+ => Some(Holds::$holds),)+
                Some(_) => None,
            }
        }
    };
}

known! {
    Text:
        ACCEPT b"accept"
        ACCEPT_ENCODING b"accept-encoding"
        ACCEPT_LANGUAGE b"accept-language"
        ACCEPT_RANGES b"accept-ranges"
        CACHE_CONTROL b"cache-control"
        CONNECTION b"connection"
        CONTENT_ENCODING b"content-encoding"
        CONTENT_LANGUAGE b"content-language"
        CONTENT_LENGTH b"content-length"
        CONTENT_TYPE b"content-type"
        DATE b"date"
        ETAG b"etag"
        EXPIRES b"expires"
        IF_NONE_MATCH b"if-none-match"
        KEEP_ALIVE b"keep-alive"
        LAST_MODIFIED b"last-modified"
        PRAGMA b"pragma"
        SERVER b"server"
        USER_AGENT b"user-agent"
        VARY b"vary";
    Url:
        CONTENT_LOCATION b"content-location"
        HOST b"host"
        LOCATION b"location"
        ORIGIN b"origin"
        REFERER b"referer";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_no_others_are() {
        for (name, expected) in [
            ("Host", Some(Holds::Url)),
            ("REFERER", Some(Holds::Url)),
            ("user-agent", Some(Holds::Text)),
            ("Content-Language", Some(Holds::Text)),
            ("Cookie", None),
            ("Hos~", None),
            ("te", None),
            ("", None),
            ("Content-Languages", None),
            ("Accept-Languagf", None),
            ("X-Host", None),
        ] {
            assert_eq!(holds(name), expected, "{name}");
        }
    }
}
