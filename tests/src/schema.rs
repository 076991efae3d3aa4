//! Events as they are written, held against the schema of the output.

use std::{collections::BTreeMap, sync::LazyLock};

use anyhow::{Context as _, Result, anyhow, bail};
use jsonschema::Validator;
use serde_json::{Value, json};
use tracer::output;

/// A validator for the lines of each action: a fault in a line is told of the
/// action's fields, not of all that the line might have been.
static ACTIONS: LazyLock<Result<BTreeMap<String, Validator>>> = LazyLock::new(|| {
    let schema = output::schema();
    let part = |name| schema.get(name).with_context(|| format!("the schema has no {name}"));
    let definitions = part("$defs")?;
    part("oneOf")?
        .as_array()
        .context("a list of actions")?
        .iter()
        .map(|action| {
            let place = action.get("$ref").and_then(Value::as_str).context("a reference")?;
            let name = place.rsplit('/').next().unwrap_or(place);
            let of_action = json!({ "$ref": place, "$defs": definitions });
            Ok((name.to_owned(), jsonschema::draft202012::new(&of_action)?))
        })
        .collect()
});

/// The event that a line of JSON is.
///
/// # Errors
///
/// When the line is not JSON, or no event by the schema.
pub fn event(line: &str) -> Result<Value> {
    let event: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
    let actions = ACTIONS.as_ref().map_err(|error| anyhow!("the schema: {error:#}"))?;
    let action = event.pointer("/event/action").and_then(Value::as_str);
    let validator = action.and_then(|action| actions.get(action));
    let validator = validator.with_context(|| format!("no known action: {line}"))?;
    if let Err(fault) = validator.validate(&event) {
        bail!("not as the schema has it: {fault} at {}: {line}", fault.instance_path());
    }
    Ok(event)
}
