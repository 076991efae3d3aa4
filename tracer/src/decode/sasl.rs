//! SASL (RFC 4422) as SMTP and IMAP carry it: which mechanisms there are, and
//! what a response says of the user, and what of it is secret.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Some clients leave the padding out.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Longest user name that is kept.
const USER_LIMIT: usize = 256;
/// Hexadecimal digits of the digest of CRAM-MD5 (RFC 2195).
const DIGEST_LEN: usize = 32;

/// How the first response of a mechanism is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `[authzid] NUL authcid NUL passwd` (RFC 4616).
    Plain,
    /// The user, if the server asks for it; the password is the second
    /// (draft-murchison-sasl-login).
    Login,
    /// `user SP digest` (RFC 2195).
    CramMd5,
    /// `user=…`, `^A` and a token (Google's XOAUTH2).
    Xoauth2,
    /// `gs2-header` with the user, and `auth=Bearer` with a token (RFC 7628).
    OAuthBearer,
    /// `gs2-header`, `n=user,` and a nonce (RFC 5802).
    Scram,
    /// Nothing that is read.
    Opaque,
}

/// A SASL mechanism.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mechanism {
    /// Name as registered.
    pub(super) name: &'static str,
    shape: Shape,
}

const fn mechanism(name: &'static str, shape: Shape) -> Mechanism {
    Mechanism { name, shape }
}

/// Mechanisms that servers of mail offer.
static MECHANISMS: &[Mechanism] = &[
    mechanism("PLAIN", Shape::Plain),
    mechanism("LOGIN", Shape::Login),
    mechanism("CRAM-MD5", Shape::CramMd5),
    mechanism("XOAUTH2", Shape::Xoauth2),
    mechanism("OAUTHBEARER", Shape::OAuthBearer),
    mechanism("SCRAM-SHA-1", Shape::Scram),
    mechanism("SCRAM-SHA-1-PLUS", Shape::Scram),
    mechanism("SCRAM-SHA-256", Shape::Scram),
    mechanism("SCRAM-SHA-256-PLUS", Shape::Scram),
    mechanism("SCRAM-SHA-512", Shape::Scram),
    mechanism("SCRAM-SHA-512-PLUS", Shape::Scram),
    mechanism("DIGEST-MD5", Shape::Opaque),
    mechanism("NTLM", Shape::Opaque),
    mechanism("GSSAPI", Shape::Opaque),
    mechanism("GSS-SPNEGO", Shape::Opaque),
    mechanism("GS2-KRB5", Shape::Opaque),
    mechanism("KERBEROS_V4", Shape::Opaque),
    mechanism("EXTERNAL", Shape::Opaque),
    mechanism("ANONYMOUS", Shape::Opaque),
    mechanism("OTP", Shape::Opaque),
    mechanism("SKEY", Shape::Opaque),
    mechanism("APOP", Shape::Opaque),
    mechanism("RPA", Shape::Opaque),
    mechanism("X-APPLETOKEN", Shape::Opaque),
    mechanism("ATOKEN", Shape::Opaque),
];

impl Mechanism {
    /// The mechanism of that name, in either case.
    pub(super) fn named(name: &[u8]) -> Option<&'static Self> {
        MECHANISMS.iter().find(|known| name.eq_ignore_ascii_case(known.name.as_bytes()))
    }
}

/// An exchange of challenges and responses, as far as the next response can
/// only be read by what went before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchange {
    /// `None`: one that is not known.
    pub(super) mechanism: Option<&'static Mechanism>,
    /// The server asked for the user in so many words (LOGIN).
    user_asked: bool,
    /// A response went by, or may have.
    begun: bool,
}

impl Exchange {
    /// An exchange that has just begun.
    pub(super) fn new(mechanism: Option<&'static Mechanism>) -> Self {
        Self { mechanism, ..Self::default() }
    }

    /// Takes the response into account that stands in the command itself; in
    /// LOGIN it is the user.
    pub(super) fn initial_response(&mut self, base64: &[u8]) -> Response {
        self.user_asked = true;
        self.response(base64)
    }

