//! Commands in progress.

use super::{command::Kind, exchange::Exchange, response::Fetched};
use crate::event::Timestamp;

/// Commands in progress that are remembered, the oldest being forgotten first;
/// clients rarely pipeline more than a dozen.
const PENDING_LIMIT: usize = 64;
/// Longest tag that is kept; clients use 4 to 10 bytes.
const TAG_LIMIT: usize = 14;
/// Bytes of the hash that stands for a longer one.
const HASH: usize = size_of::<u64>();

/// A tag, or as much of it as tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    bytes: [u8; TAG_LIMIT],
    length: u16,
}

impl Tag {
    /// The tag of these bytes.
    pub(super) fn new(tag: &[u8]) -> Self {
        let mut bytes = [0; TAG_LIMIT];
        if let Some(room) = bytes.get_mut(..tag.len()) {
            room.copy_from_slice(tag);
        } else if let Some(room) = bytes.first_chunk_mut::<HASH>() {
            *room = hash(tag).to_ne_bytes();
        }
        Self { bytes, length: u16::try_from(tag.len()).unwrap_or(u16::MAX) }
    }

    /// Its bytes, unless it is too long for them to be known.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get(..usize::from(self.length))
    }
}

/// FNV-1a: whoever makes two tags meet confuses a dialogue of his own.
fn hash(tag: &[u8]) -> u64 {
    tag.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A command whose tagged completion was not seen yet.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) tag: Tag,
    pub(super) kind: Kind,
    /// When it began.
    pub(super) started: Timestamp,
    /// All of it was seen. What is refused of another may quote anything.
    pub(super) whole: bool,
    /// What is told of it in the end, where exchanges are told of.
    pub(super) exchange: Option<Box<Exchange>>,
}

/// Commands whose tagged completion was not seen yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Oldest first.
    commands: Vec<Open>,
}

impl Pending {
    /// A command was sent. Returns the oldest one if they are too many.
    pub(super) fn begin(&mut self, open: Open) -> Option<Open> {
        let forgotten = if self.commands.len() == PENDING_LIMIT { self.pop() } else { None };
        if self.commands.capacity() == 0 {
            // Few clients pipeline, and many wait in IDLE.
            self.commands.reserve_exact(1);
        }
        self.commands.push(open);
        forgotten
    }

    /// Bytes of a side are missing, which may have been a SASL response: what
    /// refuses it may quote it.
    pub(super) fn disturbed(&mut self) {
        for open in &mut self.commands {
            open.whole &= open.kind != Kind::Authenticate;
        }
    }

    /// Whether a command with this tag is in progress, seen whole or not.
    pub(super) fn has_begun(&self, tag: Tag) -> bool {
        self.commands.iter().any(|open| open.tag == tag)
    }

    /// Whether a command with this tag is in progress that was seen whole.
    pub(super) fn has_whole(&self, tag: Tag) -> bool {
        self.commands.iter().any(|open| open.tag == tag && open.whole)
    }

    /// Whether a command is in progress that was seen whole.
    pub(super) fn any_whole(&self) -> bool {
        self.commands.iter().any(|open| open.whole)
    }

    /// Whether a command of this kind is in progress.
    pub(super) fn any_of(&self, kind: Kind) -> bool {
        self.commands.iter().any(|open| open.kind == kind)
    }

    /// Nanoseconds that the command with this tag has taken at `time`, unless it
    /// is to last.
    pub(super) fn waited(&self, tag: Tag, time: Timestamp) -> Option<u64> {
        let open = self.commands.iter().find(|open| open.tag == tag)?;
        let lasts = open.kind == Kind::Idle || time < open.started;
        (!lasts).then(|| time.since(open.started))
    }

    /// A command was completed.
    pub(super) fn end(&mut self, tag: Tag) -> Option<Open> {
        let at = self.commands.iter().position(|open| open.tag == tag)?;
        let open = self.commands.remove(at);
        self.give_back();
        Some(open)
    }

    /// Lets go of the memory that many commands took.
    fn give_back(&mut self) {
        if self.commands.is_empty() && self.commands.capacity() > 1 {
            self.commands = Vec::new();
        }
    }

    /// The oldest command, which nobody will complete any more.
    pub(super) fn pop(&mut self) -> Option<Open> {
        (!self.commands.is_empty()).then(|| self.commands.remove(0))
    }

    /// Whether no command is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The exchange of the command with this tag.
    pub(super) fn of_tag(&mut self, tag: Tag) -> Option<&mut Exchange> {
        self.commands.iter_mut().find(|open| open.tag == tag)?.exchange.as_deref_mut()
    }

    /// The exchange that untagged data of this name belongs to; `fetched` says of
    /// which message it is.
    pub(super) fn of_data(
        &mut self,
        name: &[u8],
        fetched: impl FnOnce() -> Option<Fetched>,
    ) -> Option<&mut Exchange> {
        let at = if self.commands.len() > 1 { self.owner(name, fetched()) } else { 0 };
        self.commands.get_mut(at)?.exchange.as_deref_mut()
    }

    /// The oldest command whose own data that is, else the oldest of all. Of those
    /// that ask for FETCH responses, it is the oldest that names the message.
    fn owner(&self, name: &[u8], fetched: Option<Fetched>) -> usize {
        let asking = || {
            let all = self.commands.iter().enumerate();
            all.filter_map(|(at, open)| Some((at, open.exchange.as_deref()?)))
                .filter(|(_, exchange)| exchange.asks_for(name))
        };
        let named = |exchange: &Exchange| fetched.and_then(|fetched| exchange.names(fetched));
        let own = asking()
            .find(|(_, exchange)| named(exchange) == Some(true))
            .or_else(|| asking().find(|(_, exchange)| named(exchange).is_none()))
            .or_else(|| asking().next());
        own.map_or(0, |(at, _)| at)
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let exchanges = self.commands.iter().filter_map(|open| open.exchange.as_deref());
        self.commands.capacity() * size_of::<Open>() + exchanges.map(Exchange::held).sum::<usize>()
    }
}
