//! The header of a mail that a literal, a quoted string or an ENVELOPE carries.

use std::borrow::Cow;

use super::{
    command::Head,
    line,
    message::Parts,
    response::Line,
    values::{Value, Values},
};
use crate::{
    decode::{Settings, mail::Header},
    event::{email::Email, imap},
};

/// What a literal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A mail, or its header: begins with it.
    Header,
    /// Another section of a mail.
    Section,
    /// A string, as it stands in place of any other.
    String,
}

/// Whether the name of a data item in FETCH, `BODY[HEADER]<0>` say, is of what
/// begins with the mail's header; `None`: of something that is no section (RFC
/// 9051 section 6.4.5, RFC 3501 for `RFC822`).
fn begins_with_header(item: &[u8]) -> Option<bool> {
    if item.eq_ignore_ascii_case(b"RFC822") || item.eq_ignore_ascii_case(b"RFC822.HEADER") {
        return Some(true);
    }
    if item.eq_ignore_ascii_case(b"RFC822.TEXT") {
        return Some(false);
    }
    let partial = item.iter().rposition(|byte| *byte == b'<').filter(|_| item.ends_with(b">"));
    let (item, partial) = item.split_at(partial.unwrap_or(item.len()));
    let inner = item.strip_suffix(b"]")?;
    let (name, section) = inner.split_at(memchr::memchr(b'[', inner)?);
    let section = section.get(1..).unwrap_or_default();
    let is_header = section.is_empty()
        || section.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"HEADER"));
    let from_start = matches!(partial, b"" | b"<0>");
    Some(name.eq_ignore_ascii_case(b"BODY") && is_header && from_start)
}

/// What a literal holds that a line of a FETCH response announces at its end.
pub(super) fn fetched(line: &[u8], header: line::Header) -> Holds {
    let before = line.get(..line.len().saturating_sub(header.length.into())).unwrap_or_default();
    let before = before.trim_ascii_end();
    // Names of fields in the brackets are apart from each other.
    let open = before.iter().rposition(|byte| *byte == b'[').unwrap_or(before.len());
    let start = before.get(..open).unwrap_or_default();
    let start = start.iter().rposition(|byte| b" (".contains(byte)).map_or(0, |at| at + 1);
    match begins_with_header(before.get(start..).unwrap_or_default()) {
        Some(true) => Holds::Header,
        Some(false) => Holds::Section,
        None => Holds::String,
    }
}

/// What a literal of a command holds that the message so far announces at its
/// end: in APPEND and REPLACE any but the mailbox is a mail (RFC 9051 section
/// 6.3.12, RFC 8508); in CATENATE the first text is its begin (RFC 4469).
pub(super) fn sent(parts: Parts<'_>, header: line::Header) -> Holds {
    let Some(head) = Head::parse(parts.line, false) else { return Holds::String };
    let mailbox_at = match &*head.name.0 {
        b"APPEND" => 0,
        b"REPLACE" => 1,
        _ => return Holds::String,
    };
    let end = parts.bytes.len().saturating_sub(header.length.into());
    let before = parts.bytes.get(head.end..end).unwrap_or_default().trim_ascii();
    if parts.sizes.is_empty() && words(before) <= mailbox_at {
        return Holds::String;
    }
    match memchr::memmem::rfind(before, b"CATENATE").and_then(|at| before.get(at..)) {
        Some(list) if !list.ends_with(b"(TEXT") => Holds::Section,
        _ => Holds::Header,
    }
}

/// How many words there are, up to a few.
fn words(text: &[u8]) -> usize {
    text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).take(4).count()
}

/// Whether anybody will read what the headers of mails say, which exchanges do
/// not.
pub(super) const fn is_read(settings: &Settings) -> bool {
    !settings.brief && !settings.envelope && !settings.exchanges_only
}

/// What a header says.
pub(super) fn email(header: &Header) -> Option<Box<Email<'_>>> {
    imap::email(header.email())
}

/// How many bytes of a response's first line say nothing of what stands in a
/// mail: in FETCH quoted strings do.
pub(super) fn outside(line: &Line<'_>, text: &[u8]) -> usize {
    let fetched = line.name.as_ref().is_some_and(|name| *name.0 == *b"FETCH");
    let quote = if fetched { memchr::memchr(b'"', text) } else { None };
    quote.unwrap_or(text.len())
}

/// The header that stands in a FETCH response without literals of its own: in
/// a quoted string, or as ENVELOPE.
pub(super) fn quoted(line: &Line<'_>, parts: Parts<'_>) -> Option<Header> {
    line.name.as_ref().filter(|name| *name.0 == *b"FETCH")?;
    // Most say neither: there is no string in them, nor a V of ENVELOPE.
    let text = parts.line.get(line.rest..)?;
    if parts.literals.is_empty() && memchr::memchr3(b'"', b'V', b'v', text).is_none() {
        return None;
    }
    let mut items = Values::new(parts, line.rest).next()?.list()?;
    let mut envelope = None;
    while let (Some(Value::Atom(item)), Some(value)) = (items.next(), items.next()) {
        match value {
            Value::String(text) if begins_with_header(item) == Some(true) && !text.is_empty() => {
                let mut header = Header::default();
                header.push(&text);
                header.end();
                return Some(header);
            }
            Value::List(fields) if item.eq_ignore_ascii_case(b"ENVELOPE") => {
                envelope = Some(fields);
            }
            _ => {}
        }
    }
    envelope.map(of_envelope)
}

/// The header that an ENVELOPE was made of (RFC 9051 section 7.5.2).
fn of_envelope(mut fields: Values<'_>) -> Header {
    let mut header = Header::default();
    let mut author = Vec::new();
    for name in
        ["Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "", "Message-ID"]
    {
        let Some(field) = fields.next() else { break };
        let value = match field {
            Value::List(list) => addresses(list),
            field => field.text().map(Cow::into_owned).unwrap_or_default(),
        };
        if name == "From" {
            author.clone_from(&value);
        }
        // Servers fill these in from the author.
        let default = matches!(name, "Sender" | "Reply-To") && value == author;
        if name.is_empty() || value.is_empty() || default {
            continue;
        }
        header.push(name.as_bytes());
        header.push(b": ");
        for part in value.split(|byte| b"\r\n".contains(byte)) {
            header.push(part);
        }
        header.push(b"\r\n");
    }
    header.end();
    header
}

/// A list of addresses, each `(name adl mailbox host)`, as a header writes it.
fn addresses(list: Values<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for address in list.filter_map(Value::list) {
        let mut parts = address.skip(2).map(Value::text);
        // The begin and the end of a group have no host.
        let (Some(Some(mailbox)), Some(Some(host))) = (parts.next(), parts.next()) else {
            continue;
        };
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.push(b'<');
        let is_word = |byte: &u8| {
            !byte.is_ascii()
                || byte.is_ascii_alphanumeric()
                || b"!#$%&'*+-/=?^_`{|}~.".contains(byte)
        };
        if mailbox.iter().all(is_word) {
            text.extend_from_slice(&mailbox);
        } else {
            text.push(b'"');
            for byte in mailbox.iter() {
                if b"\"\\".contains(byte) {
                    text.push(b'\\');
                }
                text.push(*byte);
            }
            text.push(b'"');
        }
        text.push(b'@');
        text.extend(host.iter().filter(|byte| !b"<>".contains(byte)));
        text.push(b'>');
    }
    text
}