    /// Takes the server's challenge into account.
    pub(super) fn challenge(&mut self, base64: &[u8]) {
        let asked = ENGINE.decode(base64.trim_ascii()).unwrap_or_default();
        self.user_asked = asked.to_ascii_lowercase().starts_with(b"user");
    }

    /// Takes the client's response into account.
    pub(super) fn response(&mut self, base64: &[u8]) -> Response {
        let first = !std::mem::replace(&mut self.begun, true);
        let shape = match self.mechanism {
            Some(Mechanism { shape: Shape::Login, .. }) if !self.user_asked => Shape::Opaque,
            Some(mechanism) if first => mechanism.shape,
            _ => Shape::Opaque,
        };
        Response::read(shape, base64)
    }

    /// Something of the exchange may be missing: the next response could be
    /// any.
    pub(super) const fn disturbed(&mut self) {
        self.begun = true;
    }
}

/// What a response says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// Who wants to be let in.
    pub(super) user: Option<Vec<u8>>,
    /// The decoded secret.
    pub(super) secret: Option<Vec<u8>>,
}

impl Response {
    fn read(shape: Shape, base64: &[u8]) -> Self {
        let Ok(decoded) = ENGINE.decode(base64.trim_ascii()) else { return Self::default() };
        let parts = match shape {
            Shape::Plain => plain(&decoded),
            Shape::Login => Some((&*decoded, &b""[..])),
            Shape::CramMd5 => cram_md5(&decoded),
            Shape::Xoauth2 => xoauth2(&decoded),
            Shape::OAuthBearer => oauthbearer(&decoded),
            Shape::Scram => scram(&decoded),
            Shape::Opaque => None,
        };
        // What is not of its mechanism's shape may be a secret from the first
        // byte on.
        let (user, secret) = parts.unwrap_or((b"", &decoded));
        let shown =
            (1..=USER_LIMIT).contains(&user.len()) && !user.iter().any(u8::is_ascii_control);
        Self {
            user: shown.then(|| user.to_vec()),
            secret: Some(secret.to_vec()).filter(|secret| !secret.is_empty()),
        }
    }
}

fn plain(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = decoded.split(|byte| *byte == 0);
    let (_, authcid, passwd) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some((authcid, passwd))
}

fn cram_md5(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let (user, digest) = decoded.split_at_checked(memchr::memrchr(b' ', decoded)?)?;
    let digest = digest.trim_ascii_start();
    let valid = digest.len() == DIGEST_LEN && digest.iter().all(u8::is_ascii_hexdigit);
    Some((if valid { user } else { b"" }, digest))
}

fn xoauth2(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = decoded.strip_prefix(b"user=")?;
    let (user, rest) = rest.split_at_checked(memchr::memchr(1, rest)?)?;
    let end = rest.iter().rposition(|byte| *byte != 1).map_or(1, |last| last + 1);
    let token = rest.get(1..end)?;
    Some((user, token.strip_prefix(b"auth=Bearer ").unwrap_or(token)))
}

/// What RFC 5801 section 4 puts before a message: the user to act for, which
/// may be left out, and the message.
fn gs2(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = decoded.splitn(3, |byte| *byte == b',');
    let (flag, user, message) = (parts.next()?, parts.next()?, parts.next()?);
    let is_flag = matches!(flag, b"n" | b"y") || flag.starts_with(b"p=");
    let user = if user.is_empty() { user } else { user.strip_prefix(b"a=")? };
    is_flag.then_some((user, message))
}

fn oauthbearer(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    const MARK: &[u8] = b"auth=Bearer ";
    let (user, message) = gs2(decoded)?;
    let token = memchr::memmem::find(message, MARK).and_then(|at| message.get(at + MARK.len()..));
    let token = token.unwrap_or(message);
    let end = memchr::memchr(1, token).filter(|end| *end > 0).unwrap_or(token.len());
    Some((user, token.get(..end)?))
}

