//! Compares plans by what they would do: is this the plan that was approved?
//!
//! A fingerprint covers the set of changes and nothing that may differ between two plans of the same
//! configuration: no version, no time, no order, no state before, nothing that stays as it is.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    patterns::PathPattern,
    plan::{
        Change, Invocation, OutputChange, Plan, ResourceChange, ValueChange,
        leaves::{Leaf, changed_leaves},
        marks,
    },
};

/// The version of what is hashed, and how.
const VERSION: &str = "tf1:";

/// The hashes of a plan: of the set of its changes, and of each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    digest: String,
    /// The hashes of the changes by what each is about; absent where only the digest was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes: Option<BTreeMap<String, Vec<String>>>,
}

/// The result of comparing a plan with the approved one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It would do the same.
    Same,
    /// It would do a part of it; holds what it would not do.
    Subset(Vec<String>),
    /// It would do something else; holds what differs.
    Differs(Vec<String>),
}

/// Hashes what a plan would do, without the values at volatile paths.
///
/// With a key, the values of sensitive leaves count by their keyed hash. Without one only counts that they
/// change, since a short secret could be guessed from its hash.
pub fn fingerprint(plan: &Plan, key: Option<&[u8; 32]>, volatile: &[PathPattern]) -> Fingerprint {
    let hasher = Hasher { key, volatile };
    let mut changes = BTreeMap::<String, Vec<String>>::new();
    let resources = plan.resources().filter_map(|resource| hasher.resource(resource));
    let outputs = plan.outputs().filter_map(|output| hasher.output(output));
    let all = plan.invocations().chain(plan.deferred_invocations());
    let invocations = all.map(|invocation| hasher.invocation(invocation));
    let errored = plan.errored().then(|| ("a plan that failed".to_owned(), String::new()));
    for (label, hash) in resources.chain(outputs).chain(invocations).chain(errored) {
        changes.entry(label).or_default().push(hash);
    }
    for hashes in changes.values_mut() {
        hashes.sort();
    }
    let digest = format!("{VERSION}{}", hash(&json!(changes)));
    Fingerprint { digest, changes: Some(changes) }
}

/// Compares the fingerprint of a plan with that of an approved one.
pub fn compare(approved: &Fingerprint, new: &Fingerprint) -> Comparison {
    if approved.digest == new.digest {
        return Comparison::Same;
    }
    let (Some(before), Some(after)) = (&approved.changes, &new.changes) else {
        let reason = "the changes are not those of the approved fingerprint".to_owned();
        return Comparison::Differs(vec![reason]);
    };
    let lacks = |here: &BTreeMap<String, Vec<String>>, label: &String, hashes: &Vec<String>| {
        let known = here.get(label);
        hashes.iter().any(|hash| {
            let count = |hashes: &Vec<String>| hashes.iter().filter(|one| *one == hash).count();
            known.map_or(0, count) < count(hashes)
        })
    };
    let new_ones = after.iter().filter(|(label, hashes)| lacks(before, label, hashes));
    let new_ones = new_ones.map(|(label, _)| {
        let why =
            if before.contains_key(label) { "is not as approved" } else { "was not approved" };
        format!("{label} {why}")
    });
    let mut differences: Vec<_> = new_ones.collect();
    let gone = before.iter().filter(|(label, hashes)| lacks(after, label, hashes));
    let gone = gone.filter(|(label, _)| differences.is_empty() || !after.contains_key(*label));
    let gone: Vec<_> = gone.map(|(label, _)| label.clone()).collect();
    if differences.is_empty() {
        return Comparison::Subset(gone);
    }
    differences.extend(gone.iter().map(|label| format!("{label} is not planned any more")));
    Comparison::Differs(differences)
}

struct Hasher<'a> {
    key: Option<&'a [u8; 32]>,
    volatile: &'a [PathPattern],
}

