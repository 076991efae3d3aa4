//! Header fields of heads that break rules.

use memchr::memchr;

use super::{
    fields::Fields,
    head::{before_bare_cr, split_field, without_cr},
    odd::{Odd, Oddities},
};

/// A head whose header fields could not be read as they stand, made readable:
/// folded lines put together, what is no field left out.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    /// The fields.
    pub(super) fields: Fields,
    /// What was wrong.
    pub(super) odd: Oddities,
}

impl Repaired {
    /// Reads the lines of a head behind its start line, cut or whole.
    pub(super) fn new(lines: &[u8]) -> Self {
        let mut repaired = Self::default();
        let mut open = None;
        for line in lines.split(|byte| *byte == b'\n').map(without_cr) {
            match (line, open) {
                ([], _) => open = None,
                ([b' ' | b'\t', ..], Some(name)) => repaired.unfold(name, line),
                _ => open = repaired.field(line),
            }
        }
        repaired
    }

    /// Takes a field line, and returns the field's name.
    fn field<'a>(&mut self, line: &'a [u8]) -> Option<&'a str> {
        let Some((name, value)) = split_field(line) else {
            self.odd.insert(Odd::InvalidHeader);
            return None;
        };
        if line.get(name.len()) != Some(&b':') {
            self.odd.insert_of(Odd::SpaceBeforeColon, name.as_bytes());
        }
        self.look_for_controls(name, line);
        self.fields.push(name, before_bare_cr(value));
        Some(name)
    }

    /// Appends an obsolete line folding (RFC 9112 section 5.2).
    fn unfold(&mut self, name: &str, line: &[u8]) {
        self.odd.insert_of(Odd::ObsFold, name.as_bytes());
        self.look_for_controls(name, line);
        self.fields.extend_last(b" ");
        self.fields.extend_last(before_bare_cr(line.trim_ascii()));
    }

    /// Looks at the whole line: what a value is trimmed of is a CR as well.
    fn look_for_controls(&mut self, name: &str, line: &[u8]) {
        for (odd, found) in [
            (Odd::BareCr, memchr(b'\r', line).is_some()),
            (Odd::NulInHeader, memchr(0, line).is_some()),
            (
                Odd::ControlInHeader,
                line.iter()
                    .any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | 0)),
            ),
        ] {
            if found {
                self.odd.insert_of(odd, name.as_bytes());
            }
        }
    }
}
