//! Header fields of heads that break rules.

use std::ops::Range;

use httparse::Header;
use memchr::memchr;

use super::{
    head::{before_bare_cr, split_field, without_cr},
    odd::{Odd, Oddities},
};

/// A head whose header fields could not be read as they stand, made readable:
/// folded lines put together, what is no field left out.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    bytes: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// What was wrong.
    pub(super) odd: Oddities,
}

impl Repaired {
    /// Reads the lines of a head behind its start line, cut or whole.
    pub(super) fn new(lines: &[u8]) -> Self {
        let mut repaired = Self::default();
        let mut open = false;
        for line in lines.split(|byte| *byte == b'\n').map(without_cr) {
            match line {
                [] => open = false,
                [b' ' | b'\t', ..] if open => repaired.unfold(line),
                _ => open = repaired.field(line),
            }
        }
        repaired
    }

    fn field(&mut self, line: &[u8]) -> bool {
        let Some((name, value)) = split_field(line) else {
            self.odd.insert(Odd::InvalidHeader);
            return false;
        };
        if line.get(name.len()) != Some(&b':') {
            self.odd.insert(Odd::SpaceBeforeColon);
        }
        self.look_for_bare_cr(line);
        let before = before_bare_cr(value);
        let name = self.push(name.as_bytes());
        let value = self.push(before);
        self.fields.push((name, value));
        true
    }

    /// Appends an obsolete line folding (RFC 9112 section 5.2).
    fn unfold(&mut self, line: &[u8]) {
        self.odd.insert(Odd::ObsFold);
        self.push(b" ");
        self.look_for_bare_cr(line);
        let line = before_bare_cr(line.trim_ascii());
        let end = self.push(line).end;
        if let Some((_, value)) = self.fields.last_mut() {
            value.end = end;
        }
    }

    /// Looks at the whole line: what a value is trimmed of is a CR as well.
    fn look_for_bare_cr(&mut self, line: &[u8]) {
        if memchr(b'\r', line).is_some() {
            self.odd.insert(Odd::BareCr);
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// All fields, in order.
    pub(super) fn fields(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter().filter_map(|(name, value)| {
            let name = str::from_utf8(self.bytes.get(name.clone())?).ok()?;
            Some(Header { name, value: self.bytes.get(value.clone())? })
        })
    }
}
