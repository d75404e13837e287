//! The JSON form of a plan: what would change.

use std::{collections::BTreeMap, fmt};

mod change;
mod drift;
mod encoding;
mod format;
pub(super) mod leaves;
pub(super) mod marks;
pub(super) mod node;
mod sensitive;
mod summary;

use drift::Origins;
use format::Document;

use super::{json, patterns::PathPattern};

pub(super) use change::ValueChange;
pub use change::{Change, Invocation, OutputChange, ResourceChange, Trigger};
pub use drift::Drift;
pub(super) use sensitive::Beside;
pub use summary::Summary;

/// A plan: the JSON that terraform shows of it, and what was read from it.
#[derive(Clone)]
pub struct Plan {
    json: Vec<u8>,
    resources: Vec<ResourceChange>,
    drifted: Vec<ResourceChange>,
    outputs: Vec<OutputChange>,
    invocations: Vec<Invocation>,
    problems: Vec<String>,
    declared: Vec<String>,
    origins: BTreeMap<String, Origins>,
    relevant: Vec<String>,
    pub(super) beside: Beside,
    applyable: Option<bool>,
    complete: Option<bool>,
    errored: bool,
    /// The version of the program that showed the plan.
    pub terraform_version: String,
}

impl fmt::Debug for Plan {
    /// Counts; the values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({})", self.summary())
    }
}

fn document_of(json: &[u8]) -> serde_json::Value {
    let text = encoding::document(json).unwrap_or_default();
    json::read(&text).expect("the plan was read from this JSON")
}

impl Plan {
    /// Reads the JSON of `terraform show -json PLAN`, of format 0.1 to 1.x; the error says what is wrong
    /// without quoting it.
    ///
    /// It may be UTF-8 or UTF-16, with a byte order mark, and with lines of a wrapper around it.
    pub fn parse(json: impl Into<Vec<u8>>) -> Result<Self, String> {
        let mut bytes = json.into();
        if let std::borrow::Cow::Owned(document) = encoding::document(&bytes)? {
            bytes = document;
        }
        let text = encoding::document(&bytes)?;
        if json::is_too_deep(&text) {
            return Err(json::TOO_DEEP.to_owned());
        }
        let document: Document = json::read(&text)?;
        drop(text);
        match document.format_version.split('.').next() {
            Some("0" | "1") if !document.is_plan() => {
                Err("it has none of the parts of a plan, such as `resource_changes`".to_owned())
            }
            Some("0" | "1") => Ok(Self::of(document, bytes)),
            Some("") | None => Err("it names no format version".to_owned()),
            Some(_) => Err(format!("format version `{}` is not 1.x", document.format_version)),
        }
    }

    fn of(document: Document, json: Vec<u8>) -> Self {
        let root = document.configuration.unwrap_or_default().root_module;
        let origins = root.outputs.iter();
        let origins = origins.map(|(name, output)| (name.clone(), Origins::of(&output.expression)));
        let (origins, declared) = (origins.collect(), root.variables.keys().cloned().collect());
        let mut beside = Beside::default();
        beside.variables(document.variables, &root.variables);
        beside.module(root);
        beside.values(document.planned_values.unwrap_or_default());
        beside.values(document.prior_state.values);
        let changes = document.resource_changes.unwrap_or_default().into_iter().map(Into::into);
        let invocations = document.action_invocations.into_iter().map(Into::into);
        let outputs = document
            .output_changes
            .unwrap_or_default()
            .into_iter()
            .map(|(name, raw)| raw.output(name));
        let failed = document.checks.into_iter().filter(|check| check.status == "fail");
        Self {
            json,
            resources: changes
                .chain(document.deferred_changes.into_iter().map(Into::into))
                .collect(),
            drifted: document.resource_drift.into_iter().map(Into::into).collect(),
            outputs: outputs.collect(),
            invocations: invocations
                .chain(document.deferred_action_invocations.into_iter().map(Into::into))
                .collect(),
            problems: failed.flat_map(format::RawCheck::problems).collect(),
            declared,
            origins,
            relevant: document.relevant_attributes.into_iter().map(|one| one.resource).collect(),
            beside,
            applyable: document.applyable,
            complete: document.complete,
            errored: document.errored.unwrap_or(false),
            terraform_version: document.terraform_version,
        }
    }

