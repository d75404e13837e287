//! The names in terraform's JSON that are no secrets: its own, those of a schema, those a configuration declares.
//!
//! The keys of a map look like the names of attributes there, and nothing tells them apart. So a name within
//! a sensitive value counts as a secret, unless it stands where only names that everybody may see stand.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Fields that hold somebody's values instead of terraform's own structure.
const DATA: [&str; 8] = [
    "after",
    "after_unknown",
    "before",
    "config_unknown",
    "config_values",
    "constant_value",
    "default",
    "value",
];

/// Fields of a resource's address and kind; their texts are names.
const NAMING: [&str; 7] =
    ["address", "index", "module_address", "name", "provider_name", "resource", "type"];

/// Returns the names in a document that has not been redacted.
pub(super) fn public(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(document, Place { parent: "", in_outputs: false }, &mut names);
    names
}

#[derive(Clone, Copy)]
struct Place<'a> {
    parent: &'a str,
    in_outputs: bool,
}

fn collect(value: &Value, place: Place<'_>, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, place, names)),
        Value::String(text) if NAMING.contains(&place.parent) => {
            names.insert(text.clone());
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                names.insert(name.clone());
                if is_data(name, field, fields) {
                    names.extend(attributes(name, field, place));
                    continue;
                }
                let in_outputs = place.in_outputs || name == "outputs" || name == "output_changes";
                collect(field, Place { parent: name, in_outputs }, names);
            }
        }
        _ => {}
    }
}

fn is_data(name: &str, field: &Value, siblings: &Map<String, Value>) -> bool {
    match name {
        // A state has its modules in a field of that name.
        "values" => siblings.contains_key("type"),
        // The type of an output names the keys of its value.
        "type" => !field.is_string(),
        _ => DATA.contains(&name),
    }
}

/// Returns the names of a resource's attributes, which its schema gives.
fn attributes(name: &str, data: &Value, place: Place<'_>) -> Vec<String> {
    let is_change = ["after", "after_unknown", "before"].contains(&name);
    let has_schema = match name {
        "config_values" | "config_unknown" | "values" => true,
        _ => is_change && place.parent == "change" && !place.in_outputs,
    };
    let fields = data.as_object().filter(|_| has_schema);
    fields.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_structure_and_schema_are_public_and_keys_of_values_are_not() {
        let plan = json!({
            "variables": {"logins": {"value": {"key-1": 1}}},
            "resource_changes": [{"address": "a.b[\"one\"]", "index": "one", "change": {
                "after": {"input": {"key-2": 1}}, "after_unknown": {"output": {"key-3": true}},
                "after_sensitive": {"input": {"marked": true}},
            }}],
            "output_changes": {"change": {"after": {"key-4": 1}}},
            "planned_values": {"outputs": {"o": {"value": {"key-5": 1}, "type": ["object", {"key-8": "string"}]}},
                "root_module": {"resources": [{"type": "t", "values": {"id": {"key-6": 1}}}]}},
            "configuration": {"root_module": {"resources": [{"expressions": {
                "connection": [{"user": {"constant_value": {"key-7": 1}}}],
            }}]}},
        });

        let names = public(&plan);

        for name in ["logins", "variables", "input", "output", "marked", "o", "id", "user", "one"] {
            assert!(names.contains(name), "{name}");
        }
        assert!(names.iter().all(|name| !name.starts_with("key-")), "{names:?}");
    }
}
