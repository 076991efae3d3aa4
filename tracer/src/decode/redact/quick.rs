//! A quick look that finds most text to hold no secret: once over its bytes,
//! with a second look only at those that may announce one.

use super::{NAME_LIMIT, is_scheme, is_secret_header, pairs::matches_secret};
use crate::block::{self, Block, Marks};

/// Bytes of the longest name of a scheme, and one that is none of it.
const SCHEME_LIMIT: usize = 10;

/// Whether it is certain that [`text`](super::text) and [`url`](super::url) hide
/// nothing of these bytes.
pub(super) fn holds_no_secret(bytes: &[u8]) -> bool {
    let mut look = Look { bytes, key: 0, behind_blank: 1 };
    let Some(last) = bytes.last_chunk() else {
        return Block::padded(bytes).is_none_or(|block| look.at_block(0, block, Marks::MAX));
    };
    let (whole, rest) = bytes.as_chunks();
    for (number, block) in whole.iter().enumerate() {
        if !look.at_block(number * block::LEN, Block::new(*block), Marks::MAX) {
            return false;
        }
    }
    if rest.is_empty() {
        return true;
    }
    // The last block again, of which only the rest has not been looked at.
    let seen = block::LEN - rest.len();
    look.behind_blank <<= seen;
    look.at_block(bytes.len() - block::LEN, Block::new(*last), Marks::MAX << seen)
}

/// A look that goes from front to end.
struct Look<'a> {
    bytes: &'a [u8],
    /// Where the key at hand begins.
    key: usize,
    /// A mark on the place where the next look begins, if no word does not end
    /// there: behind white space, and in front of all.
    behind_blank: Marks,
}

impl Look<'_> {
    /// Looks at the bytes of a block that `places` marks; `false` when something
    /// may be a secret.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "so that constants stay in registers")]
    fn at_block(&mut self, start: usize, block: Block, places: Marks) -> bool {
        let may_announce = block.within(b'#', b'&').or(block.within(b':', b'@'));
        let blank = block.within(0, b' ').marks();
        let letter = block.or_all(b' ');
        let begins_scheme = letter.is(b'b').or(letter.is(b'n')).marks();
        let words = begins_scheme & (blank << 1 | self.behind_blank);
        self.behind_blank = blank >> (block::LEN - 1);
        let mut marked = (may_announce.marks() | words) & places;
        while marked != 0 {
            let at = start + marked.trailing_zeros() as usize;
            marked &= marked - 1;
            if !self.at(at) {
                return false;
            }
        }
        true
    }

    /// Looks at a byte that may announce a secret, or begin a scheme's name.
    fn at(&mut self, at: usize) -> bool {
        let before = |from: usize| self.bytes.get(from..at).unwrap_or_default();
        match self.bytes.get(at) {
            // The end of userinfo, or an escape: only a whole look says what is
            // hidden.
            Some(b'@' | b'%') => return false,
            // Longer than the key at worst: words are found in it all the same.
            Some(b'=') => return !matches_secret(before(self.key)),
            Some(b':') => return !(may_end_name(before(0)) && names_secret(before(0))),
            Some(b'&' | b';' | b'?' | b'#') => self.key = at + 1,
            Some(byte) if byte.is_ascii_alphabetic() => return !self.is_scheme(at),
            _ => {}
        }
        true
    }

    /// Whether the word here is the name of a scheme, with white space behind.
    fn is_scheme(&self, at: usize) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let begins = |[first, second]: &[u8; 2]| [first | 0x20, second | 0x20];
        if !matches!(
            rest.first_chunk().map(begins),
            Some([b'b', b'a' | b'e'] | [b'n', b'e' | b't'])
        ) {
            return false;
        }
        let near = rest.get(..SCHEME_LIMIT).unwrap_or(rest);
        let end = near.iter().position(u8::is_ascii_whitespace);
        end.and_then(|end| near.get(..end)).is_some_and(is_scheme)
    }
}

/// Whether text that a colon follows can end with the name of a secret header
/// field: that of the shortest has five bytes, which the digits of a time have
/// not.
fn may_end_name(text: &[u8]) -> bool {
    match text {
        [.., before, _, last] if !last.is_ascii_whitespace() => is_of_name(*before),
        _ => true,
    }
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether text that a colon follows ends with the name of a secret header
/// field.
pub(super) fn names_secret(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let text = text.get(text.len().saturating_sub(NAME_LIMIT)..).unwrap_or(text);
    let start = text.iter().rposition(|byte| !is_of_name(*byte)).map_or(0, |last| last + 1);
    is_secret_header(text.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{
        super::{searched_text, searched_url},
        *,
    };

    fn hides(bytes: &[u8]) -> bool {
        [searched_url(bytes), searched_text(bytes)]
            .iter()
            .any(|shown| matches!(shown, Cow::Owned(_)))
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

    /// At each place of texts of all lengths, what may announce a secret is
    /// seen.
    #[test]
    fn secrets_are_seen_wherever_they_stand() {
        let secrets = ["=pass=x", "a@b", "%", "token:", " Basic abcdef", "?sig=", "Negotiate a"];
        for before in 0..40 {
            for behind in 0..40 {
                let [before, behind] = [before, behind].map(|count| "x".repeat(count));
                for secret in secrets {
                    let text = format!("{before} {secret}{behind}");
                    assert!(!holds_no_secret(text.as_bytes()), "{text}");
                }
                let text = format!("{before} q=x basic{behind}x; Bases 10:00{behind}");
                assert!(holds_no_secret(text.as_bytes()), "{text}");
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
