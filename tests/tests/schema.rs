//! docs/events.schema.json is the schema of what is written, and is strict.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use tests::schema;
use tracer::output;

fn docs(name: &str) -> Result<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The lines of JSON in docs/EVENTS.md: at least one of each kind.
fn examples() -> Result<Vec<String>> {
    let page = docs("EVENTS.md")?;
    let examples: Vec<_> = page.lines().filter(|line| line.starts_with("{\"@")).collect();
    ensure!(!examples.is_empty(), "no example");
    Ok(examples.into_iter().map(str::to_owned).collect())
}

#[test]
fn the_file_is_what_the_types_give() -> Result<()> {
    ensure!(
        docs("events.schema.json")? == format!("{:#}\n", output::schema()),
        "docs/events.schema.json is not what the types give. When their change is meant:\n\
         cargo run --package tracer -- schema > docs/events.schema.json"
    );
    Ok(())
}

#[test]
fn it_is_a_schema_and_the_examples_are_events() -> Result<()> {
    let schema = output::schema();
    ensure!(jsonschema::meta::is_valid(&schema), "no schema of its draft");
    let validator = jsonschema::draft202012::new(&schema)?;
    for line in examples()? {
        schema::event(&line)?;
        let event = serde_json::from_str(&line)?;
        let fault = validator.validate(&event).err();
        ensure!(fault.is_none(), "{fault:?}: {line}");
    }
    Ok(())
}

#[test]
fn a_field_that_no_type_has_is_refused_in_every_object() -> Result<()> {
    for line in examples()? {
        let event: Value = serde_json::from_str(&line)?;
        let mut objects = Vec::new();
        walk("", &event, &mut objects);
        for place in &objects {
            let mut odd = event.clone();
            let object = odd.pointer_mut(place).and_then(Value::as_object_mut).context("object")?;
            // Not what a name of the peers' choice has, either: header fields.
            object.insert("misspelt".to_owned(), json!({ "value": 1 }));
            ensure!(schema::event(&odd.to_string()).is_err(), "{place} may have any field: {line}");
        }
    }
    Ok(())
}

#[test]
fn what_every_event_has_may_not_be_missing() -> Result<()> {
    for line in examples()? {
        let event: Map<String, Value> = serde_json::from_str(&line)?;
        for name in event.keys() {
            let mut less = event.clone();
            less.remove(name);
            let valid = schema::event(&Value::Object(less).to_string()).is_ok();
            let needed = matches!(name.as_str(), "@timestamp" | "event" | "network" | "client");
            ensure!(!(valid && needed), "{name} may be missing: {line}");
        }
    }
    Ok(())
}

/// The places of all objects in a value.
fn walk(place: &str, value: &Value, objects: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            objects.push(place.to_owned());
            for (name, value) in members {
                walk(&format!("{place}/{}", name.replace('/', "~1")), value, objects);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(&format!("{place}/{number}"), item, objects);
            }
        }
        _ => {}
    }
}
