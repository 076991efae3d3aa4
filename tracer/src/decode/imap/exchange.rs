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
    bytes: u64,
    texts: Texts,
    uid: bool,
    truncated: bool,
    /// It is about authentication.
    auth: bool,
    /// What a command that waits does not have.
    more: Option<Box<More>>,
}

/// What most exchanges have in the end.
#[derive(Debug, Default)]
struct More {
    mechanism: Option<&'static str>,
    literals: Vec<u64>,
    untagged: Vec<(Cow<'static, str>, u64)>,
}

/// A text of a command.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Tag,
    Name,
    Mailbox,
    Arguments,
    User,
}

/// Texts of a command, one behind the other; one that is empty is none.
#[derive(Debug)]
struct Texts {
    bytes: Box<[u8]>,
    /// Where each ends.
    ends: [u16; 5],
}

impl Texts {
    /// Keeps of each what has room, in the order of [`Kept`]. Returns whether
    /// something had none.
    fn new(texts: [Option<&Text<'_>>; 5], limit: usize) -> (Self, bool) {
        let texts = texts.map(|text| text.map_or(&[][..], |text| &*text.0));
        let mut ends = [0; 5];
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len()).sum());
        let mut cut = false;
        for (end, text) in ends.iter_mut().zip(texts) {
            let kept = text.get(..limit.saturating_sub(bytes.len())).unwrap_or(text);
            cut |= kept.len() < text.len();
            bytes.extend_from_slice(kept);
            *end = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        }
        (Self { bytes: bytes.into_boxed_slice(), ends }, cut)
    }

    fn of(&self, kept: Kept) -> Option<Text<'_>> {
        let at = kept as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range = usize::from(start.unwrap_or(0))..usize::from(*self.ends.get(at)?);
        self.bytes.get(range).filter(|text| !text.is_empty()).map(Text::from)
    }

    /// The same texts with another user.
    fn with_user(&self, user: &Text<'_>) -> Self {
        let [tag, name, mailbox, arguments] =
            [Kept::Tag, Kept::Name, Kept::Mailbox, Kept::Arguments].map(|kept| self.of(kept));
        let texts = [tag.as_ref(), name.as_ref(), mailbox.as_ref(), arguments.as_ref()];
        let [tag, name, mailbox, arguments] = texts;
        Self::new([tag, name, mailbox, arguments, Some(user)], usize::from(u16::MAX)).0
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
        let fields = &command.command;
        let user = command.auth.as_ref().and_then(|auth| auth.user.as_ref());
        let (tag, name) = (fields.tag.as_ref(), fields.name.as_ref());
        let (mailbox, arguments) = (fields.mailbox.as_ref(), fields.arguments.as_ref());
        let (texts, cut) = Texts::new([tag, name, mailbox, arguments, user], KEPT_LIMIT);
        let sizes = command.literal.bytes;
        let literals = sizes.get(..sizes.len().min(LITERALS_LIMIT)).unwrap_or_default();
        let mechanism = command.auth.as_ref().and_then(|auth| auth.mechanism);
        Self {
            started,
            bytes,
            texts,
            uid: fields.uid,
            truncated: cut || literals.len() < sizes.len(),
            auth: command.auth.is_some(),
            more: (!literals.is_empty() || mechanism.is_some()).then(|| {
                Box::new(More { mechanism, literals: literals.to_vec(), ..More::default() })
            }),
        }
    }

    /// Whether untagged data of this name is what the command asks for.
    pub(super) fn asks_for(&self, data: &[u8]) -> bool {
        let Some(command) = self.texts.of(Kept::Name) else { return false };
        ASKED_BY.iter().any(|(name, commands)| {
            data.eq_ignore_ascii_case(name.as_bytes())
                && commands.iter().any(|asked| *command.0 == *asked.as_bytes())
        })
    }

    /// Whether the command names the message that a FETCH response is about;
    /// `None` where that cannot be known.
    pub(super) fn names(&self, fetched: Fetched) -> Option<bool> {
        let arguments = self.texts.of(Kept::Arguments)?.0;
        let end = memchr::memchr(b' ', &arguments);
        if end.is_none() && self.truncated {
            return None;
        }
        let number = if self.uid { fetched.uid? } else { fetched.number };
        sequence::names(arguments.get(..end.unwrap_or(arguments.len()))?, number)
    }

    /// A SASL response named the user.
    pub(super) fn authenticates(&mut self, user: &Text<'_>) {
        if self.auth {
            self.texts = self.texts.with_user(user);
        }
    }

    /// So many bytes of the server are part of it.
    pub(super) const fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Untagged data of this name came.
    pub(super) fn count(&mut self, name: &[u8]) {
        let text = str::from_utf8(name).unwrap_or(OTHER);
        let untagged = &mut self.more.get_or_insert_default().untagged;
        if let Some((_, count)) = untagged.iter_mut().find(|(known, _)| known == text) {
            *count += 1;
            return;
        }
        let key = match known_name(name) {
            Some(known) => Cow::Borrowed(known),
            None if text.len() <= NAME_LIMIT && untagged.len() < NAMES_LIMIT => {
                Cow::Owned(text.to_owned())
            }
            None => Cow::Borrowed(OTHER),
        };
        match untagged.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => untagged.push((key, 1)),
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
        let command = imap::CommandFields {
            tag: self.texts.of(Kept::Tag),
            name: self.texts.of(Kept::Name),
            uid: self.uid,
            mailbox: self.texts.of(Kept::Mailbox),
            arguments: self.texts.of(Kept::Arguments),
            truncated: self.truncated,
        };
        let user = || self.texts.of(Kept::User);
        let more = self.more.as_deref();
        let mechanism = more.and_then(|more| more.mechanism);
        let auth = self.auth.then(|| imap::Auth { mechanism, user: user() });
        Message::ImapExchange(imap::Exchange {
            imap: imap::ExchangeObject {
                command: Some(command),
                literal: imap::Literals { bytes: more.map_or(&[], |more| &more.literals) },
                auth,
                greeting: false,
                status,
                code,
                untagged: imap::Untagged(more.map_or(&[], |more| &more.untagged)),
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
        let more = self.more.as_deref().map_or(0, |more| {
            size_of_val(more)
                + more.literals.capacity() * size_of::<u64>()
                + more.untagged.capacity() * size_of::<(Cow<'static, str>, u64)>()
                + more.untagged.len() * NAME_LIMIT
        });
        size_of::<Self>() + self.texts.bytes.len() + more
    }
}
