//! Header fields with bytes of their own.

use std::mem::MaybeUninit;

use httparse::Header;

use crate::append;

/// Fields of most heads: so many need no memory to be lent.
const USUAL: usize = 32;

/// Header fields that outlive the bytes in which they stood.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    names: String,
    values: Vec<u8>,
    /// Where the name and the value of each field end.
    ends: Vec<(usize, usize)>,
}

/// Room for lent fields.
pub(super) struct Lent<'a> {
    usual: [MaybeUninit<Header<'a>>; USUAL],
    many: Vec<Header<'a>>,
}

impl Lent<'_> {
    pub(super) const fn new() -> Self {
        Self { usual: [const { MaybeUninit::uninit() }; USUAL], many: Vec::new() }
    }
}

impl Fields {
    /// A copy of these fields.
    pub(super) fn of(headers: &[Header<'_>]) -> Self {
        let mut fields = Self::default();
        fields.copy(headers);
        fields
    }

    /// Becomes a copy of these fields.
    pub(super) fn copy(&mut self, headers: &[Header<'_>]) {
        self.clear();
        self.names.reserve(headers.iter().map(|header| header.name.len()).sum());
        self.values.reserve(headers.iter().map(|header| header.value.len()).sum());
        self.ends.reserve(headers.len());
        for header in headers {
            self.push(header.name, header.value);
        }
    }

    /// Forgets all fields, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.values.clear();
        self.ends.clear();
    }

    /// Adds a field.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        append::few_text(&mut self.names, name);
        append::few(&mut self.values, value);
        self.ends.push((self.names.len(), self.values.len()));
    }

    /// Adds to the value of the last field.
    pub(super) fn extend_last(&mut self, value: &[u8]) {
        if let Some((_, end)) = self.ends.last_mut() {
            self.values.extend_from_slice(value);
            *end = self.values.len();
        }
    }

    /// All fields, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let mut at = (0, 0);
        self.ends.iter().filter_map(move |end| {
            let (name, value) = std::mem::replace(&mut at, *end);
            Some(Header {
                name: self.names.get(name..end.0)?,
                value: self.values.get(value..end.1)?,
            })
        })
    }

    /// All fields, in order, in a list.
    pub(super) fn lend<'a, 'r>(&'a self, room: &'r mut Lent<'a>) -> &'r [Header<'a>] {
        #![expect(unsafe_code, reason = "only as much of the room is filled as is needed")]
        if self.ends.len() > USUAL {
            room.many = self.iter().collect();
            return &room.many;
        }
        let mut filled = 0;
        for (place, field) in room.usual.iter_mut().zip(self.iter()) {
            place.write(field);
            filled += 1;
        }
        // SAFETY: so many places were written.
        unsafe { room.usual.get(..filled).unwrap_or_default().assume_init_ref() }
    }

    /// Bytes of what is in here.
    pub(super) fn len(&self) -> usize {
        self.names.len() + self.values.len() + size_of_val(self.ends.as_slice())
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.names.capacity()
            + self.values.capacity()
            + self.ends.capacity() * size_of::<(usize, usize)>()
    }
}