impl Hasher<'_> {
    fn resource(&self, resource: &ResourceChange) -> Option<(String, String)> {
        if !resource.is_change() && !resource.deferred || resource.change == Change::Read {
            return None;
        }
        let leaves = self.leaves(&resource.address, &resource.values);
        let only_values =
            resource.change == Change::Update && !resource.imported && !resource.moved;
        if leaves.is_empty() && only_values && !self.volatile.is_empty() {
            return None;
        }
        let mut paths: Vec<_> =
            resource.replace_paths.iter().map(|path| json!(path).to_string()).collect();
        paths.sort();
        let content = json!({
            "address": resource.address, "deposed": resource.deposed, "provider": resource.provider,
            "actions": resource.actions, "deferred": resource.deferred, "replace_paths": paths,
            "imported": resource.imported, "import_id": resource.import_id,
            "previous_address": resource.previous_address.as_ref().filter(|_| resource.moved),
            "leaves": leaves,
        });
        let deposed = resource.deposed.as_ref().map(|key| format!(" (deposed {key})"));
        let what = resource.change.name();
        let what = match what {
            "none" if resource.imported => "import",
            "none" => "move",
            _ if resource.deferred => "deferred",
            other => other,
        };
        let label = format!("{what} of {}{}", resource.address, deposed.unwrap_or_default());
        Some((label, hash(&content)))
    }

    fn output(&self, output: &OutputChange) -> Option<(String, String)> {
        let address = format!("output.{}", output.name);
        let leaves = self.leaves(&address, &output.values);
        if leaves.is_empty() && !self.volatile.is_empty() {
            return None;
        }
        let content = json!({"address": address, "change": output.change.name(), "leaves": leaves});
        Some((format!("{} of {address}", output.change.name()), hash(&content)))
    }

    fn invocation(&self, invocation: &Invocation) -> (String, String) {
        let values = ValueChange {
            after: invocation.config.clone(),
            after_unknown: invocation.config_unknown.clone(),
            after_sensitive: invocation.config_sensitive.clone(),
            ..ValueChange::default()
        };
        let trigger = invocation.trigger.as_ref();
        let content = json!({
            "address": invocation.address, "deferred": invocation.deferred,
            "trigger": trigger.map(|trigger| [&trigger.address, &trigger.event]),
            "leaves": self.leaves(&invocation.address, &values),
        });
        let when = trigger.map(|trigger| format!(" {} {}", trigger.event, trigger.address));
        let label = format!("invocation of {}{}", invocation.address, when.unwrap_or_default());
        (label, hash(&content))
    }

    /// Returns the values that change, by their paths.
    fn leaves(&self, address: &str, change: &ValueChange) -> BTreeMap<String, Value> {
        let mut leaves = BTreeMap::new();
        changed_leaves(change, &mut |leaf| {
            if !self.volatile.iter().any(|pattern| pattern.covers(address, &leaf.path)) {
                let sides = [self.side(&leaf, true), self.side(&leaf, false)];
                leaves.insert(leaf.path, json!(sides));
            }
        });
        leaves
    }

    /// Returns one side of a leaf; what is sensitive on either side is so on both.
    fn side(&self, leaf: &Leaf<'_>, is_before: bool) -> Value {
        let node = &leaf.node;
        if !is_before && node.is_unknown() {
            return json!({"unknown": node.is_sensitive()});
        }
        let mut value = if is_before { node.before.clone() } else { node.after.clone() };
        for mark in [node.before_mark, node.after_mark] {
            marks::visit(&mut value, mark, &mut |part| {
                if !part.is_null() && part.get("keyed").is_none() {
                    *part = self.keyed(part);
                }
            });
        }
        let is_marked = |mark: &Value| *mark == Value::Bool(true);
        let mark = if is_before { node.before_mark } else { node.after_mark };
        json!({"value": value, "sensitive": is_marked(mark)})
    }

    fn keyed(&self, value: &Value) -> Value {
        let hash = |key| blake3::keyed_hash(key, canonical(value).as_bytes());
        json!({"keyed": self.key.map(|key| hash(key).to_hex().to_string())})
    }
}

fn hash(content: &Value) -> String {
    blake3::hash(canonical(content).as_bytes()).to_hex().to_string()
}

/// Writes a value with sorted keys, whatever order they were read in.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let fields = sorted.into_iter();
            let fields: Vec<_> = fields
                .map(|(name, field)| format!("{}:{}", json!(name), canonical(field)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}

impl Fingerprint {
    /// Returns whether the changes are known one by one, so that a part of them can be told from others.
    pub fn has_changes(&self) -> bool {
        self.changes.is_some()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digest)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix(VERSION).unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("a fingerprint is `{VERSION}` and 64 hexadecimal digits"));
        }
        Ok(Self { digest: text.to_ascii_lowercase(), changes: None })
    }
}
