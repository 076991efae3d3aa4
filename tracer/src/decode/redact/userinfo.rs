//! The userinfo of URLs: `user:password@` before a host (RFC 3986 section 3.2.1).

use std::borrow::Cow;

use memchr::{memchr, memmem, memrchr};

use crate::event::REDACTED;

/// Replaces the userinfo of every authority: behind each `//`, and at `front`
/// where a target may be an authority alone (CONNECT).
pub(super) fn userinfo(url: &[u8], front: Option<usize>) -> Cow<'_, [u8]> {
    let Some(last) = memrchr(b'@', url) else { return Cow::Borrowed(url) };
    let mut shown = Vec::new();
    let mut copied = 0;
    let mut words = Words { url, end: 0, at: None };
    // Before this, nothing is looked at twice: a URL may be slashes only.
    let mut looked = 0;
    let starts = memmem::find_iter(url, b"//").map(|at| at + 2);
    for mut start in front.into_iter().chain(starts) {
        if start < looked {
            continue;
        }
        while url.get(start) == Some(&b'/') {
            start += 1;
        }
        if start > last {
            break;
        }
        looked = start + 1;
        let Some(at) = words.userinfo_end(start) else { continue };
        shown.extend_from_slice(url.get(copied..start).unwrap_or_default());
        shown.extend_from_slice(REDACTED);
        copied = at;
        looked = at + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(url);
    }
    shown.extend_from_slice(url.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// What stands between blanks and brackets in text with URLs: the last one
/// that was looked at.
struct Words<'a> {
    url: &'a [u8],
    /// Where it ends.
    end: usize,
    /// Where its last `@` stands.
    at: Option<usize>,
}

impl Words<'_> {
    /// Where the `@` stands that ends the userinfo of the authority that begins
    /// at `start`, which never goes back.
    fn userinfo_end(&mut self, start: usize) -> Option<usize> {
        let authority = self.url.get(start..)?;
        let end = authority
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'<' | b'>' | b'"' | b' '));
        let inside = end.map_or(authority, |end| authority.get(..end).unwrap_or_default());
        if let Some(at) = memrchr(b'@', inside) {
            return Some(start + at);
        }
        // A password may hold the delimiters unescaped; then what looks like
        // the port is no number.
        let colon = memchr(b':', inside)?;
        let port = inside.get(colon + 1..).unwrap_or_default();
        if port.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if start >= self.end {
            let word = authority.iter().position(|byte| matches!(byte, b'<' | b'>' | b'"' | b' '));
            self.end = word.map_or(self.url.len(), |end| start + end);
            self.at = memrchr(b'@', self.url.get(start..self.end)?).map(|at| start + at);
        }
        self.at.filter(|at| *at >= start)
    }
}