    /// Returns the JSON, sensitive values included.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Returns the JSON as it was read, whole, sensitive values included.
    pub fn document(&self) -> serde_json::Value {
        document_of(&self.json)
    }

    /// Returns the JSON as it was read, and lets go of the plan first.
    pub(super) fn into_document(self) -> serde_json::Value {
        document_of(&self.into_json())
    }

    fn into_json(self) -> Vec<u8> {
        self.json
    }

    /// Returns the resources that something would be done to, in terraform's order.
    pub fn changes(&self) -> impl Iterator<Item = &ResourceChange> {
        self.resources.iter().filter(|resource| resource.is_change() && !resource.deferred)
    }

    /// Returns every resource the plan speaks of: also what stays, is only read, or waits for a later plan.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceChange> {
        self.resources.iter()
    }

    /// Returns the changes of outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &OutputChange> {
        self.outputs.iter().filter(|output| output.change != Change::None)
    }

    /// Returns the actions that would be invoked (terraform 1.14 and later).
    pub fn invocations(&self) -> impl Iterator<Item = &Invocation> {
        self.invocations.iter().filter(|invocation| !invocation.deferred)
    }

    /// Returns the actions that wait for a later plan.
    pub fn deferred_invocations(&self) -> impl Iterator<Item = &Invocation> {
        self.invocations.iter().filter(|invocation| invocation.deferred)
    }

    /// Returns what failed checks say, as text that may hold secrets.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns the address of every resource that the plan or the state before it speaks of.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let planned = self.resources.iter().flat_map(|resource| {
            std::iter::once(&resource.address).chain(&resource.previous_address)
        });
        planned.chain(&self.beside.addresses).map(String::as_str)
    }

    /// Returns the resources that were changed outside of terraform.
    ///
    /// One that only gets a new address was moved by the configuration.
    pub fn drift(&self) -> impl Iterator<Item = &ResourceChange> {
        self.drifted
            .iter()
            .filter(|resource| !matches!(resource.change, Change::None | Change::Read))
    }

    /// Returns the names of the outputs whose value was changed outside of terraform.
    ///
    /// One that is only declared, or no longer, or refers to nothing that drifted, is a change of the
    /// configuration and no drift.
    pub fn drifted_outputs(&self) -> impl Iterator<Item = &str> {
        self.drifted_except(&[]).outputs.into_iter()
    }

    /// Returns what was changed outside of terraform, without what only concerns ignored paths.
    pub fn drifted_except(&self, ignored: &[PathPattern]) -> Drift<'_> {
        let resources: Vec<_> =
            self.drift().filter(|resource| !drift::is_ignored(resource, ignored)).collect();
        let outputs = self.outputs.iter().filter(|output| {
            let origins = self.origins.get(&output.name);
            drift::output_drifted(output, origins, &resources, &self.relevant)
        });
        let outputs = outputs.map(|output| output.name.as_str()).collect();
        Drift { resources, outputs }
    }

    /// Returns every change that was found outside, moves included.
    pub(super) fn found_outside(&self) -> &[ResourceChange] {
        &self.drifted
    }

    /// Returns whether the configuration declares a variable of this name.
    pub fn declares(&self, variable: &str) -> bool {
        self.declared.iter().any(|name| name == variable)
    }

    /// Returns whether applying the plan would do anything at all.
    pub fn has_changes(&self) -> bool {
        self.applyable == Some(true) || self.summary() != Summary::default()
    }

    /// Returns whether terraform says that the plan can be applied; older ones say nothing.
    pub fn applyable(&self) -> Option<bool> {
        self.applyable
    }

    /// Returns whether applying the plan reaches what the configuration says, without another plan after it.
    pub fn complete(&self) -> Option<bool> {
        self.complete
    }

    /// Returns whether planning failed half-way.
    pub fn errored(&self) -> bool {
        self.errored
    }

    /// Counts the changes.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            outputs: self.outputs().count(),
            invoke: self.invocations().count(),
            ..Summary::default()
        };
        for resource in self.changes() {
            match resource.change {
                Change::Create => summary.add += 1,
                Change::Update => summary.change += 1,
                Change::Replace => summary.replace += 1,
                Change::Destroy => summary.destroy += 1,
                Change::Forget => summary.forget += 1,
                Change::None | Change::Read => {}
            }
            summary.import += usize::from(resource.imported);
            summary.moved += usize::from(resource.moved);
        }
        summary
    }
}

