//! What a command says, and what of it may be shown.

use std::borrow::Cow;

use super::{
    arguments::{Arguments, word},
    mailbox::{Charset, readable},
    message::Parts,
    urlauth,
    values::{Value, Values},
};
use crate::{
    decode::sasl::{Exchange, Mechanism},
    event::{REDACTED, Text},
};

/// Words of a malformed LOGIN that are taken for secrets.
const WORDS_LIMIT: usize = 12;

/// What a command does to the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Carries a password.
    Login,
    /// Begins a SASL exchange.
    Authenticate,
    /// Makes TLS of the connection.
    StartTls,
    /// Makes DEFLATE of the connection.
    Compress,
    /// Waits, to be ended by DONE.
    Idle,
    /// What it does is not known.
    Unknown,
    /// Nothing that matters here.
    Other,
}

/// Which argument names a mailbox, counted from 0.
type MailboxAt = Option<usize>;

/// Commands of RFC 9051, RFC 3501 and the extensions registered with IANA.
const COMMANDS: &[(&str, Kind, MailboxAt)] = &[
    ("FETCH", Kind::Other, None),
    ("STORE", Kind::Other, None),
    ("SELECT", Kind::Other, Some(0)),
    ("STATUS", Kind::Other, Some(0)),
    ("LIST", Kind::Other, None),
    ("NOOP", Kind::Other, None),
    ("IDLE", Kind::Idle, None),
    ("LOGIN", Kind::Login, None),
    ("AUTHENTICATE", Kind::Authenticate, None),
    ("CAPABILITY", Kind::Other, None),
    ("LOGOUT", Kind::Other, None),
    ("STARTTLS", Kind::StartTls, None),
    ("EXAMINE", Kind::Other, Some(0)),
    ("CREATE", Kind::Other, Some(0)),
    ("DELETE", Kind::Other, Some(0)),
    ("RENAME", Kind::Other, Some(0)),
    ("SUBSCRIBE", Kind::Other, Some(0)),
    ("UNSUBSCRIBE", Kind::Other, Some(0)),
    ("LSUB", Kind::Other, None),
    ("XLIST", Kind::Other, None),
    ("NAMESPACE", Kind::Other, None),
    ("APPEND", Kind::Other, Some(0)),
    ("CHECK", Kind::Other, None),
    ("CLOSE", Kind::Other, None),
    ("UNSELECT", Kind::Other, None),
    ("EXPUNGE", Kind::Other, None),
    ("SEARCH", Kind::Other, None),
    ("ESEARCH", Kind::Other, None),
    ("SORT", Kind::Other, None),
    ("THREAD", Kind::Other, None),
    ("COPY", Kind::Other, Some(1)),
    ("MOVE", Kind::Other, Some(1)),
    ("REPLACE", Kind::Other, Some(1)),
    ("ENABLE", Kind::Other, None),
    ("ID", Kind::Other, None),
    ("COMPRESS", Kind::Compress, None),
    ("NOTIFY", Kind::Other, None),
    ("GETACL", Kind::Other, Some(0)),
    ("SETACL", Kind::Other, Some(0)),
    ("DELETEACL", Kind::Other, Some(0)),
    ("LISTRIGHTS", Kind::Other, Some(0)),
    ("MYRIGHTS", Kind::Other, Some(0)),
    ("GETQUOTA", Kind::Other, None),
    ("SETQUOTA", Kind::Other, None),
    ("GETQUOTAROOT", Kind::Other, Some(0)),
    ("GETMETADATA", Kind::Other, Some(0)),
    ("SETMETADATA", Kind::Other, Some(0)),
    ("GETANNOTATION", Kind::Other, Some(0)),
    ("SETANNOTATION", Kind::Other, Some(0)),
    ("LANGUAGE", Kind::Other, None),
    ("COMPARATOR", Kind::Other, None),
    ("CONVERT", Kind::Other, None),
    ("CANCELUPDATE", Kind::Other, None),
    ("GENURLAUTH", Kind::Other, None),
    ("RESETKEY", Kind::Other, None),
    ("URLFETCH", Kind::Other, None),
    ("UNAUTHENTICATE", Kind::Other, None),
    ("UIDBATCHES", Kind::Other, None),
    ("GETJMAPACCESS", Kind::Other, None),
];

/// Names of the commands, packed, in the same order.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const PACKED: [u128; COMMANDS.len()] = {
    let mut packed = [0; COMMANDS.len()];
    let mut at = 0;
    while at < packed.len() {
        packed[at] = pack(COMMANDS[at].0.as_bytes());
        at += 1;
    }
    packed
};