fn scram(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, message) = gs2(decoded)?;
    let rest = message.strip_prefix(b"n=")?;
    let (user, rest) = rest.split_at_checked(memchr::memchr(b',', rest)?)?;
    Some((user, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn exchange(mechanism: &str) -> Exchange {
        Exchange::new(Mechanism::named(mechanism.as_bytes()))
    }

    fn encoded(response: &str) -> Vec<u8> {
        BASE64_STANDARD.encode(response).into_bytes()
    }

    /// User and secret, empty where there is none.
    fn said(response: Response) -> [String; 2] {
        [response.user, response.secret]
            .map(|part| String::from_utf8(part.unwrap_or_default()).unwrap())
    }

    #[test]
    fn a_name_is_known_in_either_case() {
        assert_eq!(Mechanism::named(b"cram-Md5").map(|known| known.name), Some("CRAM-MD5"));
        assert_eq!(Mechanism::named(b"PLAI"), None);
        assert_eq!(Mechanism::named(b""), None);
    }

    #[test]
    fn first_responses_in_every_shape() {
        let digest = "0123456789abcdef0123456789abcdef";
        let malformed = format!("user{digest}");
        for (mechanism, response, user, secret) in [
            ("PLAIN", "\0user\0pass", "user", "pass"),
            ("plain", "other\0user\0pass", "user", "pass"),
            ("PLAIN", "user\0pass", "", "user\0pass"),
            ("PLAIN", "\0user\0pass\0", "", "\0user\0pass\0"),
            ("PLAIN", "\0us\ner\0pass", "", "pass"),
            ("LOGIN", "user", "user", ""),
            ("CRAM-MD5", &format!("a user {digest}"), "a user", digest),
            ("CRAM-MD5", "user digest", "", "digest"),
            ("CRAM-MD5", &malformed, "", &malformed),
            ("XOAUTH2", "user=me@x\x01auth=Bearer t\x01\x01", "me@x", "t"),
            ("XOAUTH2", "user=me@x\x01other=t", "me@x", "other=t"),
            ("XOAUTH2", "user=me@x\x01", "me@x", ""),
            ("XOAUTH2", "auth=Bearer t", "", "auth=Bearer t"),
            ("SCRAM-SHA-256", "n,,n=user,r=x", "user", "r=x"),
            ("SCRAM-SHA-1-PLUS", "p=tls-unique,,n=user,r=x", "user", "r=x"),
            ("SCRAM-SHA-1", "x,,n=user,r=x", "", "x,,n=user,r=x"),
            ("OAUTHBEARER", "n,a=me@x,\x01host=h\x01auth=Bearer t\x01\x01", "me@x", "t"),
            ("OAUTHBEARER", "n,,\x01auth=Bearer t\x01\x01", "", "t"),
            ("UNKNOWN", "user", "", "user"),
        ] {
            let response = exchange(mechanism).initial_response(&encoded(response));
            assert_eq!(said(response), [user, secret], "{mechanism}");
        }
    }

    #[test]
    fn padding_may_be_missing_and_other_bytes_say_nothing() {
        for (sent, user) in [("dXNlcjE", "user1"), (" dXNlcjE= ", "user1"), ("*", ""), ("=", "")] {
            let response = exchange("LOGIN").initial_response(sent.as_bytes());
            assert_eq!(said(response), [user, ""], "{sent}");
        }
    }

    #[test]
    fn login_is_the_user_only_where_the_server_asks_for_it() {
        let mut login = exchange("LOGIN");
        login.challenge(&encoded("Username:"));
        assert_eq!(said(login.response(&encoded("user"))), ["user", ""]);
        login.challenge(&encoded("Password:"));
        assert_eq!(said(login.response(&encoded("pass"))), ["", "pass"]);
        let mut login = exchange("LOGIN");
        login.challenge(&encoded("Password:"));
        assert_eq!(said(login.response(&encoded("pass"))), ["", "pass"]);
    }

    #[test]
    fn after_a_disturbance_any_response_is_a_secret() {
        let mut plain = exchange("PLAIN");
        plain.disturbed();
        assert_eq!(said(plain.response(&encoded("\0user\0pass"))), ["", "\0user\0pass"]);
    }
}
