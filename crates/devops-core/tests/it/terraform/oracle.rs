//! Compares a document before and after redaction: the structure is the same, and nothing marked is left.

use std::collections::BTreeSet;

use devops_core::terraform::{DiffOptions, Plan, Secrets, diff};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{
    generated,
    public::{documents, is_plan},
};

const HIDDEN: &str = "(sensitive value)";

/// Fields with somebody's values.
const DATA: [&str; 8] =
    ["after", "before", "config_values", "constant_value", "default", "value", "values", "message"];

/// Words that terraform itself uses; a longer text may hold them though they are secret elsewhere.
const WORDS: [&str; 4] = ["terraform", "default", "destroy", "module"];

/// Returns every text that is structure, with the keys of values that a schema gives, by its place.
fn structure(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let place = format!("{place}/{name}");
                let is_data = DATA.contains(&name.as_str())
                    && (name != "values" || fields.contains_key("type"));
                if !is_data {
                    structure(field, &place, found);
                } else if let Some(attributes) =
                    field.as_object().filter(|_| place.contains("resource"))
                {
                    found.extend(attributes.keys().map(|name| format!("{place}/{name}")));
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                structure(item, &format!("{place}/{at}"), found);
            }
        }
        Value::String(text) => found.push(format!("{place} = {text}")),
        other => found.push(format!("{place} = {other}")),
    }
}

fn strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|field| strings(field, found)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::String(text) => {
            found.insert(text.clone());
        }
        _ => {}
    }
}

fn marked(value: &Value, marks: &Value, found: &mut BTreeSet<String>) {
    match (value, marks) {
        (value, Value::Bool(true)) => strings(value, found),
        (Value::Object(fields), Value::Object(marks)) => {
            for (name, mark) in marks {
                marked(&fields.get(name).cloned().unwrap_or_default(), mark, found);
            }
        }
        (Value::Array(items), Value::Array(marks)) => {
            items.iter().zip(marks).for_each(|(item, mark)| marked(item, mark, found));
        }
        _ => {}
    }
}

/// Returns every text that a document marks as sensitive.
fn all_marked(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (values, marks) in [
                ("before", "before_sensitive"),
                ("after", "after_sensitive"),
                ("values", "sensitive_values"),
                ("config_values", "config_sensitive"),
            ] {
                if let (Some(value), Some(marks)) = (fields.get(values), fields.get(marks)) {
                    marked(value, marks, found);
                }
            }
            if fields.get("sensitive") == Some(&Value::Bool(true)) {
                ["value", "default"]
                    .iter()
                    .filter_map(|name| fields.get(*name))
                    .for_each(|value| strings(value, found));
            }
            fields.values().for_each(|field| all_marked(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all_marked(item, found)),
        _ => {}
    }
}

/// Returns the texts of values.
fn data(value: &Value, in_data: bool, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let begins = DATA.contains(&name.as_str())
                    && (name != "values" || fields.contains_key("type"));
                data(field, in_data || begins, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| data(item, in_data, found)),
        Value::String(text) if in_data => {
            found.insert(text.clone());
        }
        _ => {}
    }
}

/// Returns what is wrong with a redacted document.
fn faults(document: &Value, shown: &Value) -> Vec<String> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    structure(document, "", &mut before);
    structure(shown, "", &mut after);
    let after: BTreeSet<_> = after.into_iter().collect();
    let lost = before.into_iter().filter(|line| !after.contains(line));
    let mut faults: Vec<_> = lost.map(|line| format!("structure lost: {line}")).collect();
    let (mut secrets, mut texts) = (BTreeSet::new(), BTreeSet::new());
    all_marked(document, &mut secrets);
    data(shown, false, &mut texts);
    for secret in secrets.iter().filter(|secret| !secret.trim().is_empty()) {
        let is_part = secret.trim().len() >= 6 && !WORDS.contains(&secret.trim());
        for text in texts.iter().filter(|text| text.as_str() != HIDDEN) {
            if text == secret || (is_part && text.replace(HIDDEN, "\0").contains(secret.trim())) {
                faults.push(format!("shown: {secret:?} in {text:?}"));
            }
        }
    }
    faults
}

