//! Command lines (RFC 5321 section 4.1, and the extensions' own).

use memchr::memchr;

/// What a command line asks for, as far as the decoder has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// EHLO or HELO.
    Hello,
    /// LHLO, which makes the dialogue LMTP (RFC 2033).
    Lhlo,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA
    Data,
    /// BDAT (RFC 3030)
    Bdat,
    /// RSET
    Rset,
    /// AUTH (RFC 4954), or a word that begins like it.
    Auth,
    /// STARTTLS (RFC 3207)
    StartTls,
    /// QUIT
    Quit,
    /// A command without consequence for what follows.
    Other,
    /// PASS, which is none of SMTP's, but whose argument is a secret where
    /// somebody speaks POP3 to the wrong port.
    Pass,
    /// Not a verb: other characters than letters, or too many.
    Unlike,
}

/// Verbs by their names.
const VERBS: [(&[u8], Verb); 21] = [
    (b"MAIL", Verb::Mail),
    (b"RCPT", Verb::Rcpt),
    (b"DATA", Verb::Data),
    (b"EHLO", Verb::Hello),
    (b"HELO", Verb::Hello),
    (b"LHLO", Verb::Lhlo),
    (b"QUIT", Verb::Quit),
    (b"RSET", Verb::Rset),
    (b"AUTH", Verb::Auth),
    (b"BDAT", Verb::Bdat),
    (b"STARTTLS", Verb::StartTls),
    (b"NOOP", Verb::Other),
    (b"VRFY", Verb::Other),
    (b"EXPN", Verb::Other),
    (b"HELP", Verb::Other),
    (b"ETRN", Verb::Other),
    (b"XCLIENT", Verb::Other),
    (b"XFORWARD", Verb::Other),
    (b"BURL", Verb::Other),
    (b"TURN", Verb::Other),
    (b"PASS", Verb::Pass),
];

/// Letters of the longest word that is taken for a verb; the longest known
/// ones have eight.
const VERB_LIMIT: usize = 12;

/// A line, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'a> {
    /// The line without its end.
    pub(super) line: &'a [u8],
    /// Whether the first word is a verb that the decoder knows by name.
    pub(super) known: bool,
    /// What it asks for.
    pub(super) verb: Verb,
    /// The first word.
    pub(super) name: &'a [u8],
    /// What stands behind it.
    pub(super) argument: &'a [u8],
}

impl<'a> Command<'a> {
    /// Takes a line apart. Any line can be.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let trimmed = line.trim_ascii();
        let end = trimmed.iter().position(u8::is_ascii_whitespace).unwrap_or(trimmed.len());
        let (name, argument) = trimmed.split_at_checked(end).unwrap_or((trimmed, b""));
        let known = VERBS.iter().find(|(verb, _)| verb.eq_ignore_ascii_case(name));
        let verb = match known {
            Some((_, verb)) => *verb,
            // `AUTH=PLAIN …` and the like carry secrets just as well.
            None if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH")) => {
                Verb::Auth
            }
            None if (1..=VERB_LIMIT).contains(&name.len())
                && name.iter().all(u8::is_ascii_alphabetic) =>
            {
                Verb::Other
            }
            None => Verb::Unlike,
        };
        Self { line, known: known.is_some(), verb, name, argument: argument.trim_ascii() }
    }

    /// Whether the line can hardly be anything but a command: a known verb in
    /// the form that its RFC asks for. Words of a mail's text and SASL
    /// responses seldom are.
    pub(super) fn is_certain(&self) -> bool {
        let alone = self.argument.is_empty();
        match self.verb {
            Verb::Mail => prefixed(self.argument, b"FROM:").is_some(),
            Verb::Rcpt => prefixed(self.argument, b"TO:").is_some(),
            Verb::Hello | Verb::Lhlo => {
                !alone && !self.argument.iter().any(u8::is_ascii_whitespace)
            }
            Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls => alone,
            Verb::Bdat => chunk(self.argument).is_some(),
            Verb::Auth => {
                self.name.len() == 4 && super::auth::Auth::mechanism_of(self.argument).is_some()
            }
            Verb::Other => alone && self.name.eq_ignore_ascii_case(b"NOOP"),
            Verb::Pass | Verb::Unlike => false,
        }
    }

    /// Whether the line is certainly no SASL response: those are Base64, which
    /// has no spaces, but may spell a verb.
    pub(super) fn is_no_response(&self) -> bool {
        !self.argument.is_empty() && self.is_certain()
    }
}

/// What stands behind a keyword, however that is written.
fn prefixed<'a>(argument: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = argument.split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then(|| rest.trim_ascii_start())
}

/// The path of `FROM:<…>` or `TO:<…>`, without brackets and source route.
pub(super) fn path<'a>(argument: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let rest = prefixed(argument, keyword)?;
    let Some(inner) = rest.strip_prefix(b"<") else {
        // Old clients leave the brackets out.
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        return rest.get(..end);
    };
    let mut quoted = false;
    let mut escaped = false;
    let end = inner.iter().position(|byte| {
        let close = *byte == b'>' && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        close
    });
    let path = inner.get(..end.unwrap_or(inner.len()))?;
    // RFC 5321 section 4.1.1.3: a source route is accepted and ignored.
    if path.starts_with(b"@")
        && let Some(colon) = memchr(b':', path)
    {
        return path.get(colon + 1..);
    }
    Some(path)
}

/// Size of the chunk that a BDAT command announces, and whether it is the last
/// (RFC 3030 section 2).
pub(super) fn chunk(argument: &[u8]) -> Option<(u64, bool)> {
    let mut words = argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let digits = words.next()?;
    // `str::parse` would take a plus sign.
    let size = digits.iter().try_fold(0u64, |size, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        size.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some((size, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_in_every_form() {
        for (argument, expected) in [
            ("FROM:<a@b.example>", "a@b.example"),
            ("from: <a@b.example> SIZE=10 BODY=8BITMIME", "a@b.example"),
            ("FROM:<>", ""),
            ("FROM:a@b.example SIZE=1", "a@b.example"),
            ("FROM:<@one.example,@two.example:a@b.example>", "a@b.example"),
            (r#"FROM:<"a>b\"c"@d.example> X"#, r#""a>b\"c"@d.example"#),
            ("FROM:<unclosed", "unclosed"),
        ] {
            assert_eq!(
                path(argument.as_bytes(), b"FROM:"),
                Some(expected.as_bytes()),
                "{argument}"
            );
        }
        assert_eq!(path(b"TO:<a@b>", b"FROM:"), None);
    }

    #[test]
    fn a_chunk_has_a_size_and_may_be_the_last() {
        assert_eq!(chunk(b"1000"), Some((1000, false)));
        assert_eq!(chunk(b"86 last"), Some((86, true)));
        assert_eq!(chunk(b"0 LAST"), Some((0, true)));
        for bad in ["", "LAST", "+5", "-1", "12x", "5 FIRST", "5 LAST 6", "99999999999999999999"] {
            assert_eq!(chunk(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_strict_commands_are_certain() {
        for line in ["MAIL FROM:<a@b>", "rcpt to:<a@b>", "DATA", "quit", "EHLO x", "AUTH PLAIN x"] {
            assert!(Command::parse(line.as_bytes()).is_certain(), "{line}");
        }
        for line in ["Mail came from you", "help me", "Data follow", "dXNlcg==", "EHLO", "AUTH x9"]
        {
            assert!(!Command::parse(line.as_bytes()).is_certain(), "{line}");
        }
        assert!(!Command::parse(b"QUIT").is_no_response(), "QUIT is valid Base64");
    }
}
