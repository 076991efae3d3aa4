//! The interfaces of all files that are read.

use std::{collections::HashMap, sync::Arc};

use super::error::Damage;
use crate::capture::{Interface, link::LinkType};

/// Interfaces that files may describe. No host has more, and each costs memory.
pub(super) const MAX_INTERFACES: usize = 65_536;
/// Bytes of a name that are kept. The longest in use are those of Windows's
/// devices, about 60.
const MAX_NAME: usize = 256;

/// What tells interfaces apart. The same name stands for the same interface in
/// each section and each file, so that a flow goes on over the parts of a
/// capture; so does the same number where there is no name.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    name: Option<Arc<str>>,
    number: u32,
    link_number: u32,
}

/// An interface and how its frames begin.
pub(super) struct Known {
    /// Its number in its section.
    pub(super) number: u32,
    /// The link type as in the file.
    pub(super) link_number: u32,
    /// The link type, if it can be read.
    pub(super) link_type: Option<LinkType>,
    /// As its segments name it.
    pub(super) interface: Interface,
    /// The same, for frames that show that they crossed the loopback.
    pub(super) looped: Interface,
}

/// All interfaces so far.
#[derive(Default)]
pub(super) struct Interfaces {
    known: Vec<Known>,
    indices: HashMap<Key, usize>,
}

impl Interfaces {
    /// The index of an interface, which is added if it is new.
    pub(super) fn add(
        &mut self,
        number: u32,
        name: Option<&str>,
        link_number: u32,
    ) -> Result<usize, Damage> {
        let name = name.and_then(|name| name.get(..name.floor_char_boundary(MAX_NAME)));
        let name: Option<Arc<str>> = name.filter(|name| !name.is_empty()).map(Arc::from);
        let key = Key {
            number: if name.is_some() { 0 } else { number },
            name: name.clone(),
            link_number,
        };
        if let Some(&index) = self.indices.get(&key) {
            return Ok(index);
        }
        let index = self.known.len();
        if index >= MAX_INTERFACES {
            return Err(Damage::Interfaces(MAX_INTERFACES));
        }
        let interface = Interface { name: name.unwrap_or_default(), loopback: false };
        self.known.push(Known {
            number,
            link_number,
            link_type: LinkType::from_number(link_number),
            looped: Interface { loopback: true, ..interface.clone() },
            interface,
        });
        self.indices.insert(key, index);
        Ok(index)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Known> {
        self.known.get(index)
    }
}
