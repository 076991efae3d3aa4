//! How many bytes a content has once its transfer encoding is undone (RFC 2045
//! section 6), counted as its bytes pass.

use memchr::{memchr, memchr3};

/// Counts a content's bytes.
#[derive(Clone, Debug)]
pub(super) enum Size {
    /// As they were sent: `7bit`, `8bit`, `binary`, and encodings that nobody
    /// knows.
    Identity(Identity),
    /// `base64`
    Base64(Base64),
    /// `quoted-printable`
    QuotedPrintable(QuotedPrintable),
}

impl Size {
    /// A count for a content of this Content-Transfer-Encoding, in lower case.
    pub(super) fn new(encoding: &[u8]) -> Self {
        match encoding {
            b"base64" => Self::Base64(Base64::default()),
            b"quoted-printable" => Self::QuotedPrintable(QuotedPrintable::default()),
            _ => Self::Identity(Identity::default()),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Identity(identity) => identity.push(bytes),
            Self::Base64(base64) => base64.push(bytes),
            Self::QuotedPrintable(quoted) => quoted.push_all(bytes),
        }
    }

    /// The count. The line end before a boundary is the boundary's (RFC 2046
    /// section 5.1.1).
    pub(super) fn end(&self, boundary: bool) -> u64 {
        match self {
            Self::Identity(identity) => identity.end(boundary),
            Self::Base64(base64) => base64.end(),
            Self::QuotedPrintable(quoted) => quoted.end(boundary),
        }
    }
}

/// Bytes as they are, and the end of the last line.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    bytes: u64,
    last: [u8; 2],
}

impl Identity {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.last = match bytes {
            [.., one, two] => [*one, *two],
            [one] => [self.last[1], *one],
            [] => self.last,
        };
    }

    pub(super) fn end(&self, boundary: bool) -> u64 {
        let line_end = match self.last {
            [b'\r', b'\n'] => 2,
            [_, b'\n'] => 1,
            _ => 0,
        };
        self.bytes - if boundary { line_end } else { 0 }
    }
}

/// Characters of Base64; whatever else stands between them is passed over (RFC
/// 2045 section 6.8).
#[derive(Clone, Debug, Default)]
pub(super) struct Base64 {
    bytes: u64,
    /// Characters since the last padding.
    digits: u64,
}

impl Base64 {
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = memchr(b'=', rest) {
            self.digits += digits(rest.get(..at).unwrap_or_default());
            self.bytes = self.end();
            self.digits = 0;
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        self.digits += digits(rest);
    }

    const fn end(&self) -> u64 {
        self.bytes + self.digits / 4 * 3 + (self.digits % 4).saturating_sub(1)
    }
}

/// How many characters of Base64 there are.
fn digits(bytes: &[u8]) -> u64 {
    // Sums in bytes, as many as one holds, are added up many at a time.
    let sums = bytes.chunks(usize::from(u8::MAX));
    sums.map(|run| u64::from(run.iter().map(|byte| digit(*byte)).sum::<u8>())).sum()
}

/// 1 for a character of Base64, else 0; without branches.
fn digit(byte: u8) -> u8 {
    let letter = u8::from((byte | 0x20).wrapping_sub(b'a') < 26);
    let number = u8::from(byte.wrapping_sub(b'0') < 10);
    letter | number | u8::from(byte == b'+') | u8::from(byte == b'/')
}

/// Quoted-printable: `=XX` is a byte, `=` at the end of a line nothing, and so
/// are blanks there.
#[derive(Clone, Debug, Default)]
pub(super) struct QuotedPrintable {
    bytes: u64,
    at: At,
    /// Blanks, and then a CR, that may end a line.
    blanks: u64,
    /// Length of the line end that came last.
    line_end: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    /// Behind a CR.
    Cr,
    /// Behind `=`, and what may follow it before the line's end.
    Soft,
    /// Behind `=` and a digit.
    Digit,
}

impl QuotedPrintable {
    fn push_all(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if self.at != At::Text {
                self.push(*first);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (run, behind) = match memchr3(b'=', b'\r', b'\n', rest) {
                Some(at) => rest.split_at(at),
                None => (rest, &b""[..]),
            };
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            let text = run.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
            if text > 0 {
                self.count(text as u64);
            }
            self.blanks += (run.len() - text) as u64;
            rest = behind;
            if let Some((special, behind)) = behind.split_first() {
                self.push(*special);
                rest = behind;
            }
        }
    }

    fn push(&mut self, byte: u8) {
        match (self.at, byte) {
            (At::Soft, b' ' | b'\t' | b'\r') => {}
            (At::Soft, b'\n') => {
                self.at = At::Text;
                self.line_end = 0;
            }
            (At::Soft, _) if byte.is_ascii_hexdigit() => self.at = At::Digit,
            (At::Digit, _) if byte.is_ascii_hexdigit() => {
                self.count(1);
                self.at = At::Text;
            }
            // No encoding: what was sent stays.
            (At::Soft | At::Digit, _) => {
                self.count(if self.at == At::Soft { 1 } else { 2 });
                self.at = At::Text;
                self.push(byte);
            }
            (At::Text | At::Cr, b'\n') => {
                let line_end = if self.at == At::Cr { 2 } else { 1 };
                self.blanks = 0;
                self.bytes += line_end;
                self.line_end = line_end;
                self.at = At::Text;
            }
            (At::Cr, _) => {
                self.count(1);
                self.at = At::Text;
                self.push(byte);
            }
            (At::Text, b'\r') => self.at = At::Cr,
            (At::Text, b'=') => self.at = At::Soft,
            (At::Text, b' ' | b'\t') => self.blanks += 1,
            (At::Text, _) => self.count(1),
        }
    }

    /// Counts bytes, and the blanks before them, which did not end the line.
    fn count(&mut self, bytes: u64) {
        self.bytes += std::mem::take(&mut self.blanks) + bytes;
        self.line_end = 0;
    }

    fn end(&self, boundary: bool) -> u64 {
        self.bytes - if boundary { self.line_end } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_counted_however_cut() {
        for (encoding, content, boundary, expected) in [
            ("7bit", "ab\r\nc\r\n", false, 7),
            ("7bit", "ab\r\nc\r\n", true, 5),
            ("8bit", "ab\n", true, 2),
            ("x-other", "ab", true, 2),
            ("base64", "YWJj\r\nZA==\r\n", true, 4),
            ("base64", "YWI\r\n", true, 2),
            ("base64", "YQ==YWI=YWJj", true, 6),
            ("base64", "Y!W-J j", false, 3),
            ("base64", "Y", false, 0),
            ("quoted-printable", "a=3Db=\r\nc  \r\nd\r\n", true, 7),
            ("quoted-printable", "a b =20\r\n", true, 5),
            ("quoted-printable", "=E9=C3 x", false, 4),
            ("quoted-printable", "=zz=3z\r\n", false, 8),
            ("quoted-printable", "a= \r\nb\rc\n", true, 4),
        ] {
            for cut in 1..=content.len() {
                let mut size = Size::new(encoding.as_bytes());
                content.as_bytes().chunks(cut).for_each(|piece| size.push(piece));
                assert_eq!(size.end(boundary), expected, "{encoding} {content:?} {cut}");
            }
        }
    }
}
