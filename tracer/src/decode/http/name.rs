//! Names of header fields that are known without a look at each letter.

use httparse::Header;

use super::usual::{NO_NAMES, Names};
use crate::block::LEN;

/// Bytes of the longest name that is known.
const LONGEST: usize = LEN;

/// What a field that is known holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Text.
    Text,
    /// A URL or an authority alone.
    Url,
    /// A secret, all of it.
    Secret,
}

/// Makes letters lower case, and no other character of a token a letter or a
/// hyphen.
const LOWER: u128 = u128::from_le_bytes([0x20; LONGEST]);

/// Spreads the names over the places of [`KNOWN`], each to one of its own.
const SPREAD: u64 = 0xcb1f_8e18_0784_f887;

/// Places of [`KNOWN`], in bits of their numbers.
const PLACES: u32 = 6;

/// The name with so many bytes that a block begins with, in lower case, with
/// nothing behind it.
const fn lower(block: u128, len: usize) -> u128 {
    #[expect(clippy::indexing_slicing, reason = "the remainder is less than the divisor")]
    let used = USED[len.wrapping_sub(1) % LONGEST];
    (block | LOWER) & used
}

/// The bytes of a block that one byte takes, or two, or more.
static USED: [u128; LONGEST] = {
    let mut used = [u128::MAX; LONGEST];
    let mut len = 1;
    while len < LONGEST {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            used[len - 1] = (1 << (8 * len)) - 1;
        }
        len += 1;
    }
    used
};

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn place(lower: u128) -> usize {
    let (first, last) = (lower as u64, (lower >> 64) as u64);
    ((first ^ last.rotate_left(29)).wrapping_mul(SPREAD) >> (64 - PLACES)) as usize
}

/// Makes the names and the table.
macro_rules! known {
    ($($holds:ident: $($name:ident $text:literal)+;)+) => {
        /// A name that is known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Name {
            $($(#[doc = $text] $name,)+)+
        }

        impl Name {
            /// All of them.
            const ALL: &[Self] = &[$($(Self::$name),+),+];

            /// The name in lower case.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $($(Self::$name => $text,)+)+
                }
            }

            /// What a field of this name holds.
            pub(super) const fn holds(self) -> Holds {
                match self {
                    $($(Self::$name)|+ => Holds::$holds,)+
                }
            }
        }
    };
}

known! {
    Text:
        Accept "accept"
        AcceptEncoding "accept-encoding"
        AcceptLanguage "accept-language"
        AcceptRanges "accept-ranges"
        Age "age"
        CacheControl "cache-control"
        Connection "connection"
        ContentEncoding "content-encoding"
        ContentLanguage "content-language"
        ContentLength "content-length"
        ContentType "content-type"
        Date "date"
        Etag "etag"
        Expires "expires"
        IfNoneMatch "if-none-match"
        KeepAlive "keep-alive"
        LastModified "last-modified"
        Pragma "pragma"
        Server "server"
        Upgrade "upgrade"
        UserAgent "user-agent"
        Vary "vary"
        Via "via"
        XRequestId "x-request-id";
    Url:
        ContentLocation "content-location"
        Host "host"
        Location "location"
        Origin "origin"
        Referer "referer";
    Secret:
        Authorization "authorization"
        Cookie "cookie"
        SetCookie "set-cookie";
}

/// The names by what [`place`] makes of them.
static KNOWN: [Option<(u128, Name)>; 1 << PLACES] = {
    let mut known = [const { None }; 1 << PLACES];
    let mut number = 0;
    while number < Name::ALL.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            let name = Name::ALL[number];
            let text = name.text().as_bytes();
            let mut block = [0; LONGEST];
            let mut at = 0;
            while at < text.len() {
                block[at] = text[at];
                at += 1;
            }
            let lower = lower(u128::from_le_bytes(block), text.len());
            assert!(known[place(lower)].is_none(), "two names have one place");
            known[place(lower)] = Some((lower, name));
        }
        number += 1;
    }
    known
};

impl Name {
    /// The name with so many bytes (from 1 to 16) that a block begins with, if it is
    /// known; those bytes hold no control character.
    #[inline]
    pub(super) fn at(block: &[u8; LEN], len: usize) -> Option<Self> {
        let lower = lower(u128::from_le_bytes(*block), len);
        let (known, name) = KNOWN.get(place(lower)).copied()??;
        (known == lower).then_some(name)
    }

    /// Whether a field of this name has to do with where its message ends, or
    /// with what comes behind it.
    pub(super) const fn frames(self) -> bool {
        const FRAMES: u64 =
            1 << Name::ContentLength as u8 | 1 << Name::Host as u8 | 1 << Name::Upgrade as u8;
        FRAMES >> self as u8 & 1 == 1
    }

    /// The name that a token is, if it is known.
    pub(super) fn of(token: &str) -> Option<Self> {
        let mut block = [0; LEN];
        block.get_mut(..token.len())?.copy_from_slice(token.as_bytes());
        if token.is_empty() { None } else { Self::at(&block, token.len()) }
    }
}

/// Header fields, and their names as far as they are known.
pub(super) type Named<'h, 'b> = (&'h [Header<'b>], &'h [Option<Name>]);

/// The names of header fields.
pub(super) fn names(headers: &[Header<'_>]) -> Names {
    let mut names = NO_NAMES;
    for (name, header) in names.iter_mut().zip(headers) {
        *name = Name::of(header.name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_no_others_are() {
        for (token, expected) in [
            ("Host", Some(Name::Host)),
            ("REFERER", Some(Name::Referer)),
            ("user-agent", Some(Name::UserAgent)),
            ("Content-Language", Some(Name::ContentLanguage)),
            ("Cookie", Some(Name::Cookie)),
            ("Hos~", None),
            ("Hos", None),
            ("te", None),
            ("", None),
            ("Content-Languages", None),
            ("Accept-Languagf", None),
            ("X-Host", None),
        ] {
            assert_eq!(Name::of(token), expected, "{token}");
        }
        for name in Name::ALL {
            assert_eq!(Name::of(name.text()), Some(*name));
            assert_eq!(Name::of(&name.text().to_ascii_uppercase()), Some(*name));
        }
    }

    /// One byte that is another in any place, of those that a token may have,
    /// makes another name.
    #[test]
    fn each_byte_of_a_name_counts() {
        for name in Name::ALL {
            for at in 0..name.text().len() {
                for byte in 0x21..0x7f_u8 {
                    let mut token = name.text().as_bytes().to_vec();
                    token[at] = byte;
                    let token = String::from_utf8(token).unwrap();
                    let same = token.eq_ignore_ascii_case(name.text());
                    assert_eq!(Name::of(&token) == Some(*name), same, "{token}");
                }
            }
        }
    }
}
