//! Header fields, as the messages of HTTP have them.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::event::Text;

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
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0).finish()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (number, field) in self.0.iter().enumerate() {
            let (before, fields) = self.0.split_at(number);
            if before.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(field.name)) {
                continue;
            }
            map.serialize_entry(&*lower_case(field.name), &Values { fields, name: field.name })?;
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

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}
