//! Parts within parts: the boundaries that separate them (RFC 2046 section
//! 5.1.1).

use super::size::Identity;

/// A multipart, or a mail within the mail, that is not over.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// What separates its parts; a mail has none.
    pub(super) boundary: Option<Box<[u8]>>,
    /// Its parts are mails unless they say otherwise (RFC 2046 section 5.1.5).
    pub(super) digest: bool,
    /// A mail that is an attachment: its index, and its bytes.
    pub(super) attachment: Option<(usize, Identity)>,
}

impl Level {
    /// Whether a line that begins like this may be a delimiter.
    pub(super) fn may_be(&self, line: &[u8]) -> bool {
        let Some(boundary) = &self.boundary else { return false };
        let dashes = line.get(..2).unwrap_or(line);
        let behind = line.get(2..).unwrap_or_default();
        b"--".starts_with(dashes)
            && match behind.get(boundary.len()..) {
                Some(rest) => behind.starts_with(boundary) && b"--".starts_with(rest),
                None => boundary.starts_with(behind),
            }
    }

    /// Whether a line, without blanks at its end, separates parts (`false`) or
    /// ends the last one (`true`).
    pub(super) fn delimiter(&self, line: &[u8]) -> Option<bool> {
        match line.strip_prefix(b"--")?.strip_prefix(self.boundary.as_deref()?)? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        }
    }
}
