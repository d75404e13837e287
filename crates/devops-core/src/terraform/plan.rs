//! The JSON form of a plan: what would change.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/json-format>. Minor versions add fields,
//! which are ignored; lists that would be empty are left out.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// A plan, as far as it is judged.
#[derive(Clone, Debug)]
pub struct Plan {
    resources: Vec<ResourceChange>,
    drifted: Vec<ResourceChange>,
    outputs: Vec<(String, Change)>,
    declared: Vec<String>,
    prior: Vec<String>,
    invocations: usize,
    applyable: bool,
    /// The version of the program that showed the plan.
    pub terraform_version: String,
}

/// What a plan would do to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    /// Its address: `module.db.aws_db.main["a"]`.
    pub address: String,
    /// Its address before a move.
    pub previous_address: Option<String>,
    /// What is done to it.
    pub change: Change,
    /// Whether it is taken under management.
    pub imported: bool,
    /// Whether it gets a new address.
    pub moved: bool,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing, or it is only read.
    None,
    /// It is created.
    Create,
    /// It is changed in place; also what a newer terraform does and we do not know.
    Update,
    /// It is destroyed and created anew.
    Replace,
    /// It is destroyed.
    Destroy,
    /// Its state is dropped, and it lives on.
    Forget,
}

/// How many resources a plan concerns, each counted once in the first matching column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Created.
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Destroyed.
    pub destroy: usize,
    /// Destroyed and created anew.
    pub replace: usize,
    /// Dropped from the state.
    pub forget: usize,
    /// Imported, whatever else happens to them.
    pub import: usize,
    /// Moved to another address, whatever else happens to them.
    #[serde(rename = "move")]
    pub moved: usize,
    /// Outputs whose value changes.
    pub outputs: usize,
    /// Actions invoked (terraform 1.14 and later).
    pub invoke: usize,
}

#[derive(Deserialize)]
struct Document {
    format_version: String,
    #[serde(default)]
    terraform_version: String,
    #[serde(default)]
    resource_changes: Vec<RawChange>,
    #[serde(default)]
    resource_drift: Vec<RawChange>,
    #[serde(default)]
    output_changes: BTreeMap<String, RawActions>,
    #[serde(default)]
    action_invocations: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    applyable: bool,
    #[serde(default)]
    configuration: Configuration,
    #[serde(default)]
    prior_state: PriorState,
}

#[derive(Deserialize)]
struct RawChange {
    address: String,
    previous_address: Option<String>,
    change: RawActions,
}

#[derive(Deserialize)]
struct RawActions {
    #[serde(default)]
    actions: Vec<String>,
    importing: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PriorState {
    values: PriorValues,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PriorValues {
    root_module: PriorModule,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PriorModule {
    resources: Vec<Addressed>,
    child_modules: Vec<Self>,
}

#[derive(Deserialize)]
struct Addressed {
    address: String,
}

impl PriorModule {
    fn addresses(self, found: &mut Vec<String>) {
        found.extend(self.resources.into_iter().map(|resource| resource.address));
        for module in self.child_modules {
            module.addresses(found);
        }
    }
}

#[derive(Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    root_module: RootModule,
}

#[derive(Default, Deserialize)]
struct RootModule {
    #[serde(default)]
    variables: BTreeMap<String, serde_json::Value>,
}

impl Plan {
    /// Reads the JSON of `terraform show -json PLAN`; the error says what is wrong without quoting it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(json).map_err(|error| {
            // The whole message could quote a value.
            format!("line {}, column {}", error.line(), error.column())
        })?;
        if document.format_version.split('.').next() != Some("1") {
            return Err(format!("format version `{}` is not 1.x", document.format_version));
        }
        let outputs = document.output_changes.into_iter();
        let mut prior = Vec::new();
        document.prior_state.values.root_module.addresses(&mut prior);
        Ok(Self {
            resources: document.resource_changes.into_iter().map(Into::into).collect(),
            drifted: document.resource_drift.into_iter().map(Into::into).collect(),
            outputs: outputs
                .map(|(name, change)| (name, Change::of(&change.actions)))
                .filter(|(_, change)| *change != Change::None)
                .collect(),
            declared: document.configuration.root_module.variables.into_keys().collect(),
            prior,
            invocations: document.action_invocations.len(),
            applyable: document.applyable,
            terraform_version: document.terraform_version,
        })
    }

    /// Returns the resources that something would be done to, in terraform's order.
    pub fn changes(&self) -> impl Iterator<Item = &ResourceChange> {
        self.resources.iter().filter(|resource| resource.is_change())
    }

    /// Returns the address of every resource that the plan or the state before it speaks of.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let planned = self.resources.iter().flat_map(|resource| {
            std::iter::once(&resource.address).chain(&resource.previous_address)
        });
        planned.chain(&self.prior).map(String::as_str)
    }

    /// Returns the resources that were changed outside of terraform.
    pub fn drift(&self) -> impl Iterator<Item = &ResourceChange> {
        self.drifted.iter().filter(|resource| resource.is_change())
    }

    /// Returns the names of the outputs whose value was changed outside of terraform.
    ///
    /// One that is only declared, or no longer, is a change of the configuration and no drift.
    pub fn drifted_outputs(&self) -> impl Iterator<Item = &str> {
        let drifted = self.outputs.iter().filter(|(_, change)| *change == Change::Update);
        drifted.map(|(name, _)| name.as_str())
    }

    /// Returns whether the configuration declares a variable of this name.
    pub fn declares(&self, variable: &str) -> bool {
        self.declared.iter().any(|name| name == variable)
    }

    /// Returns whether applying the plan would do anything at all.
    pub fn has_changes(&self) -> bool {
        self.applyable || self.summary() != Summary::default()
    }

    /// Counts the changes.
    pub fn summary(&self) -> Summary {
        let mut summary =
            Summary { outputs: self.outputs.len(), invoke: self.invocations, ..Summary::default() };
        for resource in self.changes() {
            match resource.change {
                Change::Create => summary.add += 1,
                Change::Update => summary.change += 1,
                Change::Replace => summary.replace += 1,
                Change::Destroy => summary.destroy += 1,
                Change::Forget => summary.forget += 1,
                Change::None => {}
            }
            summary.import += usize::from(resource.imported);
            summary.moved += usize::from(resource.moved);
        }
        summary
    }
}

