//! One thing that a published result says.

use std::{fmt, net::IpAddr};

use super::transactions::{Transaction, Transactions};
use crate::corpus::mail;

/// A field that published results name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Method,
    Host,
    Target,
    /// Host and target in one, as some write it.
    Url,
    RequestVersion,
    /// Of either message.
    Version,
    UserAgent,
    Referrer,
    Status,
    Reason,
    ContentType,
    Helo,
    MailFrom,
    Recipient,
    /// Of the envelope or of the header.
    Sender,
    /// Of the envelope or of the header.
    Receiver,
    From,
    To,
    Cc,
    Subject,
    MessageId,
    XMailer,
    Attachment,
}

/// That a connection carried at least so many transactions with such fields.
#[derive(Debug)]
pub(super) struct Fact {
    /// Where in the file it stands.
    pub(super) place: String,
    /// `ip port` of both ends, if the file says it.
    pub(super) ends: Option<[String; 2]>,
    /// What they have in common.
    pub(super) fields: Vec<(Field, String)>,
    /// How many there are at least.
    pub(super) count: usize,
}

impl Fact {
    /// One transaction with these fields, or `None` if there are none.
    pub(super) fn new(
        place: impl Into<String>,
        ends: Option<[String; 2]>,
        fields: Vec<(Field, String)>,
    ) -> Option<Self> {
        let place = place.into();
        (!fields.is_empty()).then_some(Self { place, ends, fields, count: 1 })
    }

    /// Its protocol and ports, of which the second is more likely the server's.
    pub(super) fn ports(&self) -> Option<(&'static str, [u16; 2])> {
        let (field, _) = self.fields.first()?;
        let protocol = match field {
            Field::Method | Field::Host | Field::Target | Field::Url | Field::Status => "http",
            Field::Helo | Field::MailFrom | Field::Recipient => "smtp",
            _ => return None,
        };
        let [one, other] = self.ends.as_ref()?;
        let port = |end: &str| end.rsplit_once(' ')?.1.parse().ok();
        Some((protocol, [port(one)?, port(other)?]))
    }

    /// Whether the events say the same.
    pub(super) fn holds(&self, transactions: &Transactions) -> bool {
        let ends = |transaction: &&Transaction| {
            self.ends.as_ref().is_none_or(|[one, other]| {
                let has = [&transaction.client, &transaction.server];
                has == [one, other] || has == [other, one]
            })
        };
        let all = transactions.all.iter().filter(ends);
        let agrees = |transaction: &&Transaction| {
            self.fields.iter().all(|(field, value)| transaction.agrees(*field, value))
        };
        all.filter(agrees).count() >= self.count
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count > 1 {
            write!(formatter, "{} times ", self.count)?;
        }
        for (field, value) in &self.fields {
            write!(formatter, "{field:?}={:?} ", value.chars().take(80).collect::<String>())?;
        }
        match &self.ends {
            Some([one, other]) => write!(formatter, "between {one} and {other}"),
            None => formatter.write_str("on some connection"),
        }
    }
}

/// `ip port`, the address in its usual form.
pub(super) fn end(ip: &str, port: &str) -> String {
    match ip.parse::<IpAddr>() {
        Ok(ip) => format!("{ip} {port}"),
        Err(_) => format!("{ip} {port}"),
    }
}

/// The form in which two programs' values of a field are compared.
pub(super) fn normal(field: Field, value: &str) -> String {
    match field {
        Field::Host => {
            let host = value.trim().to_lowercase();
            match host.rsplit_once(':') {
                Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    name.to_owned()
                }
                _ => host,
            }
        }
        Field::Target | Field::Url | Field::Referrer => decoded(value),
        Field::ContentType => value.split(';').next().unwrap_or_default().trim().to_lowercase(),
        Field::MailFrom
        | Field::Recipient
        | Field::Sender
        | Field::Receiver
        | Field::From
        | Field::To
        | Field::Cc => mail::addresses(value).to_lowercase(),
        Field::MessageId => value.trim().trim_matches(['<', '>']).to_owned(),
        Field::Helo | Field::Method => value.trim().to_lowercase(),
        _ => mail::unfolded(value),
    }
}

/// Without percent encoding and without the escapes that logs add, since
/// programs differ in which of them they undo.
fn decoded(value: &str) -> String {
    let plain = undone(value.as_bytes(), |rest| match rest {
        [b'%', one, other, behind @ ..] => Some(([*one, *other], behind)),
        _ => None,
    });
    let plain = undone(&plain, |rest| match rest {
        [b'\\', b'x', one, other, behind @ ..] | [b'\\', b'\\', b'x', one, other, behind @ ..] => {
            Some(([*one, *other], behind))
        }
        _ => None,
    });
    String::from_utf8_lossy(&plain).trim().to_owned()
}

/// Replaces each escape by the byte whose two digits it has.
fn undone(bytes: &[u8], escape: impl Fn(&[u8]) -> Option<([u8; 2], &[u8])>) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        let escaped = escape(rest).and_then(|(digits, behind)| {
            let digits = std::str::from_utf8(&digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        });
        let (byte, behind) = escaped.unwrap_or((*first, behind));
        plain.push(byte);
        rest = behind;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_one_form() {
        assert_eq!(normal(Field::Host, "A.example:8080"), "a.example");
        assert_eq!(normal(Field::Target, "/a%20b\\x20c%zz"), "/a b c%zz");
        assert_eq!(normal(Field::ContentType, "Text/HTML; charset=x"), "text/html");
        assert_eq!(normal(Field::From, "\"A\" <B@c>"), "b@c");
    }
}
