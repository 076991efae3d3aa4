//! Address lists (RFC 5322 section 3.4), as they are and as they should be.

use std::borrow::Cow;

/// A piece of a structured field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// Blanks and comments.
    Space,
    /// One of `,;:<>`.
    Mark(u8),
    /// A quoted string or a domain literal, with what encloses it.
    Enclosed(&'a [u8]),
    /// Anything else.
    Atom(&'a [u8]),
}

/// Bytes that end an atom.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const SPECIAL: [bool; 256] = {
    let ends = b" \t\r\n(,;:<>\"[";
    let mut special = [false; 256];
    let mut at = 0;
    while at < ends.len() {
        special[ends[at] as usize] = true;
        at += 1;
    }
    special
};

/// The token at the front of a value, and its length.
fn token(value: &[u8]) -> Option<(Token<'_>, usize)> {
    let first = value.first()?;
    Some(match first {
        b' ' | b'\t' | b'\r' | b'\n' => (Token::Space, 1),
        b'(' => (Token::Space, comment_len(value)),
        b',' | b';' | b':' | b'<' | b'>' => (Token::Mark(*first), 1),
        b'"' | b'[' => {
            let close = if *first == b'"' { b'"' } else { b']' };
            let len = enclosed_len(value, close);
            (Token::Enclosed(value.get(..len)?), len)
        }
        _ => {
            let special = |byte: &u8| SPECIAL.get(usize::from(*byte)) == Some(&true);
            let len = value.iter().position(special).unwrap_or(value.len()).max(1);
            (Token::Atom(value.get(..len)?), len)
        }
    })
}

/// Length of the comment at the front; comments nest.
pub(super) fn comment_len(value: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => {
                escaped = false;
                continue;
            }
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    value.len()
}

/// Length of what is enclosed at the front, up to the byte that closes it.
pub(super) fn enclosed_len(value: &[u8], close: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in value.iter().enumerate().skip(1) {
        if !escaped && *byte == close {
            return at + 1;
        }
        escaped = !escaped && *byte == b'\\';
    }
    value.len()
}

/// What stands between two commas.
#[derive(Default)]
struct Mailbox<'a> {
    /// Words outside of angle brackets.
    words: Vec<Cow<'a, [u8]>>,
    /// Blanks stand behind the last word.
    apart: bool,
    /// What stands in angle brackets.
    angle: Option<Cow<'a, [u8]>>,
    in_angle: bool,
}

/// Adds to bytes, which are borrowed as long as they are one piece.
fn extend<'a>(bytes: &mut Cow<'a, [u8]>, piece: &'a [u8]) {
    if bytes.is_empty() {
        *bytes = Cow::Borrowed(piece);
    } else {
        bytes.to_mut().extend_from_slice(piece);
    }
}

impl<'a> Mailbox<'a> {
    fn push(&mut self, piece: &'a [u8]) {
        let apart = std::mem::take(&mut self.apart);
        if self.in_angle {
            return extend(self.angle.get_or_insert_default(), piece);
        }
        let joint = |byte: Option<&u8>| matches!(byte, Some(b'@' | b'.'));
        match self.words.last_mut() {
            Some(word) if !apart || joint(word.last()) || joint(piece.first()) => {
                extend(word, piece);
            }
            _ => self.words.push(Cow::Borrowed(piece)),
        }
    }

    /// Whether a comma or colon belongs to a source route (RFC 5322 section
    /// 4.4).
    fn in_route(&self) -> bool {
        self.in_angle && self.angle.as_ref().is_some_and(|angle| angle.starts_with(b"@"))
    }

