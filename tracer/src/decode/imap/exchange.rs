//! What is kept of a command until its tagged completion, for `imap-exchange`.

use std::borrow::Cow;

use super::{
    response::{Fetched, known_name},
    sequence,
};
use crate::event::{Common, Message, Text, Timestamp, imap};

/// Bytes of a command that are kept: enough for every command but those that
/// list hundreds of messages one by one.
const KEPT_LIMIT: usize = 4096;
/// Sizes of literals that are kept.
const LITERALS_LIMIT: usize = 64;
/// Names of untagged data that are told apart beside the known ones.
const NAMES_LIMIT: usize = 32;
/// Longest name of untagged data that is kept.
const NAME_LIMIT: usize = 32;
/// Stands for the names beyond these limits.
const OTHER: &str = "OTHER";

/// Commands by the untagged data that they ask for (RFC 9051 section 6, and
/// the extensions).
const ASKED_BY: &[(&str, &[&str])] = &[
    ("FETCH", &["FETCH", "STORE"]),
    ("SEARCH", &["SEARCH"]),
    ("ESEARCH", &["SEARCH", "SORT", "THREAD", "ESEARCH"]),
    ("SORT", &["SORT"]),
    ("THREAD", &["THREAD"]),
    ("STATUS", &["STATUS", "LIST"]),
    ("LIST", &["LIST"]),
    ("LSUB", &["LSUB"]),
    ("XLIST", &["XLIST"]),
    ("EXPUNGE", &["EXPUNGE", "MOVE"]),
    ("FLAGS", &["SELECT", "EXAMINE"]),
    ("CAPABILITY", &["CAPABILITY"]),
    ("ENABLED", &["ENABLE"]),
    ("NAMESPACE", &["NAMESPACE"]),
    ("ID", &["ID"]),
    ("QUOTA", &["GETQUOTA", "SETQUOTA", "GETQUOTAROOT"]),
    ("QUOTAROOT", &["GETQUOTAROOT"]),
    ("ACL", &["GETACL"]),
    ("LISTRIGHTS", &["LISTRIGHTS"]),
    ("MYRIGHTS", &["MYRIGHTS"]),
    ("METADATA", &["GETMETADATA"]),
    ("ANNOTATION", &["GETANNOTATION"]),
    ("LANGUAGE", &["LANGUAGE"]),
    ("COMPARATOR", &["COMPARATOR"]),
    ("CONVERTED", &["CONVERT"]),
    ("GENURLAUTH", &["GENURLAUTH"]),
    ("URLFETCH", &["URLFETCH"]),
    ("UIDBATCHES", &["UIDBATCHES"]),
    ("JMAPACCESS", &["GETJMAPACCESS"]),
    ("BYE", &["LOGOUT"]),
];

/// A command, and what the server has said to it so far.
#[derive(Debug)]
pub(super) struct Exchange {
    started: Timestamp,
    command: imap::CommandFields<'static>,
    literals: Vec<u64>,
    auth: Option<imap::Auth<'static>>,
    untagged: Vec<(Cow<'static, str>, u64)>,
    bytes: u64,
}

/// Bytes that a command may still keep.
struct Room {
    left: usize,
    cut: bool,
}

impl Room {
    fn keep(&mut self, text: Option<&Text<'_>>) -> Option<Text<'static>> {
        let bytes = &*text?.0;
        let kept = bytes.get(..bytes.len().min(self.left)).unwrap_or_default();
        self.cut |= kept.len() < bytes.len();
        self.left -= kept.len();
        Some(Text::from(kept.to_vec())).filter(|text| !text.0.is_empty())
    }
}

/// What the server said without having been asked: its greeting, or BYE.
pub(super) fn alone<'a>(
    greeting: bool,
    status: &'static str,
    code: Option<Text<'a>>,
    bytes: u64,
) -> imap::Exchange<'a> {
    let outcome = Some(imap::Exchange::outcome(Some(status)));
    imap::Exchange {
        imap: imap::ExchangeObject {
            greeting,
            status: Some(status),
            code,
            bytes,
            ..imap::ExchangeObject::default()
        },
        common: Common { outcome, ..Common::default() },
    }
}

