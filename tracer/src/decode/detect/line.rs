//! First lines.

use super::{First, Likeness};

impl<'a> First<'a> {
    /// The first line without its end, if it is complete; what there is of it,
    /// if no more will come.
    pub(crate) fn line(&self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.bytes);
        let line = match end {
            Some(end) => self.bytes.get(..end)?,
            None if self.whole => self.bytes,
            None => return None,
        };
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether the bytes begin with `text`, in whatever case; unclear as long
    /// as they may yet.
    pub(crate) fn begins_with(&self, text: &[u8]) -> Likeness {
        let len = self.bytes.len().min(text.len());
        let (Some(bytes), Some(begin)) = (self.bytes.get(..len), text.get(..len)) else {
            return Likeness::Unlike;
        };
        match bytes.eq_ignore_ascii_case(begin) {
            true if len == text.len() => Likeness::Like,
            true if !self.whole => Likeness::Unclear,
            _ => Likeness::Unlike,
        }
    }

    /// Whether they begin with one of `texts`.
    pub(crate) fn begins_with_one(&self, texts: &[&[u8]]) -> Likeness {
        let each = texts.iter().map(|text| self.begins_with(text));
        each.max().unwrap_or(Likeness::Unlike)
    }

    /// Whether they begin with one of a protocol's `own` commands; unclear with
    /// one that is `shared` with others.
    pub(crate) fn begins_with_command(&self, own: &[&[u8]], shared: &[&[u8]]) -> Likeness {
        match self.begins_with_one(own) {
            Likeness::Unlike if self.begins_with_one(shared) > Likeness::Unlike => {
                Likeness::Unclear
            }
            known => known,
        }
    }
}
