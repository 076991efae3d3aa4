//! What a response line says.

use std::borrow::Cow;

use super::{
    command::{is_tag, pack, upper},
    mailbox::{Charset, readable},
    message::Parts,
    values::{Value, Values},
};
use crate::event::Text;

/// Status of a response (RFC 9051 section 7.1).
const STATUSES: [&str; 5] = ["OK", "NO", "BAD", "BYE", "PREAUTH"];

/// Names of untagged data, of RFC 9051, RFC 3501 and extensions.
const NAMES: &[&str] = &[
    "FETCH",
    "EXISTS",
    "RECENT",
    "EXPUNGE",
    "VANISHED",
    "FLAGS",
    "LIST",
    "LSUB",
    "XLIST",
    "STATUS",
    "SEARCH",
    "ESEARCH",
    "SORT",
    "THREAD",
    "CAPABILITY",
    "NAMESPACE",
    "ENABLED",
    "ID",
    "QUOTA",
    "QUOTAROOT",
    "ACL",
    "LISTRIGHTS",
    "MYRIGHTS",
    "METADATA",
    "ANNOTATION",
    "LANGUAGE",
    "COMPARATOR",
    "CONVERTED",
    "CONVERSION",
    "GENURLAUTH",
    "URLFETCH",
    "UIDBATCHES",
    "JMAPACCESS",
];

/// The same, packed, in the same order.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const PACKED: [u128; NAMES.len()] = {
    let mut packed = [0; NAMES.len()];
    let mut at = 0;
    while at < packed.len() {
        packed[at] = pack(NAMES[at].as_bytes());
        at += 1;
    }
    packed
};

/// Where data of a name tells its mailbox: how many values stand before it.
const fn mailbox_at(name: &[u8]) -> Option<usize> {
    match name {
        b"LIST" | b"LSUB" | b"XLIST" => Some(2),
        b"STATUS" | b"QUOTAROOT" | b"ACL" | b"LISTRIGHTS" | b"MYRIGHTS" | b"METADATA"
        | b"ANNOTATION" => Some(0),
        _ => None,
    }
}

/// The name of untagged data, or the status of an untagged response, as this
/// decoder writes it.
pub(super) fn known_name(name: &[u8]) -> Option<&'static str> {
    data(name).or_else(|| status(name))
}

/// The name of untagged data.
fn data(name: &[u8]) -> Option<&'static str> {
    let packed = pack(name);
    let at = PACKED.iter().position(|known| *known == packed && packed != 0)?;
    NAMES.get(at).copied()
}

/// The kinds of response (RFC 9051 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data, or a status that completes no command.
    Untagged,
    /// The server waits for the client to go on.
    Continuation,
    /// Completes a command.
    Tagged,
}

/// A response line, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    /// What kind of response it is.
    pub(super) kind: Kind,
    /// `*`, `+` or the tag.
    pub(super) tag: &'a [u8],
    /// Status, where it is one.
    pub(super) status: Option<&'static str>,
    /// What stands in the brackets.
    pub(super) code: Option<&'a [u8]>,
    /// Number before the name.
    pub(super) number: Option<u64>,
    /// Name of the data.
    pub(super) name: Option<Text<'a>>,
    /// Offset of the rest: behind the status or the name.
    pub(super) rest: usize,
    /// Offset of the text for humans behind the code; the same as `rest` where
    /// there is none.
    pub(super) text: usize,
}

/// The message that a FETCH response is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetched {
    /// Its sequence number.
    pub(super) number: u64,
    /// Its UID, where that is among the data.
    pub(super) uid: Option<u64>,
}

fn is_atom(value: &Value<'_>, name: &[u8]) -> bool {
    matches!(value, Value::Atom(atom) if atom.eq_ignore_ascii_case(name))
}

fn status(word: &[u8]) -> Option<&'static str> {
    if word.len() > "PREAUTH".len() {
        return None;
    }
    STATUSES.into_iter().find(|status| word.eq_ignore_ascii_case(status.as_bytes()))
}

