//! Header fields, as the messages of HTTP have them.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::event::{LOWER_CASE, Text};

/// Header fields in the order in which they were sent. In JSON an object: each
/// name once, in lower case, with the list of its values.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a>(pub &'a [httparse::Header<'a>]);

/// The values of the fields that bear one name, in order.
struct Values<'a> {
    fields: &'a [httparse::Header<'a>],
    name: &'a str,
}

impl Headers<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The marks that several fields have: no other name can stand twice.
    fn repeated(&self) -> u64 {
        let (mut seen, mut repeated) = (0, 0);
        for field in self.0 {
            let mark = mark(field.name);
            repeated |= seen & mark;
            seen |= mark;
        }
        repeated
    }
}

/// One bit for a name, whatever its case; several names have the same.
fn mark(name: &str) -> u64 {
    let name = name.as_bytes();
    let [first, last] = [name.first(), name.last()].map(|end| end.map_or(0, |end| end | 0x20));
    1 << ((name.len() * 7 + usize::from(first) * 3 + usize::from(last)) % 64)
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0).finish()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let repeated = self.repeated();
        for (number, field) in self.0.iter().enumerate() {
            if repeated == 0 || repeated & mark(field.name) == 0 {
                map.serialize_entry(&LowerCase(field.name), &[Text::from(field.value)])?;
                continue;
            }
            let (before, fields) = self.0.split_at(number);
            if before.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(field.name)) {
                continue;
            }
            map.serialize_entry(&LowerCase(field.name), &Values { fields, name: field.name })?;
        }
        map.end()
    }
}

impl JsonSchema for Headers<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = BTreeMap::<String, Vec<Text<'_>>>::json_schema(generator);
        schema.insert(
            "description".into(),
            "Values of each field, by its name in lower case.".into(),
        );
        schema
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.fields
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case(self.name))
                .map(|field| Text::from(field.value)),
        )
    }
}

/// A name in lower case.
struct LowerCase<'a>(&'a str);

impl Serialize for LowerCase<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.0.to_ascii_lowercase())
        } else {
            serializer.serialize_newtype_struct(LOWER_CASE, self.0)
        }
    }
}