    /// The address: what stands in the brackets; without them the word with
    /// an `@`, or the only one.
    fn end(&mut self) -> Option<Cow<'a, [u8]>> {
        (self.apart, self.in_angle) = (false, false);
        let with_at = self.words.iter().position(|word| word.contains(&b'@'));
        let only = (self.words.len() == 1).then_some(0);
        let word = with_at.or(only).map(|at| self.words.swap_remove(at));
        self.words.clear();
        let Some(angle) = self.angle.take() else { return word };
        let route = memchr::memchr(b':', &angle).filter(|_| angle.starts_with(b"@"));
        let address = match (route, angle) {
            (None, angle) => angle,
            (Some(colon), Cow::Borrowed(angle)) => {
                angle.get(colon + 1..).unwrap_or_default().into()
            }
            (Some(colon), Cow::Owned(mut angle)) => angle.split_off(colon + 1).into(),
        };
        Some(address).filter(|address| !address.is_empty())
    }
}

/// The addresses of a list, without names, comments, routes and the names of
/// groups.
pub(super) fn addresses(value: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut found = Vec::new();
    let mut mailbox = Mailbox::default();
    let mut rest = value;
    while let Some((token, len)) = token(rest) {
        rest = rest.get(len..).unwrap_or_default();
        match token {
            Token::Space => mailbox.apart = true,
            Token::Atom(piece) | Token::Enclosed(piece) => mailbox.push(piece),
            Token::Mark(mark @ (b',' | b':')) if mailbox.in_route() => {
                mailbox.push(if mark == b',' { b"," } else { b":" });
            }
            Token::Mark(b'<') => {
                mailbox.in_angle = true;
                mailbox.angle = Some(Cow::default());
            }
            Token::Mark(b'>') => mailbox.in_angle = false,
            Token::Mark(b':') if mailbox.in_angle => mailbox.push(b":"),
            // What stood before it was a group's name.
            Token::Mark(b':') => mailbox = Mailbox::default(),
            Token::Mark(_) => found.extend(mailbox.end()),
        }
    }
    found.extend(mailbox.end());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_form() {
        for (value, expected) in [
            ("a@b.example", &["a@b.example"][..]),
            ("A B <a@b.example>, c@d.example", &["a@b.example", "c@d.example"]),
            (r#""Last, First" <a@b.example>"#, &["a@b.example"]),
            (r#""a \" <x@y>, b" <a@b.example>"#, &["a@b.example"]),
            ("a@b.example (A (nested \\) one), B)", &["a@b.example"]),
            ("(c) <a@b.example> (d)", &["a@b.example"]),
            ("Group: a@b.example, B <b@c.example>;", &["a@b.example", "b@c.example"]),
            ("A:b@c,d@e;, f@g", &["b@c", "d@e", "f@g"]),
            ("undisclosed-recipients:;", &[]),
            ("Undisclosed recipients", &[]),
            ("root", &["root"]),
            ("<@one.example,@two.example:a@b.example>", &["a@b.example"]),
            ("Pete(A nice chap) <pete(his account)@silly.test(his host)>", &["pete@silly.test"]),
            ("john . doe @ b . example", &["john.doe@b.example"]),
            (r#""john doe"@b.example"#, &[r#""john doe"@b.example"#]),
            ("a@[IPv6:::1]", &["a@[IPv6:::1]"]),
            ("<a@[IPv6:::1]>", &["a@[IPv6:::1]"]),
            ("a@b;c@d", &["a@b", "c@d"]),
            ("John Doe a@b.example", &["a@b.example"]),
            ("John <a@b.example", &["a@b.example"]),
            ("<>", &[]),
            ("mailto:a@b", &["a@b"]),
            (",, ,a@b,", &["a@b"]),
            ("用户@例子.example", &["用户@例子.example"]),
            ("a@xn--fsqu00a.example", &["a@xn--fsqu00a.example"]),
            ("(open comment", &[]),
            ("\"open quote", &["\"open quote"]),
            ("", &[]),
        ] {
            let found = addresses(value.as_bytes());
            let found: Vec<_> = found.iter().map(|one| String::from_utf8_lossy(one)).collect();
            assert_eq!(found, expected, "{value}");
        }
    }
}