impl Exchange {
    /// The exchange of a command, which is as it may be shown. The server has
    /// sent so many `bytes` to let its literals come.
    pub(super) fn new(command: &imap::CommandObject<'_>, started: Timestamp, bytes: u64) -> Self {
        let mut room = Room { left: KEPT_LIMIT, cut: false };
        let fields = &command.command;
        let kept = imap::CommandFields {
            tag: room.keep(fields.tag.as_ref()),
            name: room.keep(fields.name.as_ref()),
            uid: fields.uid,
            mailbox: room.keep(fields.mailbox.as_ref()),
            arguments: room.keep(fields.arguments.as_ref()),
            truncated: false,
        };
        let auth = command.auth.as_ref().map(|auth| imap::Auth {
            mechanism: auth.mechanism,
            user: room.keep(auth.user.as_ref()),
        });
        let sizes = command.literal.bytes;
        let literals = sizes.get(..sizes.len().min(LITERALS_LIMIT)).unwrap_or_default();
        let truncated = room.cut || literals.len() < sizes.len();
        Self {
            started,
            command: imap::CommandFields { truncated, ..kept },
            literals: literals.to_vec(),
            auth,
            untagged: Vec::new(),
            bytes,
        }
    }

    /// Whether untagged data of this name is what the command asks for.
    pub(super) fn asks_for(&self, data: &[u8]) -> bool {
        let Some(command) = &self.command.name else { return false };
        ASKED_BY.iter().any(|(name, commands)| {
            data.eq_ignore_ascii_case(name.as_bytes())
                && commands.iter().any(|asked| *command.0 == *asked.as_bytes())
        })
    }

    /// Whether the command names the message that a FETCH response is about;
    /// `None` where that cannot be known.
    pub(super) fn names(&self, fetched: Fetched) -> Option<bool> {
        let arguments = &*self.command.arguments.as_ref()?.0;
        let end = memchr::memchr(b' ', arguments);
        if end.is_none() && self.command.truncated {
            return None;
        }
        let number = if self.command.uid { fetched.uid? } else { fetched.number };
        sequence::names(arguments.get(..end.unwrap_or(arguments.len()))?, number)
    }

    /// A SASL response named the user.
    pub(super) fn authenticates(&mut self, user: &Text<'_>) {
        if let Some(auth) = &mut self.auth {
            auth.user = Some(user.clone().into_owned());
        }
    }

    /// So many bytes of the server are part of it.
    pub(super) const fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Untagged data of this name came.
    pub(super) fn count(&mut self, name: &[u8]) {
        let text = str::from_utf8(name).unwrap_or(OTHER);
        if let Some((_, count)) = self.untagged.iter_mut().find(|(known, _)| known == text) {
            *count += 1;
            return;
        }
        let key = match known_name(name) {
            Some(known) => Cow::Borrowed(known),
            None if text.len() <= NAME_LIMIT && self.untagged.len() < NAMES_LIMIT => {
                Cow::Owned(text.to_owned())
            }
            None => Cow::Borrowed(OTHER),
        };
        match self.untagged.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => self.untagged.push((key, 1)),
        }
    }

    /// Its event: with status, code and time of the completion, if it came.
    pub(super) fn told<'a>(
        &'a self,
        completion: Option<(&'static str, Option<Text<'a>>, Timestamp)>,
    ) -> Message<'a> {
        let (status, code, time) = match completion {
            Some((status, code, time)) => (Some(status), code, Some(time)),
            None => (None, None, None),
        };
        let kept = &self.command;
        let command = imap::CommandFields {
            tag: kept.tag.as_ref().map(Text::lend),
            name: kept.name.as_ref().map(Text::lend),
            uid: kept.uid,
            mailbox: kept.mailbox.as_ref().map(Text::lend),
            arguments: kept.arguments.as_ref().map(Text::lend),
            truncated: kept.truncated,
        };
        let auth = self.auth.as_ref().map(|auth| imap::Auth {
            mechanism: auth.mechanism,
            user: auth.user.as_ref().map(Text::lend),
        });
        Message::ImapExchange(imap::Exchange {
            imap: imap::ExchangeObject {
                command: Some(command),
                literal: imap::Literals { bytes: &self.literals },
                auth,
                greeting: false,
                status,
                code,
                untagged: imap::Untagged(&self.untagged),
                bytes: self.bytes,
            },
            common: Common {
                duration: time.map(|time| time.since(self.started)),
                outcome: Some(imap::Exchange::outcome(status)),
                ..Common::default()
            },
        })
    }

    /// Bytes held, its own included.
    pub(super) fn held(&self) -> usize {
        let command = &self.command;
        let user = self.auth.as_ref().and_then(|auth| auth.user.as_ref());
        let texts = [&command.tag, &command.name, &command.mailbox, &command.arguments];
        let texts = texts.into_iter().flatten().chain(user).map(|text| text.0.len());
        size_of::<Self>()
            + texts.sum::<usize>()
            + self.literals.capacity() * size_of::<u64>()
            + self.untagged.capacity() * size_of::<(Cow<'static, str>, u64)>()
            + self.untagged.len() * NAME_LIMIT
    }
}
