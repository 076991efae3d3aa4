//! The JSON Schema of the output, made of the types that are written.
//!
//! Each action is a definition of that name: the envelope, the connection and
//! the message as one object, in which nothing else may stand.

mod parts;
mod strict;

use schemars::{JsonSchema as _, SchemaGenerator};
use serde_json::{Map, Value, json};

use self::parts::{Parts, reference};
use super::json::{ConnectionObjects, Envelope};
use crate::event::{Message, tcp::RowFields};

/// What the tracer says of itself, so on no connection.
const WITHOUT_CONNECTION: [&str; 3] = ["overload", "output-lost", "stats"];

/// The groups of what all events have, and of the rows of segments.
const ALL: &str = "";
const ROW: &str = "tcp";

/// The schema of a line of JSON output, in the draft of 2020-12.
pub fn schema() -> Value {
    let actions = Message::schemas();
    let mut parts = Parts::default();
    let envelope = parts.of(ALL, Envelope::json_schema);
    let connection = parts.of(ALL, ConnectionObjects::json_schema);
    let row = parts.of(ROW, SchemaGenerator::subschema_for::<RowFields>);
    let messages: Vec<_> =
        actions.iter().map(|(action, message)| parts.of(group(action), message)).collect();
    let names = parts.name();
    let mut definitions = names.definitions();
    for ((action, _), message) in actions.iter().zip(messages) {
        let mut object = Object::default();
        object.add(names.rename(ALL, envelope.clone()));
        if !WITHOUT_CONNECTION.contains(action) {
            object.add(names.rename(ALL, connection.clone()));
        }
        object.add(names.rename(group(action), message));
        object.is(action);
        object.may_stand_in(names.rename(ROW, row.clone()));
        definitions.insert((*action).to_owned(), object.schema());
    }
    let any: Vec<_> =
        actions.iter().map(|(action, _)| json!({ "$ref": reference(action) })).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tracer event",
        "description": "One line of `tracer --format json`. See docs/EVENTS.md.",
        "oneOf": any,
        "$defs": definitions,
    })
}

/// The messages that an action belongs to: what stands before its first
/// hyphen.
fn group(action: &str) -> &str {
    action.split('-').next().unwrap_or(action)
}

/// Several objects whose members are written as one object's.
#[derive(Default)]
struct Object {
    description: Option<Value>,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Object {
    /// Adds the members of an object; the description of the last one is that
    /// of all.
    fn add(&mut self, schema: Value) {
        let Value::Object(mut schema) = schema else { return };
        self.description = schema.remove("description");
        if let Some(Value::Object(properties)) = schema.remove("properties") {
            self.properties.extend(properties);
        }
        if let Some(Value::Array(required)) = schema.remove("required") {
            self.required.extend(required);
        }
    }

    /// Says which action it is.
    fn is(&mut self, action: &str) {
        if let Some(Value::Object(event)) = self.properties.get_mut("event") {
            event.insert("properties".to_owned(), json!({ "action": { "const": action } }));
        }
    }

    /// In the segments view what a side says stands in the row of its segment.
    fn may_stand_in(&mut self, row: Value) {
        let told_by_tracer = self.properties.contains_key("tracer");
        if !told_by_tracer {
            self.properties.entry("tcp").or_insert(row);
        }
    }

    fn schema(self) -> Value {
        let Self { description, properties, required } = self;
        json!({
            "description": description,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn follow(part: &Value, whole: &Value) {
            if let Some(Value::String(reference)) = part.get("$ref") {
                let place = reference.strip_prefix('#').unwrap();
                assert!(whole.pointer(place).is_some(), "{reference}");
            }
            match part {
                Value::Object(members) => members.values().for_each(|part| follow(part, whole)),
                Value::Array(items) => items.iter().for_each(|part| follow(part, whole)),
                _ => {}
            }
        }
        let schema = schema();
        follow(&schema, &schema);
        assert!(schema.pointer("/$defs/http-request/properties/http").is_some());
    }
}
