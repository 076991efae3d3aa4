//! The arguments of a command: atoms, quoted strings and literals.

use std::borrow::Cow;

use super::message::Parts;

/// The bytes up to the first space.
pub(super) fn word(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}

/// An argument of a command: an atom, a quoted string or a literal.
#[derive(Clone, Debug)]
pub(super) struct Argument<'a> {
    /// Its value, quotes and escapes undone.
    pub(super) value: Cow<'a, [u8]>,
    /// Offset behind its last byte.
    pub(super) end: usize,
}

/// Reads the arguments of a message from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'a> {
    /// The message.
    pub(super) parts: Parts<'a>,
    /// Offset behind the last argument that was read.
    pub(super) at: usize,
}

impl<'a> Arguments<'a> {
    /// The arguments from an offset on, which is behind a word.
    pub(super) const fn new(parts: Parts<'a>, at: usize) -> Self {
        Self { parts, at }
    }

    /// The next argument; `None` when the rest is none, or not well formed.
    pub(super) fn next(&mut self) -> Option<Argument<'a>> {
        let bytes = self.parts.bytes;
        let rest = bytes.get(self.at..)?.strip_prefix(b" ")?;
        let start = self.at + 1;
        let argument = if let Some(inner) = rest.strip_prefix(b"\"") {
            let (value, length) = unquote(inner)?;
            Argument { value, end: start + 1 + length }
        } else if rest.starts_with(b"{") || rest.starts_with(b"~{") {
            self.literal(start)?
        } else {
            let atom = word(rest);
            Argument { value: Cow::Borrowed(atom), end: start + atom.len() }
        };
        if argument.end == start || bytes.get(argument.end).is_some_and(|byte| *byte != b' ') {
            return None;
        }
        self.at = argument.end;
        Some(argument)
    }

    fn literal(&self, start: usize) -> Option<Argument<'a>> {
        let literals = self.parts.literals;
        let (number, literal) =
            literals.iter().enumerate().find(|(_, literal)| literal.header == start)?;
        let whole = *self.parts.sizes.get(number)? == literal.kept as u64;
        let end = literal.start + literal.kept;
        let value = self.parts.bytes.get(literal.start..end)?;
        whole.then_some(Argument { value: Cow::Borrowed(value), end })
    }

    /// Whether nothing but spaces is left.
    pub(super) fn is_done(&self) -> bool {
        self.parts.bytes.get(self.at..).unwrap_or_default().iter().all(|byte| *byte == b' ')
    }
}

/// Reads a quoted string behind its opening quote; returns its value and how
/// many bytes it took, the closing quote included.
pub(super) fn unquote(inner: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let mut value = Cow::Borrowed(&[][..]);
    let mut at = 0;
    loop {
        let rest = inner.get(at..)?;
        let found = memchr::memchr2(b'"', b'\\', rest)?;
        let plain = rest.get(..found)?;
        if rest.get(found) == Some(&b'"') {
            if value.is_empty() {
                value = Cow::Borrowed(plain);
            } else {
                value.to_mut().extend_from_slice(plain);
            }
            return Some((value, at + found + 1));
        }
        value.to_mut().extend_from_slice(plain);
        value.to_mut().push(*rest.get(found + 1)?);
        at += found + 2;
    }
}
