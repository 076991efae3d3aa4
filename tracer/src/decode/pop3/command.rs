//! What a line of the client's says, and what of it is secret.

use std::borrow::Cow;

use crate::{
    decode::sasl::Mechanism,
    event::{
        REDACTED, Text,
        pop3::{Auth, CommandFields},
    },
};

/// What follows the status line of a positive response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// Nothing.
    Nothing,
    /// Lines, as many as the server likes.
    Lines,
    /// A mail.
    Mail,
}

/// A command whose response is to be read in its light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that changes nothing here.
    Plain(Follows),
    /// USER, PASS, APOP: may let the client in.
    Login,
    /// AUTH with a mechanism: challenges and responses follow.
    Auth,
    /// STLS.
    Stls,
}

/// The commands: keyword, what their response is when they have an argument,
/// and when they have none (RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856).
/// AUTH without an argument asks for the list of mechanisms, in servers older
/// than CAPA.
const COMMANDS: [(&[u8], Kind, Kind); 18] = {
    use Follows::{Lines, Mail, Nothing};
    use Kind::{Auth, Login, Plain, Stls};
    [
        (b"USER", Login, Login),
        (b"PASS", Login, Login),
        (b"APOP", Login, Login),
        (b"AUTH", Auth, Plain(Lines)),
        (b"STLS", Stls, Stls),
        (b"CAPA", Plain(Lines), Plain(Lines)),
        (b"STAT", Plain(Nothing), Plain(Nothing)),
        (b"LIST", Plain(Nothing), Plain(Lines)),
        (b"UIDL", Plain(Nothing), Plain(Lines)),
        (b"RETR", Plain(Mail), Plain(Mail)),
        (b"TOP", Plain(Mail), Plain(Mail)),
        (b"DELE", Plain(Nothing), Plain(Nothing)),
        (b"NOOP", Plain(Nothing), Plain(Nothing)),
        (b"RSET", Plain(Nothing), Plain(Nothing)),
        (b"LAST", Plain(Nothing), Plain(Nothing)),
        (b"UTF8", Plain(Nothing), Plain(Nothing)),
        (b"LANG", Plain(Nothing), Plain(Lines)),
        (b"QUIT", Plain(Nothing), Plain(Nothing)),
    ]
};

/// Longest name of a mechanism (RFC 4422 section 3.1).
const MECHANISM_LIMIT: usize = 20;

/// Longest keyword (RFC 1939 section 3).
const KEYWORD_LIMIT: usize = 4;

/// A line of the client's, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The keyword, as it is known; `None` for one that is not.
    pub(super) known: Option<&'static [u8]>,
    pub(super) kind: Kind,
    /// What stands before the first blank.
    keyword: &'a [u8],
    /// What stands behind it.
    argument: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Takes a line apart, without its end.
    pub(super) fn new(line: &'a [u8]) -> Self {
        let line = line.trim_ascii();
        let blank = line.iter().position(u8::is_ascii_whitespace);
        let (keyword, argument) = line.split_at(blank.unwrap_or(line.len()));
        let argument = Some(argument.trim_ascii()).filter(|argument| !argument.is_empty());
        let entry = COMMANDS.iter().find(|(known, ..)| keyword.eq_ignore_ascii_case(known));
        let kind = match entry {
            Some((_, with, _)) if argument.is_some() => *with,
            Some((_, _, without)) => *without,
            None => Kind::Plain(Follows::Nothing),
        };
        Self { known: entry.map(|(known, ..)| *known), kind, keyword, argument }
    }

    /// The secret that stands in it, and only in its own words: PASS's
    /// password, APOP's digest. All behind an unknown keyword may be one.
    pub(super) fn secret(&self) -> Option<&'a [u8]> {
        match self.known {
            Some(b"PASS") => self.argument,
            Some(b"APOP" | b"USER") => words(self.argument?).1,
            Some(_) => None,
            None => Some(self.argument.unwrap_or(self.keyword)),
        }
    }

    /// The mechanism of AUTH, and the initial response.
    pub(super) fn sasl(&self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (name, response) = words(self.argument.filter(|_| self.kind == Kind::Auth)?);
        // One that is not known is shown only in the letters that RFC 4422
        // section 3.1 gives it: a secret might stand there.
        let shape = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
        let shaped = (3..=MECHANISM_LIMIT).contains(&name.len()) && name.iter().all(shape);
        (shaped || Mechanism::named(name).is_some()).then_some((name, response))
    }

    /// What may be shown of it.
    pub(super) fn shown(&self, show_secrets: bool) -> CommandFields<'a> {
        let verb = match self.known {
            Some(known) => Some(known.into()),
            // What is no keyword may be a password that was sent too early.
            None if show_secrets || is_keyword(self.keyword) && self.argument.is_some() => {
                Some(Text(self.keyword.to_ascii_uppercase().into()))
            }
            None => None,
        };
        let argument = match self.argument {
            argument if show_secrets => argument.map(Text::from),
            Some(argument) => Some(self.redacted(argument)),
            None if verb.is_none() => Some(Text::REDACTED),
            None => None,
        };
        CommandFields { verb, argument }
    }

    /// The argument without what is secret in it.
    fn redacted(&self, argument: &'a [u8]) -> Text<'a> {
        let before = match self.known {
            Some(b"APOP" | b"USER") => words(argument),
            Some(b"AUTH") => match self.sasl() {
                Some(words) => words,
                None => return Text::REDACTED,
            },
            Some(b"PASS") | None => return Text::REDACTED,
            Some(_) => return argument.into(),
        };
        match before {
            (word, Some(_)) => Text(Cow::Owned([word, b" ", REDACTED].concat())),
            (word, None) => word.into(),
        }
    }

    /// The object `pop3.auth`; the user of `AUTH` is known by its responses.
    pub(super) fn auth(&self, user: Option<&'a [u8]>) -> Option<Auth<'a>> {
        let (mechanism, user) = match self.known? {
            b"USER" => (None, Some(words(self.argument?).0)),
            b"APOP" => (Some("APOP".into()), Some(words(self.argument?).0)),
            b"AUTH" => (Some(Text(self.sasl()?.0.to_ascii_uppercase().into())), user),
            _ => return None,
        };
        Some(Auth { mechanism, user: user.map(Text::from) })
    }
}

/// The first word, and what stands behind it.
fn words(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_ascii();
    (word, Some(rest).filter(|rest| !rest.is_empty()))
}

/// Whether a word looks like a keyword.
fn is_keyword(word: &[u8]) -> bool {
    (3..=KEYWORD_LIMIT).contains(&word.len()) && word.iter().all(u8::is_ascii_alphanumeric)
}