/// Collects what the JSON of a state calls sensitive.
pub(super) fn beside_state(json: &[u8]) -> Result<Beside, String> {
    let state: format::State = json::read(json)?;
    let mut beside = Beside::default();
    beside.values(state.values);
    Ok(beside)
}

/// Collects what the JSON of `terraform output -json` calls sensitive.
pub(super) fn beside_outputs(json: &[u8]) -> Result<Beside, String> {
    let mut beside = Beside::default();
    beside.outputs(json::read(json)?);
    Ok(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: &str) -> Plan {
        Plan::parse(format!(r#"{{"format_version": "1.2", "planned_values": {{}}, {changes}}}"#))
            .unwrap()
    }

    fn actions(actions: &str) -> Summary {
        let change = format!(r#"{{"address": "a.b", "change": {{"actions": [{actions}]}}}}"#);
        plan(&format!(r#""resource_changes": [{change}]"#)).summary()
    }

    #[test]
    fn counts_by_the_set_of_actions() {
        assert_eq!(actions(r#""create""#), Summary { add: 1, ..Summary::default() });
        assert_eq!(actions(r#""update""#), Summary { change: 1, ..Summary::default() });
        assert_eq!(actions(r#""delete""#), Summary { destroy: 1, ..Summary::default() });
        assert_eq!(actions(r#""create", "delete""#), Summary { replace: 1, ..Summary::default() });
        assert_eq!(actions(r#""delete", "create""#), Summary { replace: 1, ..Summary::default() });
        assert_eq!(actions(r#""create", "forget""#), Summary { forget: 1, ..Summary::default() });
        assert_eq!(actions(r#""no-op""#), Summary::default());
        assert_eq!(actions(r#""read""#), Summary::default());
        assert_eq!(actions(r#""of-the-future""#), Summary { change: 1, ..Summary::default() });
    }

    #[test]
    fn imports_moves_and_outputs_are_changes() {
        let plan = plan(
            r#""resource_changes": [
                {"address": "a.b", "change": {"actions": ["no-op"], "importing": {"id": "x"}}},
                {"address": "a.c", "previous_address": "a.d", "change": {"actions": ["no-op"]}}
            ], "output_changes": {"o": {"actions": ["create"]}, "same": {"actions": ["no-op"]}}"#,
        );

        assert!(plan.has_changes());
        assert_eq!(
            plan.summary().to_string(),
            "0 to add, 0 to change, 0 to destroy, 0 to replace, 1 to import, 1 to move, 1 output to change"
        );
    }

    #[test]
    fn an_empty_plan_has_no_changes_and_its_lists_may_be_missing() {
        assert!(!plan(r#""applyable": false"#).has_changes());
        assert!(plan(r#""applyable": true"#).has_changes());
    }

    #[test]
    fn refuses_what_it_does_not_understand_without_quoting_it() {
        let major = Plan::parse(*br#"{"format_version": "2.0"}"#).unwrap_err();
        let broken = Plan::parse(*br#"{"format_version": "1.0", "resource_changes": "hunter2"}"#);

        assert_eq!(major, "format version `2.0` is not 1.x");
        assert!(!broken.unwrap_err().contains("hunter2"));
    }
}
