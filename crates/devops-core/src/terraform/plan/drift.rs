//! Tells what changed outside of terraform from what the configuration changes.

use serde_json::Value;

use super::{
    change::{Change, OutputChange, ResourceChange},
    leaves::changed_leaves,
};
use crate::terraform::patterns::PathPattern;

/// Resources and outputs that were changed outside of terraform.
#[derive(Debug, Default)]
pub struct Drift<'a> {
    /// The resources.
    pub resources: Vec<&'a ResourceChange>,
    /// The names of the outputs that follow from them.
    pub outputs: Vec<&'a str>,
}

impl Drift<'_> {
    /// Returns whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.outputs.is_empty()
    }
}

/// Returns whether patterns cover every attribute that was changed; what is gone has changed as a whole.
pub(super) fn is_ignored(resource: &ResourceChange, ignored: &[PathPattern]) -> bool {
    let covers = |path: &str| ignored.iter().any(|one| one.covers(&resource.address, path));
    if resource.change.destroys() {
        return covers("");
    }
    let mut all = !ignored.is_empty();
    changed_leaves(&resource.values, &mut |leaf| all &= covers(&leaf.path));
    all
}

/// The references in the expression of an output.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    references: Vec<String>,
}

impl Origins {
    pub(super) fn of(expression: &Value) -> Self {
        let mut references = Vec::new();
        collect(expression, &mut references);
        Self { references }
    }

    /// Returns whether what the output refers to changed outside of terraform, or is read anew each time.
    ///
    /// The references of a local value or a module are not given here; terraform's list of the attributes
    /// that matter to the plan says it.
    fn drifted(&self, drifted: &[&ResourceChange], relevant: &[String]) -> bool {
        let direct = self.references.iter().any(|reference| {
            is_data(reference)
                || drifted.iter().any(|resource| refers(reference, &resource.address))
        });
        let behind = self
            .references
            .iter()
            .any(|reference| reference.starts_with("local.") || reference.starts_with("module."));
        let matters = |address: &String| {
            is_data(address) || drifted.iter().any(|resource| refers(address, &resource.address))
        };
        direct || (behind && relevant.iter().any(matters))
    }
}

/// Returns whether a change of an output comes from outside of the configuration.
pub(super) fn output_drifted(
    output: &OutputChange,
    origins: Option<&Origins>,
    drifted: &[&ResourceChange],
    relevant: &[String],
) -> bool {
    output.change == Change::Update
        && origins.is_some_and(|origins| origins.drifted(drifted, relevant))
}

fn is_data(reference: &str) -> bool {
    reference.starts_with("data.") || reference.contains(".data.")
}

/// Returns whether a reference such as `aws_db.main.id` or `module.net.ids` is to this resource.
fn refers(reference: &str, address: &str) -> bool {
    let (reference, address) = (without_keys(reference), without_keys(address));
    let begins = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    begins(&reference, &address) || begins(&address, &module_of(&reference))
}

/// Returns `module.net` of `module.net.ids`; what is in no module is itself.
fn module_of(reference: &str) -> String {
    let steps: Vec<_> = reference.split('.').collect();
    let depth = steps.chunks(2).take_while(|pair| pair[0] == "module").count();
    match depth {
        0 => reference.to_owned(),
        depth => steps[..(2 * depth).min(steps.len())].join("."),
    }
}

fn without_keys(address: &str) -> String {
    let (mut bare, mut depth, mut quoted) = (String::new(), 0_usize, false);
    for c in address.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    bare
}

fn collect(expression: &Value, found: &mut Vec<String>) {
    match expression {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Array(references) if name == "references" => {
                        let texts = references.iter().filter_map(Value::as_str);
                        found.extend(texts.map(str::to_owned));
                    }
                    field => collect(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}
