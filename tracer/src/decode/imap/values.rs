//! Values in what a server says: atoms, strings and parenthesized lists of them
//! (RFC 9051 section 4), with sections such as `BODY[HEADER.FIELDS (TO)]<0>`.

use std::borrow::Cow;

use super::{arguments::unquote, message::Parts};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// An atom, NIL included.
    Atom(&'a [u8]),
    /// A quoted string or a literal.
    String(Cow<'a, [u8]>),
    /// A literal that was not kept.
    Lost,
    /// What stands between parentheses.
    List(Values<'a>),
}

impl<'a> Value<'a> {
    /// Its bytes, unless it is a list.
    pub(super) fn string(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Atom(atom) => Some(atom.into()),
            Self::String(text) => Some(text),
            Self::Lost | Self::List(_) => None,
        }
    }

    /// Its bytes, unless it is a list or NIL.
    pub(super) fn text(self) -> Option<Cow<'a, [u8]>> {
        let nil = matches!(self, Self::Atom(atom) if atom.eq_ignore_ascii_case(b"NIL"));
        self.string().filter(|_| !nil)
    }

    /// What stands in it, if it is a list.
    pub(super) fn list(self) -> Option<Values<'a>> {
        match self {
            Self::List(values) => Some(values),
            Self::Atom(_) | Self::String(_) | Self::Lost => None,
        }
    }
}

/// Values from left to right, up to the first that is not well formed.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    parts: Parts<'a>,
    at: usize,
    end: usize,
}

impl<'a> Values<'a> {
    /// The values of a message from an offset on.
    pub(super) const fn new(parts: Parts<'a>, at: usize) -> Self {
        Self { parts, at, end: parts.bytes.len() }
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.parts.bytes.get(at..self.end).unwrap_or_default()
    }

    /// The quoted string at an offset, and the offset behind it.
    fn quoted(&self, at: usize) -> Option<(Cow<'a, [u8]>, usize)> {
        let (text, length) = unquote(self.rest(at).strip_prefix(b"\"")?)?;
        Some((text, at + 1 + length))
    }

    /// The literal whose header stands at an offset, and the offset behind it.
    fn literal(&self, at: usize) -> Option<(Value<'a>, usize)> {
        let literals = self.parts.literals;
        let number = literals.binary_search_by_key(&at, |literal| literal.header).ok()?;
        let literal = literals.get(number)?;
        let end = literal.start + literal.kept;
        let whole = self.parts.sizes.get(number) == Some(&(literal.kept as u64));
        let octets = self.parts.bytes.get(literal.start..end).filter(|_| whole);
        Some((octets.map_or(Value::Lost, |octets| Value::String(octets.into())), end))
    }

    /// The end of what begins at an offset with an opening bracket, behind the
    /// closing one.
    fn closed(&self, mut at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest(at);
            at += rest.iter().position(|byte| b"()[]\"{~".contains(byte))?;
            match self.rest(at).first()? {
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth -= 1,
                b'"' => {
                    (_, at) = self.quoted(at)?;
                    continue;
                }
                b'{' | b'~' => {
                    if let Some((_, end)) = self.literal(at) {
                        at = end;
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }

    fn atom(&self, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            let rest = self.rest(at);
            at += rest.iter().position(|byte| b" ()[\"".contains(byte)).unwrap_or(rest.len());
            match self.rest(at).first() {
                Some(b'[') => at = self.closed(at)?,
                _ => break,
            }
        }
        Some(at).filter(|at| *at > start)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rest(self.at).first() == Some(&b' ') {
            self.at += 1;
        }
        let start = self.at;
        let (value, end) = match self.rest(start).first()? {
            b'(' => {
                let end = self.closed(start)?;
                (Value::List(Self { at: start + 1, end: end - 1, ..*self }), end)
            }
            b'"' => {
                let (text, end) = self.quoted(start)?;
                (Value::String(text), end)
            }
            _ => {
                let atom = || {
                    let end = self.atom(start)?;
                    Some((Value::Atom(self.parts.bytes.get(start..end)?), end))
                };
                self.literal(start).or_else(atom)?
            }
        };
        self.at = end;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the values say, in a form of its own.
    fn said(values: Values<'_>) -> String {
        let words = values.map(|value| match value {
            Value::Atom(atom) => String::from_utf8_lossy(atom).into_owned(),
            Value::String(text) => format!("'{}'", String::from_utf8_lossy(&text)),
            Value::Lost => "?".to_owned(),
            Value::List(values) => format!("<{}>", said(values)),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_of_every_form() {
        for (line, values) in [
            ("", ""),
            ("a  b", "a b"),
            ("(a (b \"c)\") ()) NIL", "<a <b 'c)'> <>> NIL"),
            ("((1)(2))\"x\"", "<<1> <2>> 'x'"),
            ("BODY[HEADER.FIELDS (TO \"]\")]<0> \"\"", "BODY[HEADER.FIELDS (TO \"]\")]<0> ''"),
            ("a (b", "a"),
            ("a )b", "a"),
            ("a[b", ""),
            ("\"a", ""),
            ("()", "<>"),
            ("{5}", "{5}"),
        ] {
            assert_eq!(said(Values::new(Parts::line(line.as_bytes()), 0)), values, "{line}");
        }
    }
}
