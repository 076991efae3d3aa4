//! The definitions of a schema that is made in several parts, and their names.
//!
//! Types of different protocols may have the same name, and numbers behind it
//! would tell a reader nothing. So the definitions of each protocol are made
//! apart; those that are the same in several keep their name, the others get
//! the protocol's before it: `Text`, `ImapCommandFields`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, transform::Transform as _};
use serde_json::{Map, Value};

use super::strict::Strict;

/// Where definitions stand.
const DEFINITIONS: &str = "#/$defs/";

/// The reference to a definition.
pub(super) fn reference(name: &str) -> String {
    format!("{DEFINITIONS}{name}")
}

/// Parts of a schema, by the group whose definitions they share.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<String, SchemaGenerator>);

impl Parts {
    /// Makes a part.
    pub(super) fn of(
        &mut self,
        group: &str,
        make: impl FnOnce(&mut SchemaGenerator) -> Schema,
    ) -> Value {
        let settings = || SchemaSettings::draft2020_12().for_serialize().with_transform(Strict);
        let generator =
            self.0.entry(group.to_owned()).or_insert_with(|| settings().into_generator());
        let mut schema = make(generator);
        Strict.transform(&mut schema);
        schema.to_value()
    }

    /// Gives the definitions of all parts their names.
    pub(super) fn name(self) -> Names {
        let definitions: BTreeMap<_, _> = self
            .0
            .into_iter()
            .map(|(group, mut generator)| (group, generator.take_definitions(true)))
            .collect();
        let mut uses = BTreeMap::<String, Vec<&Value>>::new();
        for (name, definition) in definitions.values().flatten() {
            uses.entry(name.clone()).or_default().push(definition);
        }
        uses.retain(|_, uses| {
            uses.len() > 1 && uses.iter().all(|other| Some(other) == uses.first())
        });
        let shared = uses.into_keys().collect();
        Names { definitions, shared }
    }
}

/// The names of definitions.
pub(super) struct Names {
    definitions: BTreeMap<String, Map<String, Value>>,
    /// Names that mean the same in all groups.
    shared: BTreeSet<String>,
}

impl Names {
    /// All definitions by their names.
    pub(super) fn definitions(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for (group, definitions) in &self.definitions {
            for (name, definition) in definitions {
                let definition = self.rename(group, definition.clone());
                all.insert(self.of(group, name), definition);
            }
        }
        all
    }

    /// Makes a group's part refer to definitions by their names.
    pub(super) fn rename(&self, group: &str, mut part: Value) -> Value {
        self.rename_in(group, &mut part);
        part
    }

    fn rename_in(&self, group: &str, part: &mut Value) {
        match part {
            Value::Object(members) => {
                for (key, value) in members {
                    match value {
                        Value::String(text) if key == "$ref" => {
                            if let Some(name) = text.strip_prefix(DEFINITIONS) {
                                *text = reference(&self.of(group, name));
                            }
                        }
                        value => self.rename_in(group, value),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.rename_in(group, item);
                }
            }
            _ => {}
        }
    }

    /// The name of a group's definition.
    fn of(&self, group: &str, name: &str) -> String {
        let mut letters = group.chars();
        let prefix: String =
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        if self.shared.contains(name) || name.starts_with(&prefix) {
            return name.to_owned();
        }
        format!("{prefix}{name}")
    }
}
