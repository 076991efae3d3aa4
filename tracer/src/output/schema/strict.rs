//! What derived schemas leave open that the output does not.

use schemars::{
    Schema,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value};

/// Makes schemas as strict as the output is: an object has no other members
/// than its type, and what is `None` is left out, never null. Descriptions are
/// rustdoc, whose lines and links are of no use here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(schema) = schema.as_object_mut() {
            if schema.contains_key("properties") {
                schema.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            without_null(schema);
            if let Some(Value::String(text)) = schema.get_mut("description") {
                *text = unwrapped(text);
            }
        }
        transform_subschemas(self, schema);
    }
}

/// Takes null out of the values that an `Option` may have.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(any)) = schema.get_mut("anyOf") else { return };
    any.retain(|part| part.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = any.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (name, value) in only {
            schema.entry(name).or_insert(value);
        }
    }
}

/// A text without the line breaks and links of rustdoc.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n").replace("[`", "`").replace("`]", "`")
}
