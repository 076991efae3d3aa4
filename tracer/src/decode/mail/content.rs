//! A whole mail as it passes: its header is kept, of its body the structure.

use super::{header::Header, structure::Structure};
use crate::event::email::{Email, Headline};

/// A mail on its way.
#[derive(Clone, Debug, Default)]
pub(in crate::decode) struct Content {
    header: Header,
    /// Known once the header is over.
    structure: Option<Box<Structure>>,
    bytes: u64,
    ended: bool,
    /// Its bytes are counted, and not looked at.
    unread: bool,
}

impl Content {
    /// A mail into which nobody may look: its bytes are counted, and that is
    /// all that it says.
    pub(in crate::decode) fn unread() -> Self {
        Self { unread: true, ..Self::default() }
    }

    /// Whether nobody may look into it.
    pub(in crate::decode) const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Takes bytes of the mail.
    pub(in crate::decode) fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.unread {
            return;
        }
        if let Some(structure) = &mut self.structure {
            return structure.push(bytes);
        }
        let taken = self.header.push(bytes);
        if self.header.is_ended() {
            let surplus = self.header.take_surplus();
            let structure = self.structure.insert(Box::new(Structure::new(&self.header)));
            structure.push(&surplus);
            structure.push(bytes.get(taken..).unwrap_or_default());
        }
    }

    /// Counts bytes that nobody looked at.
    pub(in crate::decode) const fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The last bytes taken were none of the mail's.
    pub(in crate::decode) const fn take_back(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Bytes of the mail are missing.
    pub(in crate::decode) fn missing(&mut self, bytes: u64) {
        self.count(bytes);
        if self.unread {
            return;
        }
        match &mut self.structure {
            Some(structure) => structure.missing(),
            None => self.header.missing(),
        }
        if self.structure.is_none() {
            // Whether the body has begun, nobody knows.
            self.structure.get_or_insert_default();
        }
    }

    /// The mail is over. Not called where it broke off: what was not over then
    /// has no size.
    pub(in crate::decode) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) || self.unread {
            return;
        }
        self.header.end();
        let header = &self.header;
        self.structure.get_or_insert_with(|| Box::new(Structure::new(header))).end();
    }

    /// Whether the bytes that follow make no difference, beside their number.
    pub(in crate::decode) fn is_idle(&self) -> bool {
        self.unread || self.structure.as_ref().is_some_and(|structure| structure.is_idle())
    }

    /// Bytes of the mail, missing ones included.
    pub(in crate::decode) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Codes of what is odd about it, once it is over.
    pub(in crate::decode) fn odd(&self) -> impl Iterator<Item = &'static str> {
        let header = self.structure.is_none() && self.header.is_truncated();
        let header = header.then_some("header-too-long").into_iter();
        self.structure.iter().flat_map(|structure| structure.odd()).chain(header)
    }

    /// What its header says, unless it is to be `brief`, and its attachments.
    pub(in crate::decode) fn email(&self, brief: bool) -> Email<'_> {
        let attachments = self.structure.iter().flat_map(|structure| structure.attachments());
        let header = if brief { Email::default() } else { self.header.email() };
        Email { attachments: attachments.collect(), ..header }
    }

    /// What its header says in a line.
    pub(in crate::decode) fn headline(&self) -> Headline<'_> {
        self.header.headline()
    }

    /// Bytes on the heap.
    pub(in crate::decode) fn held(&self) -> usize {
        let structure = self.structure.as_ref();
        self.header.held()
            + structure.map_or(0, |structure| size_of::<Structure>() + structure.held())
    }
}
