//! Mails (RFC 5322) and what stands in them (MIME, RFC 2045 to 2049), as
//! protocols that carry mail see them pass: read as bytes come, however they
//! are cut, and never held.

mod address;
mod attachments;
mod content;
mod date;
mod header;
mod level;
mod odd;
mod parameters;
mod size;
mod structure;
#[cfg(test)]
mod tests;
mod words;

use crate::event::{
    Text,
    email::{Addresses, Email, Headline, Sender},
};

pub(super) use content::Content;
pub(super) use header::Header;
use header::Name;

impl Header {
    /// What it says, decoded.
    pub(super) fn email(&self) -> Email<'_> {
        let sender = self.addresses(Name::Sender).address.into_iter().next();
        Email {
            from: self.addresses(Name::From),
            sender: sender.map(|address| Sender { address }),
            to: self.addresses(Name::To),
            cc: self.addresses(Name::Cc),
            bcc: self.addresses(Name::Bcc),
            reply_to: self.addresses(Name::ReplyTo),
            subject: self.text(Name::Subject),
            message_id: self.first(Name::MessageId).and_then(message_id).map(Text::from),
            origination_timestamp: self.first(Name::Date).and_then(date::rfc3339),
            content_type: self.content_type(),
            x_mailer: self.text(Name::XMailer).or_else(|| self.text(Name::UserAgent)),
            attachments: Vec::new(),
        }
    }

    /// What it says in a line.
    pub(super) fn headline(&self) -> Headline<'_> {
        Headline {
            subject: self.text(Name::Subject),
            from: self.text(Name::From),
            content_type: self.content_type(),
        }
    }

    fn text(&self, name: Name) -> Option<Text<'_>> {
        let text = words::decode(self.first(name)?);
        (!text.is_empty()).then_some(Text(text))
    }

    fn content_type(&self) -> Option<Text<'_>> {
        parameters::kind(self.first(Name::ContentType)?).map(Text)
    }

    /// The addresses of all fields of a name.
    fn addresses(&self, name: Name) -> Addresses<'_> {
        let addresses = self.all(name).flat_map(address::addresses);
        Addresses { address: addresses.map(Text).collect() }
    }
}

/// A message's identifier, without what encloses it.
fn message_id(value: &[u8]) -> Option<&[u8]> {
    let inner = match memchr::memchr(b'<', value) {
        Some(open) => {
            let inner = value.get(open + 1..)?;
            inner.get(..memchr::memchr(b'>', inner).unwrap_or(inner.len()))?
        }
        None => value.split(u8::is_ascii_whitespace).next()?,
    };
    Some(inner.trim_ascii()).filter(|id| !id.is_empty())
}