impl ResourceChange {
    fn is_change(&self) -> bool {
        self.change != Change::None || self.imported || self.moved
    }
}

impl Change {
    /// Returns the name that stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Destroy => "destroy",
            Self::Forget => "forget",
        }
    }

    /// Returns whether what exists is destroyed.
    pub fn destroys(self) -> bool {
        matches!(self, Self::Replace | Self::Destroy)
    }

    fn of(actions: &[String]) -> Self {
        let has = |wanted: &str| actions.iter().any(|action| action == wanted);
        let known = ["no-op", "read"];
        match () {
            () if has("delete") && has("create") => Self::Replace,
            () if has("delete") => Self::Destroy,
            () if has("forget") => Self::Forget,
            () if has("create") => Self::Create,
            () if actions.iter().all(|action| known.contains(&action.as_str())) => Self::None,
            () => Self::Update,
        }
    }
}

impl From<RawChange> for ResourceChange {
    fn from(raw: RawChange) -> Self {
        Self {
            change: Change::of(&raw.change.actions),
            imported: raw.change.importing.is_some(),
            moved: raw.previous_address.as_ref().is_some_and(|previous| *previous != raw.address),
            address: raw.address,
            previous_address: raw.previous_address,
        }
    }
}

impl fmt::Display for Summary {
    /// Shows the four that matter always, and the others when there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { add, change, destroy, replace, .. } = self;
        write!(f, "{add} to add, {change} to change, {destroy} to destroy, {replace} to replace")?;
        let others = [
            (self.import, "to import"),
            (self.moved, "to move"),
            (self.forget, "to forget"),
            (self.invoke, "to invoke"),
            (self.outputs, "outputs to change"),
        ];
        for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, ", {n} {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: &str) -> Plan {
        Plan::parse(format!(r#"{{"format_version": "1.2", {changes}}}"#).as_bytes()).unwrap()
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
            "0 to add, 0 to change, 0 to destroy, 0 to replace, 1 to import, 1 to move, 1 outputs to change"
        );
    }

    #[test]
    fn drift_is_what_changed_outside_and_not_what_was_declared() {
        let plan = plan(
            r#""resource_drift": [{"address": "a.b", "change": {"actions": ["delete"]}}],
            "output_changes": {"new": {"actions": ["create"]}, "other": {"actions": ["update"]}}"#,
        );

        assert_eq!(
            plan.drift().map(|resource| resource.change).collect::<Vec<_>>(),
            [Change::Destroy]
        );
        assert_eq!(plan.drifted_outputs().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn an_empty_plan_has_no_changes_and_its_lists_may_be_missing() {
        assert!(!plan(r#""applyable": false"#).has_changes());
        assert!(plan(r#""applyable": true"#).has_changes());
    }

    #[test]
    fn refuses_what_it_does_not_understand_without_quoting_it() {
        let major = Plan::parse(br#"{"format_version": "2.0"}"#).unwrap_err();
        let broken = Plan::parse(br#"{"format_version": "1.0", "resource_changes": "hunter2"}"#);

        assert_eq!(major, "format version `2.0` is not 1.x");
        assert!(!broken.unwrap_err().contains("hunter2"));
    }
}