/// A name of up to 16 bytes in one number, letters in upper case; 0 for any
/// other.
pub(super) const fn pack(name: &[u8]) -> u128 {
    if name.len() > 16 {
        return 0;
    }
    let mut packed = 0;
    let mut rest = name;
    while let [first, behind @ ..] = rest {
        packed = packed << 8 | first.to_ascii_uppercase() as u128;
        rest = behind;
    }
    packed
}

fn known(name: &[u8]) -> Option<&'static (&'static str, Kind, MailboxAt)> {
    // Most tags end in one, and no name does.
    if name.last().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let packed = pack(name);
    let at = PACKED.iter().position(|known| *known == packed && packed != 0)?;
    COMMANDS.get(at)
}

/// Whether a line begins with the name of a command.
pub(super) fn is_command_name(line: &[u8]) -> bool {
    known(word(line)).is_some()
}

/// The tag and the name of a command, and where its arguments begin.
#[derive(Clone, Debug)]
pub(super) struct Head<'a> {
    /// The tag.
    pub(super) tag: &'a [u8],
    /// The name in upper case.
    pub(super) name: Text<'a>,
    /// Whether `UID` stands before the name.
    pub(super) uid: bool,
    /// What it does; `None` for a name that nobody registered.
    pub(super) kind: Option<Kind>,
    /// Offset of the first byte behind the name.
    pub(super) end: usize,
    mailbox: MailboxAt,
}

/// Whether a byte may stand in a tag: RFC 9051 section 9, ASTRING-CHAR but for
/// the plus sign.
const fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b'+')
}

/// Whether bytes may be a tag.
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_tag_byte)
}

impl<'a> Head<'a> {
    /// Reads `tag SP name` at the front of a line. Of a cut line the name must
    /// be whole, so that LOGIN is known for what it is.
    pub(super) fn parse(line: &'a [u8], cut: bool) -> Option<Self> {
        let tag = word(line);
        if !is_tag(tag) || known(tag).is_some() {
            return None;
        }
        let mut start = tag.len() + 1;
        let mut name = word(line.get(start..)?);
        let mut uid = false;
        if name.eq_ignore_ascii_case(b"UID") {
            uid = true;
            start += name.len() + 1;
            name = word(line.get(start..)?);
        }
        let end = start + name.len();
        let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        if name.is_empty() || !is_name || (cut && end == line.len()) {
            return None;
        }
        let command = known(name);
        Some(Self {
            tag,
            name: command.map_or_else(|| upper(name), |(name, ..)| (*name).into()),
            uid,
            kind: command.map(|(_, kind, _)| *kind),
            end,
            mailbox: command.and_then(|(.., at)| *at),
        })
    }
}

/// Bytes in upper case, borrowed when they are.
pub(super) fn upper(bytes: &[u8]) -> Text<'_> {
    if bytes.iter().any(u8::is_ascii_lowercase) {
        bytes.to_ascii_uppercase().into()
    } else {
        bytes.into()
    }
}

/// A command as it may be shown, and what must not be.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown<'a> {
    /// The first line.
    pub(super) line: Text<'a>,
    /// What follows the name in it.
    pub(super) arguments: Option<Text<'a>>,
    /// The mailbox it names.
    pub(super) mailbox: Option<Text<'a>>,
    /// The exchange that AUTHENTICATE begins.
    pub(super) exchange: Exchange,
    /// User name.
    pub(super) user: Option<Text<'a>>,
    /// Values that the server must not be shown to quote.
    pub(super) secrets: Vec<Cow<'a, [u8]>>,
    /// There may be others.
    pub(super) vague: bool,
}

impl<'a> Shown<'a> {
    /// Reads the arguments of a command of a known or, when `trusted`, any
    /// name.
    pub(super) fn new(
        head: &Head<'a>,
        parts: Parts<'a>,
        charset: Charset,
        show_secrets: bool,
        trusted: bool,
    ) -> Self {
        let arguments = Arguments::new(parts, head.end);
        let mut shown = Self::default();
        let public = match head.kind {
            Some(Kind::Login) => shown.login(head, arguments),
            Some(Kind::Authenticate) => shown.authenticate(head, arguments),
            Some(_) => parts.line.len(),
            None if trusted => parts.line.len(),
            None => {
                shown.suspect(parts.bytes.get(head.end + 1..).unwrap_or_default());
                head.end
            }
        };
        if let Some(at) = head.mailbox.filter(|_| !parts.cut) {
            // Options of GETMETADATA stand before the mailbox.
            let mut values =
                Values::new(parts, head.end).filter(|value| !matches!(value, Value::List(_)));
            shown.mailbox =
                values.nth(at).and_then(Value::string).map(|name| readable(name, charset));
        }
        let public = if show_secrets { parts.line.len() } else { public.min(parts.line.len()) };
        shown.line = shorten(parts.line, public);
        if !show_secrets {
            // A refusal may quote the token alone, or what was cut off.
            shown.vague |= parts.cut || urlauth::has(&shown.line);
            shown.line = urlauth::hide(shown.line);
        }
        shown.arguments = arguments_of(&shown.line, head.end);
        shown
    }

