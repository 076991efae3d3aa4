//! The attachments of a mail, as far as they are kept.

use memchr::memrchr;

use crate::event::{
    Text,
    email::{Attachment, File},
};

/// Bytes that the attachments of one mail may take, which is some 500 of them.
const ATTACHMENTS_LIMIT: usize = 64 * 1024;
/// What an attachment costs beside its name and type.
const ATTACHMENT_COST: usize = size_of::<Found>();

/// An attachment.
#[derive(Clone, Debug, Default)]
struct Found {
    name: Option<Box<[u8]>>,
    kind: Option<Box<[u8]>>,
    size: Option<u64>,
}

/// The attachments in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Attachments {
    found: Vec<Found>,
    cost: usize,
}

impl Attachments {
    /// Adds one; returns its index unless there are too many.
    pub(super) fn add(&mut self, name: Option<Vec<u8>>, kind: Option<&[u8]>) -> Option<usize> {
        let cost = ATTACHMENT_COST
            + [name.as_deref(), kind].into_iter().flatten().map(<[u8]>::len).sum::<usize>();
        if self.cost + cost > ATTACHMENTS_LIMIT {
            return None;
        }
        self.cost += cost;
        let name = name.map(Vec::into_boxed_slice);
        self.found.push(Found { name, kind: kind.map(Box::from), size: None });
        Some(self.found.len() - 1)
    }

    /// All of the one at an index has passed.
    pub(super) fn set_size(&mut self, index: usize, size: u64) {
        if let Some(found) = self.found.get_mut(index) {
            found.size = Some(size);
        }
    }

    /// What is told of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Attachment<'_>> {
        self.found.iter().map(|found| {
            let name = found.name.as_deref();
            let file = File {
                name: name.map(Text::from),
                extension: name.and_then(extension).map(Text::from),
                mime_type: found.kind.as_deref().map(Text::from),
                size: found.size,
            };
            Attachment { file }
        })
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        self.found.capacity().saturating_sub(self.found.len()) * ATTACHMENT_COST + self.cost
    }
}

/// What stands behind the last dot of a file's name.
fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = memrchr(b'.', name).filter(|dot| *dot > 0)?;
    let extension = name.get(dot + 1..)?;
    let plain = !extension.is_empty() && !extension.iter().any(|byte| b"/\\ ".contains(byte));
    plain.then_some(extension)
}