/// Returns the values in the text of a diff that are secret.
fn shown_in_diff(document: &Value, text: &str) -> Vec<String> {
    let mut secrets = BTreeSet::new();
    all_marked(document, &mut secrets);
    let values = text.lines().filter_map(|line| line.split_once(" = ").map(|(_, value)| value));
    let items =
        text.lines().filter(|line| line.trim_start_matches([' ', '+', '-', '~']).starts_with('"'));
    let items = items.filter(|line| !line.contains(" = "));
    let all: Vec<_> = values.chain(items).map(without_keys).collect();
    let mut found = Vec::new();
    for secret in
        secrets.iter().filter(|secret| secret.trim().len() >= 6 && !WORDS.contains(&secret.trim()))
    {
        let quoted = Value::from(secret.trim()).to_string();
        let quoted = &quoted[1..quoted.len() - 1];
        found.extend(
            all.iter()
                .filter(|text| text.contains(quoted))
                .map(|text| format!("{secret:?} in {text:?}")),
        );
    }
    found
}

/// Takes the keys out of an object in one line.
fn without_keys(line: &str) -> String {
    let mut texts: Vec<_> = line.split('"').map(str::to_owned).collect();
    for at in (1..texts.len().saturating_sub(1)).step_by(2) {
        if texts[at + 1].starts_with(':') {
            texts[at].clear();
        }
    }
    texts.join("\"")
}

fn check_plan(document: &Value) -> Vec<String> {
    let Ok(plan) = Plan::parse(document.to_string()) else { return Vec::new() };
    let secrets = Secrets::default();
    let mut faults = faults(document, secrets.plan_json(plan.clone()).get());
    let text =
        diff(&plan, &secrets, DiffOptions { full: true, ..DiffOptions::default() }).into_inner();
    faults.extend(shown_in_diff(document, &text).into_iter().map(|fault| format!("diff: {fault}")));
    for change in plan.changes() {
        if !text.contains(&format!("# {}", change.address)) {
            faults.push(format!("diff: {} is missing", change.address));
        }
    }
    faults
}

#[test]
fn structure_stays_and_nothing_marked_is_shown_in_plans_whose_secrets_are_words_of_addresses() {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&generated::plan(), |document| {
        let faults = check_plan(&document);
        proptest::prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn structure_stays_and_nothing_marked_is_shown_in_public_plans_and_states() {
    let (mut n_plans, mut n_states, mut n_marked, mut all) = (0, 0, 0, Vec::new());
    for (name, document) in documents() {
        let mut secrets = BTreeSet::new();
        all_marked(&document, &mut secrets);
        n_marked += secrets.len();
        let faults = if is_plan(&document) {
            n_plans += 1;
            check_plan(&document)
        } else {
            n_states += 1;
            let json = document.to_string();
            faults(&document, Secrets::default().state_json(json.as_bytes()).unwrap().get())
        };
        all.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    println!("{n_plans} plans, {n_states} states, {n_marked} marked texts, {} faults", all.len());
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_oracle_sees_what_is_lost_and_what_is_shown() {
    let document = json!({"resource_changes": [{"address": "a.b", "change": {"after": {"x": "secret-1"},
        "after_sensitive": {"x": true}}}]});
    let mut shown = document.clone();
    assert_eq!(faults(&document, &shown).len(), 1);
    shown["resource_changes"][0]["change"]["after"]["x"] = HIDDEN.into();
    assert!(faults(&document, &shown).is_empty());
    shown["resource_changes"][0]["address"] = HIDDEN.into();
    assert_eq!(faults(&document, &shown).len(), 1);
}