fn word(line: &[u8], at: usize) -> &[u8] {
    let rest = line.get(at..).unwrap_or_default();
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// The number that a text begins with, if a space follows, and its digits.
fn leading_number(text: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (length, byte) in text.iter().enumerate() {
        if *byte == b' ' {
            return Some((number, length));
        }
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    None
}

impl<'a> Line<'a> {
    /// Reads a line. Where the step was lost (`strict`), only what a server
    /// can be expected to say is taken for a response.
    pub(super) fn parse(line: &'a [u8], strict: bool) -> Option<Self> {
        let tag = word(line, 0);
        let at = tag.len() + 1;
        match tag {
            b"*" => Self::untagged(line, strict),
            b"+" => {
                Some(Self { kind: Kind::Continuation, ..Self::status_line(line, tag, None, 1) })
            }
            _ if is_tag(tag) => {
                let word = word(line, at);
                let status =
                    status(word).filter(|status| matches!(*status, "OK" | "NO" | "BAD"))?;
                Some(Self::status_line(line, tag, Some(status), at + word.len()))
            }
            _ => None,
        }
    }

    fn status_line(
        line: &'a [u8],
        tag: &'a [u8],
        status: Option<&'static str>,
        end: usize,
    ) -> Self {
        let rest = (end + 1).min(line.len());
        let behind = line.get(rest..).unwrap_or_default();
        let code =
            behind.strip_prefix(b"[").and_then(|inner| inner.get(..memchr::memchr(b']', inner)?));
        let mut text = code.map_or(rest, |code| rest + code.len() + 2);
        if code.is_some() && line.get(text) == Some(&b' ') {
            text += 1;
        }
        Self { kind: Kind::Tagged, tag, status, code, number: None, name: None, rest, text }
    }

    fn untagged(line: &'a [u8], strict: bool) -> Option<Self> {
        let tag = line.get(..1)?;
        let mut at = 2;
        let mut number = None;
        if line.get(at).is_some_and(u8::is_ascii_digit) {
            let (read, length) = leading_number(line.get(at..)?)?;
            number = Some(read);
            at += length + 1;
        }
        let first = word(line, at);
        if number.is_none()
            && let Some(status) = status(first)
        {
            let line = Self::status_line(line, tag, Some(status), at + first.len());
            return Some(Self { kind: Kind::Untagged, ..line });
        }
        let known = data(first);
        if first.is_empty() || (strict && known.is_none()) {
            return None;
        }
        let name = known.map_or_else(|| upper(first), Text::from);
        let rest = (at + first.len() + 1).min(line.len());
        Some(Self {
            kind: Kind::Untagged,
            tag,
            status: None,
            code: None,
            number,
            name: Some(name),
            rest,
            text: rest,
        })
    }

    /// The mailbox that data is about.
    pub(super) fn mailbox<'p>(&self, parts: Parts<'p>, charset: Charset) -> Option<Text<'p>> {
        let name = self.name.as_ref().filter(|_| self.number.is_none())?;
        let mut values = Values::new(parts, self.rest);
        let value = if *name.0 == *b"ESEARCH" {
            // RFC 7377 section 2.1: (TAG "x" MAILBOX "y" UIDVALIDITY 1).
            let mut correlator = values.next()?.list()?;
            correlator.find(|value| is_atom(value, b"MAILBOX"))?;
            correlator.next()?
        } else {
            values.nth(mailbox_at(&name.0)?)?
        };
        // A mailbox may be called NIL.
        let name = value.string()?;
        (!parts.cut).then(|| readable(name, charset))
    }

    /// The command that a search's results are for (RFC 4466 section 2.6.2).
    pub(super) fn correlated<'p>(&self, parts: Parts<'p>) -> Option<Cow<'p, [u8]>> {
        self.name.as_ref().filter(|name| *name.0 == *b"ESEARCH")?;
        let mut correlator = Values::new(parts, self.rest).next()?.list()?;
        correlator.find(|value| is_atom(value, b"TAG"))?;
        correlator.next()?.text()
    }

    /// The message that a FETCH response is about.
    pub(super) fn fetched(&self, parts: Parts<'_>) -> Option<Fetched> {
        let number =
            self.number.filter(|_| self.name.as_ref().is_some_and(|name| *name.0 == *b"FETCH"))?;
        let mut uid = None;
        let mut items = Values::new(parts, self.rest).next().and_then(Value::list);
        while let Some(items) = &mut items
            && let (Some(item), Some(value)) = (items.next(), items.next())
            && uid.is_none()
        {
            if is_atom(&item, b"UID") {
                uid = value.text().and_then(|text| str::from_utf8(&text).ok()?.parse().ok());
            }
        }
        Some(Fetched { number, uid })
    }

    /// Whether the line ends in text for humans, where a brace is a brace. A
    /// code that is not closed goes on behind a literal.
    pub(super) fn ends_in_text(&self, line: &[u8]) -> bool {
        let status = self.status.is_some() || self.kind == Kind::Continuation;
        let open = self.code.is_none() && line.get(self.rest) == Some(&b'[');
        status && (self.kind == Kind::Continuation || !open)
    }
}
