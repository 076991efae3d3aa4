//! Names of mailboxes, made readable.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::IMAP_MUTF7,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};

use crate::event::Text;

const ENGINE: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// How names are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Charset {
    /// Modified UTF-7 (RFC 3501 section 5.1.3).
    #[default]
    Utf7,
    /// UTF-8, where an ampersand is one: `IMAP4rev2` or UTF8=ACCEPT was enabled
    /// (RFC 9051 section 5.1, RFC 6855 section 3).
    Utf8,
}

/// A mailbox name with its modified UTF-7 undone, and INBOX, which may be
/// written in any case, in upper case. What is no valid modified UTF-7 stays as
/// it was sent.
pub(super) fn readable(name: Cow<'_, [u8]>, charset: Charset) -> Text<'_> {
    if name.eq_ignore_ascii_case(b"INBOX") {
        return "INBOX".into();
    }
    if charset == Charset::Utf7
        && memchr::memchr(b'&', &name).is_some()
        && let Some(decoded) = decode(&name)
    {
        return decoded.into();
    }
    Text(name)
}

fn decode(name: &[u8]) -> Option<String> {
    let mut decoded = String::with_capacity(name.len());
    let mut rest = str::from_utf8(name).ok()?;
    while let Some((plain, shifted)) = rest.split_once('&') {
        decoded.push_str(plain);
        let (shifted, behind) = shifted.split_once('-')?;
        if shifted.is_empty() {
            decoded.push('&');
        } else {
            let octets = ENGINE.decode(shifted).ok()?;
            let (units, []) = octets.as_chunks::<2>() else { return None };
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            for character in char::decode_utf16(units) {
                decoded.push(character.ok()?);
            }
        }
        rest = behind;
    }
    decoded.push_str(rest);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::{Charset, readable};

    #[test]
    fn in_utf8_an_ampersand_is_one() {
        assert_eq!(&*readable(b"&AOk-"[..].into(), Charset::Utf8).0, b"&AOk-");
    }

    #[test]
    fn modified_utf7_is_readable() {
        for (sent, shown) in [
            ("INBOX", "INBOX"),
            ("inBox", "INBOX"),
            ("inbox/x", "inbox/x"),
            ("Envoy&AOk-s", "Envoyés"),
            ("&U,BTFw-/&ZeVnLIqe-", "台北/日本語"),
            ("Q&-A", "Q&A"),
            ("&2D3cDA-", "🐌"),
            ("broken &AOk", "broken &AOk"),
            ("broken &A-", "broken &A-"),
            ("broken &2D0-", "broken &2D0-"),
        ] {
            assert_eq!(
                &*readable(sent.as_bytes().into(), Charset::Utf7).0,
                shown.as_bytes(),
                "{sent}"
            );
        }
    }
}
