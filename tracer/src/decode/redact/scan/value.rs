//! Where the value of a secret key stands, and where it ends.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::{
    KEY_LIMIT, Scan,
    quote::{escaped, nested, quote},
};

/// Bytes around a name in which its value may stand: those of a tag, an
/// object or the head of a part.
const NEAR: usize = 512;

/// Attributes and members that hold the value of what another one names.
const VALUES: [&[u8]; 2] = [b"value", b"content"];

impl Scan<'_> {
    /// Hides the content of an element whose name the word is in.
    pub(super) fn element(&mut self, word: Range<usize>) -> Option<usize> {
        let before = self.text.get(word.start.saturating_sub(KEY_LIMIT)..word.start)?;
        let prefix = before
            .iter()
            .rev()
            .take_while(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.')
            })
            .count();
        let name = word.start - prefix..word.end;
        if name.start.checked_sub(1).and_then(|at| self.text.get(at)) != Some(&b'<') {
            return None;
        }
        let mut at = word.end;
        let mut quote = None;
        let content = loop {
            // A tag that does not end has a content nobody can find.
            let Some(byte) = self.text.get(at).filter(|_| at < word.end + NEAR) else {
                return Some(self.hide(word.end..self.text.len()));
            };
            let byte = *byte;
            at += 1;
            match (byte, quote) {
                (b'"' | b'\'', None) => quote = Some(byte),
                (byte, Some(open)) if byte == open => quote = None,
                (b'>', None) => break at,
                _ => {}
            }
        };
        if self.text.get(content.saturating_sub(2)) == Some(&b'/') {
            return Some(content);
        }
        let close = [b"</", self.text.get(name)?].concat();
        let end =
            memmem::find(self.rest(content), &close).map_or(self.text.len(), |at| content + at);
        Some(self.hide(content..end))
    }

    /// What stands behind a quote that may close a key, and whether there is
    /// one.
    pub(super) fn closing_quote(&self, at: usize) -> (usize, bool) {
        match quote(self.rest(at)) {
            Some((length, _)) => (at + length, true),
            None => (at, false),
        }
    }

    /// Where the value begins, if a separator stands at `at`.
    pub(super) fn separator(&self, at: usize) -> Option<usize> {
        let start = self.skip(at, |byte| byte.is_ascii_whitespace() || matches!(byte, b']' | b')'));
        let rest = self.rest(start);
        let length = match rest {
            [b'=' | b':', b'>' | b'=' | b':', ..] => 2,
            [b'=' | b':', ..] => 1,
            [b'\\', ..] => {
                escaped(rest, 0).filter(|byte| matches!(byte, b'=' | b':')).map(|_| 6)?
            }
            _ => return None,
        };
        Some(start + length)
    }

    /// Hides the value at `at`; `of_quoted` when its key is quoted.
    pub(super) fn value(&mut self, at: usize, of_quoted: bool) -> usize {
        let start = self.skip(at, |byte| matches!(byte, b' ' | b'\t'));
        let start =
            if of_quoted { self.skip(at, |byte| byte.is_ascii_whitespace()) } else { start };
        let rest = self.rest(start);
        if let Some((length, form)) = quote(rest) {
            let content = start + length;
            let end = form.end(self.rest(content)).map_or(self.text.len(), |end| content + end);
            return self.hide(content..end);
        }
        match rest.first() {
            Some(b'{' | b'[' | b'(') => {
                let end = nested(rest).map_or(self.text.len(), |length| start + length);
                self.hide(start..end)
            }
            _ if of_quoted => {
                let end = self.skip(start, |byte| !matches!(byte, b',' | b'}' | b']' | b'\n'));
                self.hide(start..end)
            }
            _ => self.line(start),
        }
    }

    /// Hides a value without quotes: to the end of its pair, of the string in
    /// which it stands, or of its line and those folded behind it.
    fn line(&mut self, start: usize) -> usize {
        let quoted = self.quoted;
        let in_tag = self.opened.is_some_and(|at| self.text.get(at) == Some(&b'<'));
        let mut end = start;
        while let Some(byte) = self.text.get(end) {
            match byte {
                b'&' => break,
                b'"' if quoted => break,
                b'\\' if quoted && escaped(self.rest(end), 0) == Some(b'&') => break,
                b'>' if in_tag => break,
                b'\n' if !matches!(self.text.get(end + 1), Some(b' ' | b'\t')) => break,
                _ => end += 1,
            }
        }
        let visible = self.text.get(start..end).unwrap_or_default();
        self.hide(start..start + visible.trim_ascii_end().len());
        end
    }

    /// Hides the value of what the word names where it is a value itself: of
    /// an attribute, a member, an element, or the part of a form.
    pub(super) fn named(&mut self, word: &Range<usize>, after: usize) -> Option<usize> {
        let before = self.text.get(word.start.saturating_sub(NEAR)..word.start)?;
        if let [.., b'>'] = before.trim_ascii_end()
            && self.rest(after).trim_ascii_start().starts_with(b"<")
        {
            return self.next_text(after);
        }
        if is_part_name(before) {
            let head = self.rest(word.end);
            let end = memmem::find(head.get(..NEAR).unwrap_or(head), b"\r\n\r\n");
            let start = end.map_or(self.text.len(), |end| word.end + end + 4);
            let end = memmem::find(self.rest(start), b"\r\n--");
            return Some(self.hide(start..end.map_or(self.text.len(), |end| start + end)));
        }
        let opened = self.opened?.max(word.start.saturating_sub(NEAR));
        self.hide_value_within(opened..word.start);
        let close: u8 = if self.text.get(opened) == Some(&b'<') { b'>' } else { b'}' };
        let rest = self.rest(after);
        let near = rest.get(..NEAR).unwrap_or(rest);
        let end = memchr(close, near).unwrap_or(near.len());
        self.hide_value_within(after..after + end)
    }

    /// Hides the next text between tags.
    fn next_text(&mut self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            let start = at + memchr(b'>', self.rest(at))? + 1;
            let rest = self.rest(start);
            let end = memchr(b'<', rest).unwrap_or(rest.len());
            if !rest.get(..end)?.trim_ascii().is_empty() {
                return Some(self.hide(start..start + end));
            }
            if rest.len() == end {
                return None;
            }
            at = start;
        }
    }

    /// Hides what an attribute or member called `value` holds in this range,
    /// and what lies beyond it of that value.
    pub(super) fn hide_value_within(&mut self, range: Range<usize>) -> Option<usize> {
        let within = self.text.get(range.clone())?;
        let mut at = 0;
        while at < within.len() {
            let rest = within.get(at..)?;
            let (name, length) = VALUES
                .iter()
                .filter_map(|name| Some((memmem::find(rest, name)?, name.len())))
                .min()?;
            at += name + length;
            let (after, quoted) = self.closing_quote(range.start + at);
            if let Some(value) = self.separator(after) {
                return Some(self.value(value, quoted));
            }
        }
        None
    }
}

/// Whether a name at the end of these bytes is that of a part of a form
/// (RFC 7578 section 4.2).
fn is_part_name(before: &[u8]) -> bool {
    let name = before.strip_suffix(b"\"").unwrap_or(before);
    if !name.ends_with(b"name=") {
        return false;
    }
    let field = b"content-disposition:";
    let line = before.windows(field.len()).rposition(|window| window.eq_ignore_ascii_case(field));
    line.and_then(|at| before.get(at..))
        .is_some_and(|line| memmem::find(line, b"\r\n\r\n").is_none())
}
