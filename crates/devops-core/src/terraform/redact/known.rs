//! The known secrets, and the texts known to be public.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::Value;

use super::{
    super::{
        json,
        plan::{Beside, Plan, ValueChange, marks::each_marked},
        shown::HIDDEN,
    },
    forms::is_long_number,
};

/// Fields of terraform's JSON, which a key of a sensitive value may equal.
const FIELDS: [&str; 12] = [
    "actions",
    "address",
    "attribute",
    "id",
    "index",
    "key",
    "mode",
    "name",
    "sensitive",
    "type",
    "value",
    "values",
];

/// Sensitive texts and names, and the names that structure shows.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// Texts, and numbers long enough to be told from others.
    pub(super) texts: BTreeSet<String>,
    /// Keys within sensitive values, each with the hashes of the values it stood before.
    pub(super) names: BTreeMap<String, BTreeSet<u64>>,
    /// Names that a schema or the configuration gives.
    pub(super) public: BTreeSet<String>,
    /// Addresses, which hold no secret: terraform refuses sensitive values in `for_each`.
    pub(super) addresses: BTreeSet<String>,
    /// Is set for texts that quote values: even a short one is hidden where it stands alone.
    pub(super) is_quoted: bool,
}

impl Known {
    /// Returns how much is known; it only grows.
    pub(super) fn size(&self) -> [usize; 4] {
        let hashes = self.names.values().map(|hashes| hashes.len() + 1).sum();
        [self.texts.len(), hashes, self.public.len(), self.addresses.len()]
    }

    /// Learns a sensitive value with all that it is made of.
    pub(super) fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn_text(text),
            Value::Number(number) => {
                let text = number.to_string();
                if is_long_number(&text) {
                    self.texts.insert(text);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    if !name.is_empty() {
                        self.names.entry(name.clone()).or_default().insert(hash(field));
                    }
                    self.learn(field);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn learn_text(&mut self, text: &str) {
        if text.trim().is_empty() || text == HIDDEN {
            return;
        }
        self.texts.insert(text.to_owned());
        // Terraform prints JSON as what it says.
        if text.trim_start().starts_with(['{', '[']) {
            match json::read(text.as_bytes()) {
                Ok(inner @ (Value::Array(_) | Value::Object(_))) => self.learn(&inner),
                _ => quoted_texts(text).for_each(|inner| {
                    self.texts.insert(inner.to_owned());
                }),
            }
        }
    }

    pub(super) fn add_plan_secrets(&mut self, plan: &Plan) {
        self.learn_beside(&plan.beside);
        self.addresses.extend(plan.addresses().map(str::to_owned));
        for resource in plan.resources().chain(plan.found_outside()) {
            self.learn_change(&resource.values);
            for side in [&resource.values.before, &resource.values.after] {
                self.publish_keys(side);
            }
            self.publish(&resource.kind);
            self.publish(&resource.provider);
        }
        for output in plan.outputs() {
            self.learn_change(&output.values);
            self.publish(&output.name);
        }
        for invocation in plan.invocations().chain(plan.deferred_invocations()) {
            each_marked(&invocation.config, &invocation.config_sensitive, &mut |value| {
                self.learn(value);
            });
            self.publish_keys(&invocation.config);
            self.publish(&invocation.kind);
            self.addresses.insert(invocation.address.clone());
        }
    }

    /// Learns what the parts of a document beside its changes hold.
    pub(super) fn learn_beside(&mut self, beside: &Beside) {
        beside.sensitive.iter().for_each(|value| self.learn(value));
        beside.names.iter().for_each(|name| self.publish(name));
        self.public.extend(FIELDS.map(str::to_owned));
        self.addresses.extend(beside.addresses.iter().cloned());
    }

    fn learn_change(&mut self, change: &ValueChange) {
        each_marked(&change.before, &change.before_sensitive, &mut |value| self.learn(value));
        each_marked(&change.after, &change.after_sensitive, &mut |value| self.learn(value));
    }

    pub(super) fn publish(&mut self, name: &str) {
        if !self.public.contains(name) {
            self.public.insert(name.to_owned());
        }
    }

    /// Takes the names of a resource's attributes, which its schema gives.
    pub(super) fn publish_keys(&mut self, values: &Value) {
        for (name, _) in values.as_object().into_iter().flatten() {
            self.publish(name);
        }
    }
}

/// Returns the hash that tells whether a key stands before the value it stood before elsewhere.
pub(super) fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

/// Returns the literals of an expression that is not JSON, such as `{ password = "…" }`.
fn quoted_texts(expression: &str) -> impl Iterator<Item = &str> {
    expression.split('"').skip(1).step_by(2).filter(|text| !text.trim().is_empty())
}
