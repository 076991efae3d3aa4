//! AUTH (RFC 4954): what may be told of it, which is never the secret.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use memchr::{memchr, memmem};

use crate::event::{Outcome, Text, smtp};

/// Mechanisms that are known in any spelling; others only in upper case, as
/// RFC 4422 section 3.1 writes them, because a secret might stand there.
const MECHANISMS: [&[u8]; 12] = [
    b"PLAIN",
    b"LOGIN",
    b"CRAM-MD5",
    b"DIGEST-MD5",
    b"XOAUTH2",
    b"OAUTHBEARER",
    b"SCRAM-SHA-1",
    b"SCRAM-SHA-256",
    b"GSSAPI",
    b"NTLM",
    b"EXTERNAL",
    b"ANONYMOUS",
];
/// Longest name of a mechanism (RFC 4422 section 3.1).
const MECHANISM_LIMIT: usize = 20;
/// Longest user name that is kept.
const USER_LIMIT: usize = 256;
/// Bytes of a secret by which it is recognised in a server's text; servers may
/// quote a line cut short.
const QUOTE_PREFIX: usize = 8;
/// Shorter ones are not looked for: Base64 has no text below four characters.
const QUOTE_MINIMUM: usize = 4;

/// What is known of the session's authentication.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    /// Mechanism, upper case.
    mechanism: Option<Box<[u8]>>,
    user: Option<Box<[u8]>>,
    /// How it ended.
    pub(super) outcome: Option<Outcome>,
    /// Whether the next response is the user name of LOGIN: the server has
    /// asked for it in so many words.
    user_asked: bool,
    /// Responses and initial responses so far.
    responses: usize,
}

impl Auth {
    /// Begins with the argument of AUTH; the initial response is looked into
    /// for the user name and not kept.
    pub(super) fn begin(argument: &[u8]) -> Self {
        let mechanism = Self::mechanism_of(argument);
        let mut auth = Self {
            mechanism: mechanism.map(|name| name.to_ascii_uppercase().into_boxed_slice()),
            ..Self::default()
        };
        if let (Some(_), Some(initial)) = (mechanism, Self::initial_of(argument)) {
            auth.user_asked = true;
            auth.response(initial);
        }
        auth
    }

    /// The mechanism's name at the start of AUTH's argument, if that is one.
    pub(super) fn mechanism_of(argument: &[u8]) -> Option<&[u8]> {
        let name = argument.split(u8::is_ascii_whitespace).next()?;
        let shape = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
        let known = MECHANISMS.iter().any(|known| known.eq_ignore_ascii_case(name));
        let shaped = (3..=MECHANISM_LIMIT).contains(&name.len()) && name.iter().all(shape);
        (known || shaped).then_some(name)
    }

    /// The initial response behind the mechanism.
    fn initial_of(argument: &[u8]) -> Option<&[u8]> {
        let end = argument.iter().position(u8::is_ascii_whitespace)?;
        argument.get(end..).map(<[u8]>::trim_ascii)
    }

    fn is(&self, mechanism: &[u8]) -> bool {
        self.mechanism.as_deref() == Some(mechanism)
    }

    /// Takes the server's challenge (334) into account.
    pub(super) fn challenge(&mut self, text: &[u8]) {
        let asked = BASE64_STANDARD.decode(text.trim_ascii()).unwrap_or_default();
        self.user_asked = asked.to_ascii_lowercase().starts_with(b"user");
    }

    /// Takes a response into account, for the user name in it.
    pub(super) fn response(&mut self, line: &[u8]) {
        let first = self.responses == 0;
        self.responses = self.responses.saturating_add(1);
        if !first {
            return;
        }
        let Ok(decoded) = BASE64_STANDARD.decode(line.trim_ascii()) else { return };
        let user = if self.is(b"PLAIN") {
            plain_user(&decoded)
        } else if self.is(b"LOGIN") && self.user_asked {
            Some(decoded.as_slice())
        } else if self.is(b"CRAM-MD5") {
            cram_user(&decoded)
        } else if self.is(b"XOAUTH2") {
            decoded.strip_prefix(b"user=").and_then(|rest| rest.get(..memchr(1, rest)?))
        } else {
            None
        };
        self.user = user
            .filter(|user| (1..=USER_LIMIT).contains(&user.len()))
            .filter(|user| !user.iter().any(u8::is_ascii_control))
            .map(Box::from);
    }

    /// What stood between AUTH and here may be missing: the next response
    /// could be any.
    pub(super) const fn disturbed(&mut self) {
        self.user_asked = false;
        self.responses = self.responses.saturating_add(1);
    }

    /// The object `smtp.auth`; `ended` with its outcome.
    pub(super) fn object(&self, ended: bool) -> smtp::Auth<'_> {
        smtp::Auth {
            mechanism: self.mechanism.as_deref().map(Text::from),
            user: self.user.as_deref().map(Text::from),
            outcome: if ended { Some(self.outcome.unwrap_or(Outcome::Unknown)) } else { None },
        }
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        [&self.mechanism, &self.user].into_iter().flatten().map(|bytes| bytes.len()).sum()
    }
}

/// The authentication identity of `[authzid] NUL authcid NUL passwd` (RFC 4616).
fn plain_user(decoded: &[u8]) -> Option<&[u8]> {
    let mut parts = decoded.split(|byte| *byte == 0);
    let (_, authcid, _) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(authcid)
}

/// The user name of `user SP digest`, the digest being 32 hexadecimal digits
/// (RFC 2195).
fn cram_user(decoded: &[u8]) -> Option<&[u8]> {
    let (user, digest) = decoded.split_at_checked(decoded.len().checked_sub(32)?)?;
    digest.iter().all(u8::is_ascii_hexdigit).then_some(user)?.strip_suffix(b" ")
}

/// `text` with every word that quotes the secret, wholly or from its start,
/// replaced.
pub(super) fn redacted<'a>(text: Cow<'a, [u8]>, secret: &[u8]) -> Cow<'a, [u8]> {
    let secret = secret.trim_ascii();
    let needle = secret.get(..QUOTE_PREFIX).unwrap_or(secret);
    if needle.len() < QUOTE_MINIMUM {
        return text;
    }
    let finder = memmem::Finder::new(needle);
    let mut rest: &[u8] = &text;
    let mut result = Vec::new();
    while let Some(at) = finder.find(rest) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, b""));
        let same = from.iter().zip(secret).take_while(|(one, other)| one == other).count();
        result.extend_from_slice(before);
        result.extend_from_slice(&Text::REDACTED.0);
        rest = from.get(same.max(1)..).unwrap_or_default();
    }
    if result.is_empty() {
        return text;
    }
    result.extend_from_slice(rest);
    Cow::Owned(result)
}
