//! Plans whose secrets are words of their own addresses.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

const WORDS: [&str; 16] = [
    "postgres",
    "terraform",
    "default",
    "main",
    "destroy",
    "module",
    "registry",
    "example",
    "database",
    "hunter2",
    "a",
    "Creating",
    "acme_postgres",
    "admin user",
    "line one\n- destroy\nline2x",
    "correct-horse-9",
];
const NAMES: [&str; 10] = [
    "postgres",
    "terraform",
    "default",
    "main",
    "destroy",
    "database",
    "hunter2",
    "a",
    "admin",
    "input",
];
const KINDS: [&str; 4] = ["acme_postgres", "acme_default", "terraform_data", "acme_database"];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => select(&WORDS[..]).prop_map(Value::from),
        2 => (select(&WORDS[..]), select(&WORDS[..])).prop_map(|(one, other)| format!("{one}/{other}").into()),
        1 => any::<u32>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((select(&NAMES[..]), inner), 0..3).prop_map(|fields| {
                Value::Object(
                    fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect(),
                )
            }),
        ]
    })
}

/// Returns the attributes of one side with the marks of those that are sensitive.
fn side() -> impl Strategy<Value = (Value, Value)> {
    vec((select(&NAMES[..]), value(), any::<bool>()), 0..5).prop_map(|attributes| {
        let (mut values, mut marks) = (Map::new(), Map::new());
        for (name, value, is_sensitive) in attributes {
            values.insert(name.to_owned(), value);
            if is_sensitive {
                marks.insert(name.to_owned(), true.into());
            } else {
                marks.remove(name);
            }
        }
        (Value::Object(values), Value::Object(marks))
    })
}

fn change() -> impl Strategy<Value = Value> {
    let address =
        (select(&KINDS[..]), select(&NAMES[..]), proptest::option::of(select(&NAMES[..])));
    let actions = select(vec![
        json!(["create"]),
        json!(["update"]),
        json!(["delete"]),
        json!(["delete", "create"]),
        json!(["create", "delete"]),
        json!(["forget"]),
        json!(["no-op"]),
    ]);
    (address, any::<bool>(), actions, side(), side()).prop_map(
        |((kind, name, key), in_module, actions, before, after)| {
            let module = if in_module { "module.default." } else { "" };
            let index = key.map_or(String::new(), |key| format!("[\"{key}\"]"));
            let has = |action: &str| actions.as_array().unwrap().iter().any(|one| one == action);
            let nothing = || (Value::Null, json!(false));
            let before = if actions == json!(["create"]) { nothing() } else { before };
            let after = match () {
                () if has("no-op") => before.clone(),
                () if has("create") || has("update") => after,
                () => nothing(),
            };
            json!({
                "address": format!("{module}{kind}.{name}{index}"), "mode": "managed", "type": kind,
                "name": name, "index": key, "provider_name": "registry.example/acme/postgres",
                "change": {"actions": actions, "before": before.0, "after": after.0, "after_unknown": {},
                           "before_sensitive": before.1, "after_sensitive": after.1},
            })
        },
    )
}

/// Returns plans of up to a dozen changes.
pub(super) fn plan() -> impl Strategy<Value = Value> {
    let output = (select(&NAMES[..]), leaf(), any::<bool>());
    (vec(change(), 0..12), vec(output, 0..3), select(&WORDS[..])).prop_map(
        |(mut changes, outputs, given)| {
            changes.sort_by_key(|change| change["address"].to_string());
            changes.dedup_by_key(|change| change["address"].to_string());
            let outputs: Map<_, _> = outputs
                .into_iter()
                .map(|(name, value, mark)| {
                    let change = json!({"actions": ["create"], "before": null, "after": value,
                        "after_unknown": false, "before_sensitive": false, "after_sensitive": mark});
                    (name.to_owned(), change)
                })
                .collect();
            json!({
                "format_version": "1.2", "terraform_version": "1.11.4", "variables": {"given": {"value": given}},
                "resource_changes": changes, "output_changes": outputs,
                "configuration": {"root_module": {"variables": {"given": {"sensitive": true}}}},
            })
        },
    )
}
