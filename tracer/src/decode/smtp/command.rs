//! Command lines (RFC 5321 section 4.1, and the extensions' own).

use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};

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
    /// BURL (RFC 4468)
    Burl,
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

impl Verb {
    /// Longest line of the command, its end included: 512 bytes (RFC 5321
    /// section 4.5.3.1.4), which the extensions raise for some commands.
    pub(super) const fn line_limit(self) -> usize {
        match self {
            Self::Mail | Self::Rcpt | Self::Burl => 2048,
            Self::Auth => super::LINE_LIMIT,
            _ => 512,
        }
    }
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
    (b"BURL", Verb::Burl),
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
            Verb::Burl | Verb::Pass | Verb::Unlike => false,
        }
    }

    /// Whether the command asks for UTF-8 (RFC 6531 section 3.4 and 3.7.4.2).
    pub(super) fn is_utf8(&self) -> bool {
        let mut words = self.argument.split(u8::is_ascii_whitespace);
        words.any(|word| word.eq_ignore_ascii_case(b"SMTPUTF8"))
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

/// The argument of MAIL or RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// What stands in the brackets, without the source route.
    pub(super) address: &'a [u8],
    /// What stands behind them.
    pub(super) parameters: &'a [u8],
}

impl<'a> Path<'a> {
    /// Reads `FROM:<…>` or `TO:<…>` and the parameters behind it.
    pub(super) fn parse(argument: &'a [u8], keyword: &[u8]) -> Option<Self> {
        let rest = prefixed(argument, keyword)?;
        let Some(inner) = rest.strip_prefix(b"<") else {
            // Old clients leave the brackets out.
            let (address, parameters) = split_unquoted(rest, u8::is_ascii_whitespace)?;
            return Some(Self { address, parameters: parameters.trim_ascii() });
        };
        let (path, rest) = match memchr2(b'"', b'>', inner) {
            Some(end) if inner.get(end) == Some(&b'>') => inner.split_at_checked(end)?,
            _ => split_unquoted(inner, |byte| *byte == b'>')?,
        };
        let parameters = rest.get(1..).unwrap_or_default().trim_ascii();
        // RFC 5321 section 4.1.1.3: a source route is accepted and ignored.
        let colon = memchr(b':', path).filter(|_| path.starts_with(b"@"));
        let address = colon.and_then(|colon| path.get(colon + 1..)).unwrap_or(path);
        Some(Self { address, parameters })
    }
}

/// Splits a text before the first byte that ends it outside of quotes (RFC 5321
/// section 4.1.2: `Quoted-string`).
fn split_unquoted(text: &[u8], ends: fn(&u8) -> bool) -> Option<(&[u8], &[u8])> {
    let (mut quoted, mut escaped) = (false, false);
    let end = text.iter().position(|byte| {
        let end = ends(byte) && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    });
    text.split_at_checked(end.unwrap_or(text.len()))
}

/// Where in the argument of BURL the secrets stand that let the server fetch: a
/// password in the URL, or from there on, and
/// `;URLAUTH=access:mechanism:token` (RFC 4467 section 3).
pub(super) fn url_token(argument: &[u8]) -> Option<Range<usize>> {
    const MARK: &[u8] = b";URLAUTH=";
    let token = || {
        let mark = argument.windows(MARK.len()).position(|part| part.eq_ignore_ascii_case(MARK))?;
        let from = mark + MARK.len();
        let rest = argument.get(from..)?;
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let colon = memrchr(b':', rest.get(..end)?).map_or(0, |colon| colon + 1);
        Some(from + colon..from + end)
    };
    let password = || {
        let from = argument.windows(3).position(|part| part == b"://")? + 3;
        let user = argument.get(from..)?.split(|byte| *byte == b'@').next()?;
        let end = from + user.len();
        let colon = memrchr(b':', user).filter(|_| argument.get(end) == Some(&b'@'))?;
        Some(from + colon + 1..end)
    };
    match (password(), token()) {
        (Some(password), Some(token)) => Some(password.start..token.end.max(password.end)),
        (one, other) => one.or(other),
    }
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
            (r#"FROM:"a b"@c.example SIZE=1"#, r#""a b"@c.example"#),
            ("FROM:<@one.example,@two.example:a@b.example>", "a@b.example"),
            (r#"FROM:<"a>b\"c"@d.example> X"#, r#""a>b\"c"@d.example"#),
            ("FROM:<unclosed", "unclosed"),
        ] {
            let path = Path::parse(argument.as_bytes(), b"FROM:");
            assert_eq!(path.map(|path| path.address), Some(expected.as_bytes()), "{argument}");
        }
        assert_eq!(Path::parse(b"TO:<a@b>", b"FROM:"), None);
        let path = Path::parse(b"FROM:<a@b> SIZE=1  BODY=7BIT ", b"FROM:");
        assert_eq!(path.map(|path| path.parameters), Some(&b"SIZE=1  BODY=7BIT"[..]));
    }

    #[test]
    fn the_token_of_a_url() {
        let burl = b"imap://h/INBOX;UID=1;urlauth=submit+me:internal:91354a LAST";
        assert_eq!(url_token(burl).and_then(|token| burl.get(token)), Some(&b"91354a"[..]));
        let burl = b"imap://h/;URLAUTH=91354a";
        assert_eq!(url_token(burl).and_then(|token| burl.get(token)), Some(&b"91354a"[..]));
        assert_eq!(url_token(b"imap://h/INBOX LAST"), None);
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