    /// `LOGIN user password` (RFC 9051 section 6.2.3). Returns how many bytes
    /// may be shown: whatever is not of this shape may be a password from the
    /// first byte on.
    fn login(&mut self, head: &Head<'a>, mut arguments: Arguments<'a>) -> usize {
        let bytes = arguments.parts.bytes;
        let all = bytes.get(head.end + 1..).unwrap_or_default();
        let user = arguments.next();
        let password_at = arguments.at + 1;
        let password = arguments.next();
        if let (Some(user), Some(password), true, false) =
            (user, password, arguments.is_done(), arguments.parts.cut)
        {
            self.secrets.push(password.value);
            self.secrets
                .push(Cow::Borrowed(bytes.get(password_at..password.end).unwrap_or_default()));
            self.user = Some(Text(user.value));
            return user.end;
        }
        if let Some(refused) = self.refused_password(head, arguments.parts) {
            return refused;
        }
        self.suspect(all);
        head.end
    }

    /// Any word of these bytes may be a password, and so may all of them.
    fn suspect(&mut self, bytes: &'a [u8]) {
        self.vague = true;
        let words = bytes.split(|byte| b" \"".contains(byte)).filter(|word| !word.is_empty());
        self.secrets.extend(words.take(WORDS_LIMIT).map(Cow::Borrowed));
        self.secrets.push(Cow::Borrowed(bytes));
    }

    /// `LOGIN user {n}` whose literal never came.
    fn refused_password(&mut self, head: &Head<'a>, parts: Parts<'a>) -> Option<usize> {
        let mut arguments = Arguments::new(parts, head.end);
        let user = arguments.next()?;
        let rest = parts.bytes.get(arguments.at..)?.strip_prefix(b" {")?.strip_suffix(b"}")?;
        if parts.cut || rest.is_empty() || !rest.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.user = Some(Text(user.value));
        Some(user.end)
    }

    /// `AUTHENTICATE mechanism [initial-response]` (RFC 4959). A mechanism that
    /// nobody knows may be a response whose mechanism was forgotten.
    fn authenticate(&mut self, head: &Head<'a>, mut arguments: Arguments<'a>) -> usize {
        let Some(name) = arguments.next() else { return head.end };
        let mechanism = Mechanism::named(&name.value);
        self.exchange = Exchange::new(mechanism);
        if mechanism.is_none() || (arguments.parts.cut && name.end == arguments.parts.bytes.len()) {
            self.secrets.push(name.value);
        }
        let start = arguments.at + 1;
        let response = arguments.next().map(|argument| argument.value);
        let rest = arguments.parts.bytes.get(start..).unwrap_or_default();
        let response = response.unwrap_or(Cow::Borrowed(rest));
        if !response.is_empty() {
            let said = self.exchange.initial_response(&response);
            self.user = said.user.filter(|_| !arguments.parts.cut).map(Text::from);
            self.secrets.extend(said.secret.map(Cow::Owned));
            self.secrets.push(response);
        }
        self.vague |= arguments.parts.cut;
        if mechanism.is_some() { name.end } else { head.end }
    }
}

/// The first `public` bytes of a line, and what replaces the others.
pub(super) fn shorten(line: &[u8], public: usize) -> Text<'_> {
    let shown = line.get(..public).unwrap_or(line);
    if line.get(public..).unwrap_or_default().iter().all(|byte| *byte == b' ') {
        return line.into();
    }
    let mut text = shown.to_vec();
    if !text.is_empty() && !text.ends_with(b" ") {
        text.push(b' ');
    }
    text.extend_from_slice(REDACTED);
    text.into()
}

fn arguments_of<'a>(line: &Text<'a>, at: usize) -> Option<Text<'a>> {
    let arguments = match &line.0 {
        Cow::Borrowed(line) => Cow::Borrowed(line.get(at + 1..)?),
        Cow::Owned(line) => Cow::Owned(line.get(at + 1..)?.to_vec()),
    };
    Some(Text(arguments)).filter(|arguments| !arguments.0.is_empty())
}
