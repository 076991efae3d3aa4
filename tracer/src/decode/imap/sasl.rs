//! What SASL responses say of the user, and which part of them is secret.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a mechanism's responses are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `authzid NUL authcid NUL password` (RFC 4616).
    Plain,
    /// The user, then the password (draft-murchison-sasl-login).
    Login,
    /// `user SP digest` (RFC 2195).
    CramMd5,
    /// `user=…` and a token, with `^A` between (Google's XOAUTH2).
    Xoauth2,
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
    mechanism("OAUTHBEARER", Shape::Opaque),
    mechanism("SCRAM-SHA-1", Shape::Opaque),
    mechanism("SCRAM-SHA-1-PLUS", Shape::Opaque),
    mechanism("SCRAM-SHA-256", Shape::Opaque),
    mechanism("SCRAM-SHA-256-PLUS", Shape::Opaque),
    mechanism("SCRAM-SHA-512", Shape::Opaque),
    mechanism("SCRAM-SHA-512-PLUS", Shape::Opaque),
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

/// What a response says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// Who wants to be let in.
    pub(super) user: Option<Vec<u8>>,
    /// The decoded secret.
    pub(super) secret: Option<Vec<u8>>,
}

impl Response {
    /// Reads the response number `step` (from 0) of an exchange, in base64.
    pub(super) fn read(mechanism: &Mechanism, step: usize, base64: &[u8]) -> Self {
        let Ok(decoded) = ENGINE.decode(base64) else { return Self::default() };
        let (user, secret) = match (mechanism.shape, step) {
            (Shape::Plain, 0) => {
                let mut fields = decoded.splitn(3, |byte| *byte == 0);
                match (fields.next(), fields.next(), fields.next()) {
                    (_, Some(user), Some(secret)) => (Some(user), Some(secret)),
                    _ => (None, Some(&*decoded)),
                }
            }
            (Shape::Login, 0) => (Some(&*decoded), None),
            (Shape::CramMd5, 0) => match memchr::memrchr(b' ', &decoded) {
                Some(at) => (decoded.get(..at), decoded.get(at + 1..)),
                None => (None, Some(&*decoded)),
            },
            (Shape::Xoauth2, 0) => {
                let mut fields = decoded.splitn(2, |byte| *byte == 1);
                let user = fields.next().and_then(|user| user.strip_prefix(b"user="));
                let token = fields.next().unwrap_or_default();
                let token = token.strip_prefix(b"auth=Bearer ").unwrap_or(token);
                (user, Some(without_separators(token)))
            }
            _ => (None, Some(&*decoded)),
        };
        Self { user: user.map(<[u8]>::to_vec), secret: secret.map(<[u8]>::to_vec) }
    }
}

/// The bytes without the `^A`s at their end.
fn without_separators(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 1).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}
