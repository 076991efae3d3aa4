//! A quick look that finds most text to hold no secret: once over its bytes,
//! with a second look only behind those that may announce one.

use super::{NAME_LIMIT, is_scheme, is_secret_header, pairs::matches_secret};

/// What a byte of a text can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    /// Nothing.
    Plain,
    /// The end of userinfo, or an escape: only a whole look says what is hidden.
    Doubt,
    /// `=`: a key may stand before it.
    Equals,
    /// `:`: a header field's name may stand before it.
    Colon,
    /// White space: the name of a scheme may stand before it.
    Blank,
    /// A key may begin behind it.
    Separator,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            classes[byte as usize] = match byte {
                b'@' | b'%' => Class::Doubt,
                b'=' => Class::Equals,
                b':' => Class::Colon,
                b'&' | b';' | b'?' | b'#' => Class::Separator,
                _ if byte.is_ascii_whitespace() => Class::Blank,
                _ => Class::Plain,
            };
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

/// Bytes that are looked at together.
const WORD: usize = 8;

/// Whether it is certain that [`text`](super::text) and [`url`](super::url) hide
/// nothing of these bytes.
pub(super) fn holds_no_secret(bytes: &[u8]) -> bool {
    let mut look = Look { bytes, word: 0, key: 0 };
    let (words, rest) = bytes.as_chunks();
    let mut start = 0;
    for word in words {
        if !look.all(start, not_plain(u64::from_le_bytes(*word))) {
            return false;
        }
        start += WORD;
    }
    // The last word again, of which only the rest has not been looked at.
    match bytes.last_chunk() {
        _ if rest.is_empty() => true,
        Some(last) => {
            let seen = WORD - rest.len();
            let places = not_plain(u64::from_le_bytes(*last)) & u64::MAX << (seen * 8);
            look.all(start - seen, places)
        }
        None => (0..rest.len()).all(|at| look.at(at)),
    }
}

/// Has the highest bit of each byte set that is not [`Class::Plain`], and of some
/// others: those up to `&`, and from `:` to `@`.
const fn not_plain(word: u64) -> u64 {
    const fn repeat(byte: u8) -> u64 {
        u64::from_le_bytes([byte; WORD])
    }
    let up_to_ampersand = word.wrapping_sub(repeat(b'&' + 1)) & !word;
    let low = word & repeat(0x7f);
    let from_colon = low + repeat(0x80 - b':');
    let behind_at = low + repeat(0x80 - (b'@' + 1));
    (up_to_ampersand | from_colon & !behind_at) & repeat(0x80)
}

/// A look that goes from front to end.
struct Look<'a> {
    bytes: &'a [u8],
    /// Where the word at hand begins.
    word: usize,
    /// Where the key at hand begins.
    key: usize,
}

impl Look<'_> {
    /// Looks at the bytes of a word whose highest bit is set in `places`.
    #[inline]
    fn all(&mut self, start: usize, mut places: u64) -> bool {
        while places != 0 {
            let place = places.trailing_zeros() as usize / WORD;
            places &= places - 1;
            if !self.at(start + place) {
                return false;
            }
        }
        true
    }

    /// Looks at a byte; `false` when something may be a secret.
    fn at(&mut self, at: usize) -> bool {
        let byte = self.bytes.get(at).copied().unwrap_or_default();
        let before = |from: usize| self.bytes.get(from..at).unwrap_or_default();
        match CLASSES.get(usize::from(byte)) {
            None | Some(Class::Doubt) => return false,
            // Longer than the key at worst: words are found in it all the same.
            Some(Class::Equals) => return !matches_secret(before(self.key)),
            Some(Class::Colon) => return !names_secret(before(0)),
            Some(Class::Blank) if is_scheme(before(self.word)) => return false,
            Some(Class::Blank) => self.word = at + 1,
            Some(Class::Separator) => self.key = at + 1,
            Some(Class::Plain) => {}
        }
        true
    }
}

/// Whether text that a colon follows ends with the name of a secret header
/// field.
pub(super) fn names_secret(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let text = text.get(text.len().saturating_sub(NAME_LIMIT)..).unwrap_or(text);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let start = text.iter().rposition(|byte| !is_name(byte)).map_or(0, |last| last + 1);
    is_secret_header(text.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{
        super::{pairs::pairs, quotation, then, userinfo::userinfo},
        *,
    };

    /// What [`text`](super::super::text) and [`url`](super::super::url) make of
    /// bytes without the quick look.
    fn hides(bytes: &[u8]) -> bool {
        let front = (!bytes.starts_with(b"/")).then_some(0);
        let url = then(userinfo(bytes, front), |url| pairs(url, b"&"));
        let text = then(then(userinfo(bytes, None), |text| pairs(text, b"&>\"")), quotation);
        [url, text].iter().any(|shown| matches!(shown, Cow::Owned(_)))
    }

    /// Every text of up to three of these pieces.
    #[test]
    fn what_is_hidden_is_never_passed_over() {
        const PIECES: [&str; 22] = [
            "=", ":", " ", "\t", "&", ";", "?", "/", "//", "@", "%3d", ">", "\"", "pass", "Token",
            "sig", "basic", "Bearer", "Cookie", "abcdef", "x", "#",
        ];
        let mut passed = 0;
        let mut texts = vec![String::new()];
        for _ in 0..3 {
            texts = texts
                .iter()
                .flat_map(|text| PIECES.iter().map(move |piece| format!("{text}{piece}")))
                .collect();
            for text in &texts {
                let quick = holds_no_secret(text.as_bytes());
                assert!(!(quick && hides(text.as_bytes())), "{text:?}");
                passed += usize::from(quick);
            }
        }
        assert!(passed > texts.len() / 2, "the look is of use");
    }

    #[test]
    fn each_byte_that_means_something_is_looked_at() {
        for byte in 0..=u8::MAX {
            for place in 0..WORD {
                for other in [b'x', 0, b'&', 0x7f, 0xff] {
                    let mut word = [other; WORD];
                    word[place] = byte;
                    let seen = not_plain(u64::from_le_bytes(word)) >> (place * 8 + 7) & 1 == 1;
                    let means = CLASSES[usize::from(byte)] != Class::Plain;
                    assert!(seen || !means, "{byte} at {place}");
                }
            }
        }
    }

    #[test]
    fn ordinary_fields_are_passed_over() {
        for text in [
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Mon, 23 Nov 2026 11:04:52 GMT",
            "http://shop.example.test:8080/list?page=3&lang=en",
            "timeout=5, max=100",
        ] {
            assert!(holds_no_secret(text.as_bytes()), "{text}");
        }
    }
}
