//! Header fields with bytes of their own.

use std::mem::MaybeUninit;

use httparse::Header;

use super::{
    name::{Name, Named},
    usual::{NO_NAMES, Names},
};
use crate::append;

/// Fields of most heads: so many need no memory to be lent.
const USUAL: usize = 32;

/// Header fields that outlive the bytes in which they stood.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// Names that are not known, or not looked at.
    names: String,
    values: Vec<u8>,
    places: Vec<Place>,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its name, if that is known: then it has no bytes.
    known: Option<Name>,
    /// Where its name ends.
    name: u32,
    /// Where its value ends.
    value: u32,
}

/// Room for lent fields.
pub(super) struct Lent<'a> {
    usual: [MaybeUninit<Header<'a>>; USUAL],
    many: Vec<Header<'a>>,
    names: Names,
}

impl Lent<'_> {
    pub(super) const fn new() -> Self {
        Self { usual: [const { MaybeUninit::uninit() }; USUAL], many: Vec::new(), names: NO_NAMES }
    }
}

impl Fields {
    /// A copy of these fields.
    pub(super) fn of(headers: &[Header<'_>]) -> Self {
        let mut fields = Self::default();
        for header in headers {
            fields.push(header.name, header.value);
        }
        fields
    }

    /// Becomes a copy of these fields.
    pub(super) fn copy(&mut self, (headers, names): Named<'_, '_>) {
        self.clear();
        self.values.reserve(headers.iter().map(|header| header.value.len()).sum());
        self.places.reserve(headers.len());
        for (header, known) in headers.iter().zip(names) {
            let name = if known.is_some() { "" } else { header.name };
            self.add(*known, name, header.value);
        }
    }

    /// Forgets all fields, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.values.clear();
        self.places.clear();
    }

    /// Adds a field.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        self.add(None, name, value);
    }

    fn add(&mut self, known: Option<Name>, name: &str, value: &[u8]) {
        append::few_text(&mut self.names, name);
        append::few(&mut self.values, value);
        self.places.push(Place { known, name: offset(self.names.len()), value: self.end() });
    }

    /// Where the values end.
    fn end(&self) -> u32 {
        offset(self.values.len())
    }

    /// Adds to the value of the last field.
    pub(super) fn extend_last(&mut self, value: &[u8]) {
        if !self.places.is_empty() {
            self.values.extend_from_slice(value);
        }
        let end = self.end();
        if let Some(place) = self.places.last_mut() {
            place.value = end;
        }
    }

    /// All fields, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let (mut name, mut value) = (0, 0);
        self.places.iter().filter_map(move |place| {
            let name = std::mem::replace(&mut name, place.name);
            let value = std::mem::replace(&mut value, place.value);
            Some(Header {
                name: match place.known {
                    Some(known) => known.text(),
                    None => self.names.get(name as usize..place.name as usize)?,
                },
                value: self.values.get(value as usize..place.value as usize)?,
            })
        })
    }

    /// All fields, in order, in a list, and their names as far as they are known.
    pub(super) fn lend<'a, 'r>(&'a self, room: &'r mut Lent<'a>) -> Named<'r, 'a> {
        #![expect(unsafe_code, reason = "only as much of the room is filled as is needed")]
        for (name, place) in room.names.iter_mut().zip(&self.places) {
            *name = place.known;
        }
        if self.places.len() > USUAL {
            room.many = self.iter().collect();
            return (&room.many, &room.names);
        }
        let mut filled = 0;
        for (place, field) in room.usual.iter_mut().zip(self.iter()) {
            place.write(field);
            filled += 1;
        }
        // SAFETY: so many places were written.
        let fields = unsafe { room.usual.get(..filled).unwrap_or_default().assume_init_ref() };
        (fields, &room.names)
    }

    /// Bytes of what is in here.
    pub(super) fn len(&self) -> usize {
        self.names.len() + self.values.len() + size_of_val(self.places.as_slice())
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.names.capacity() + self.values.capacity() + self.places.capacity() * size_of::<Place>()
    }
}

/// An offset within a head, of which none has so many bytes that it would not
/// fit.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
