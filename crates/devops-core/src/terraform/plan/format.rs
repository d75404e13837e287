//! The fields of terraform's JSON, as far as they are read.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/json-format>. Minor versions add fields,
//! which are ignored; lists that would be empty are left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::change::{Change, Invocation, OutputChange, ResourceChange, Trigger, ValueChange};

/// Reads a field that some programs write as `null` where it would be empty.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    #[serde(deserialize_with = "or_default")]
    pub(super) format_version: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) terraform_version: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) resource_changes: Option<Vec<RawChange>>,
    #[serde(deserialize_with = "or_default")]
    pub(super) resource_drift: Vec<RawChange>,
    #[serde(deserialize_with = "or_default")]
    pub(super) deferred_changes: Vec<RawDeferred>,
    pub(super) output_changes: Option<BTreeMap<String, RawSides>>,
    #[serde(deserialize_with = "or_default")]
    pub(super) action_invocations: Vec<RawInvocation>,
    #[serde(deserialize_with = "or_default")]
    pub(super) deferred_action_invocations: Vec<RawDeferredInvocation>,
    #[serde(deserialize_with = "or_default")]
    pub(super) relevant_attributes: Vec<RelevantAttribute>,
    #[serde(deserialize_with = "or_default")]
    pub(super) checks: Vec<RawCheck>,
    pub(super) applyable: Option<bool>,
    pub(super) complete: Option<bool>,
    pub(super) errored: Option<bool>,
    pub(super) configuration: Option<Configuration>,
    pub(super) planned_values: Option<Values>,
    #[serde(deserialize_with = "or_default")]
    pub(super) prior_state: State,
}

impl Document {
    /// Returns whether it is a plan: every one has some of these, and a state or a validation has none.
    pub(super) fn is_plan(&self) -> bool {
        self.resource_changes.is_some()
            || self.output_changes.is_some()
            || self.planned_values.is_some()
            || self.configuration.is_some()
            || self.applyable.is_some()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Variable {
    pub(super) value: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawChange {
    #[serde(deserialize_with = "or_default")]
    address: String,
    previous_address: Option<String>,
    #[serde(deserialize_with = "or_default")]
    mode: String,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: String,
    #[serde(deserialize_with = "or_default")]
    provider_name: String,
    deposed: Option<String>,
    action_reason: Option<String>,
    #[serde(deserialize_with = "or_default")]
    change: RawSides,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSides {
    #[serde(deserialize_with = "or_default")]
    actions: Vec<String>,
    before: Value,
    after: Value,
    after_unknown: Value,
    before_sensitive: Value,
    after_sensitive: Value,
    #[serde(deserialize_with = "or_default")]
    replace_paths: Vec<Value>,
    importing: Option<Value>,
    generated_config: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawDeferred {
    #[serde(deserialize_with = "or_default")]
    resource_change: RawChange,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawInvocation {
    #[serde(deserialize_with = "or_default")]
    address: String,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: String,
    config_values: Value,
    config_unknown: Value,
    config_sensitive: Value,
    lifecycle_action_trigger: Option<Trigger>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawDeferredInvocation {
    #[serde(deserialize_with = "or_default")]
    action_invocation: RawInvocation,
}

/// An attribute that a change was computed from.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RelevantAttribute {
    #[serde(deserialize_with = "or_default")]
    pub(super) resource: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCheck {
    #[serde(deserialize_with = "or_default")]
    pub(super) address: CheckAddress,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) instances: Vec<CheckInstance>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CheckAddress {
    #[serde(deserialize_with = "or_default")]
    pub(super) to_display: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CheckInstance {
    #[serde(deserialize_with = "or_default")]
    pub(super) problems: Vec<CheckProblem>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CheckProblem {
    #[serde(deserialize_with = "or_default")]
    pub(super) message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Configuration {
    #[serde(deserialize_with = "or_default")]
    pub(super) root_module: Module,
    #[serde(deserialize_with = "or_default")]
    pub(super) provider_config: Value,
}

/// A module of the configuration, with the calls of others.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Module {
    #[serde(deserialize_with = "or_default")]
    pub(super) variables: BTreeMap<String, Declaration>,
    #[serde(deserialize_with = "or_default")]
    pub(super) outputs: BTreeMap<String, DeclaredOutput>,
    #[serde(rename = "module_calls", deserialize_with = "or_default")]
    pub(super) calls: BTreeMap<String, ModuleCall>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ModuleCall {
    #[serde(deserialize_with = "or_default")]
    pub(super) expressions: BTreeMap<String, Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) module: Module,
}

/// The declaration of a variable.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Declaration {
    pub(super) default: Value,
    #[serde(deserialize_with = "or_default")]
    sensitive: bool,
    #[serde(deserialize_with = "or_default")]
    ephemeral: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DeclaredOutput {
    #[serde(deserialize_with = "or_default")]
    pub(super) sensitive: bool,
    pub(super) expression: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    #[serde(deserialize_with = "or_default")]
    pub(super) values: Values,
}

/// The values of a state, or of the state after a plan.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Values {
    #[serde(deserialize_with = "or_default")]
    pub(super) outputs: BTreeMap<String, Output>,
    #[serde(deserialize_with = "or_default")]
    pub(super) root_module: ValuesModule,
}

/// An output of a state, and of `terraform output -json`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    #[serde(deserialize_with = "or_default")]
    pub(super) sensitive: bool,
    pub(super) value: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ValuesModule {
    #[serde(deserialize_with = "or_default")]
    pub(super) resources: Vec<Resource>,
    #[serde(deserialize_with = "or_default")]
    pub(super) child_modules: Vec<Self>,
}

/// A resource of a state: of its values only the sensitive ones are kept.
#[derive(Default, Deserialize)]
#[serde(from = "RawResource")]
pub(super) struct Resource {
    pub(super) address: String,
    /// The names of its attributes, which its schema gives.
    pub(super) attributes: Vec<String>,
    pub(super) marked: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawResource {
    #[serde(deserialize_with = "or_default")]
    address: String,
    values: Value,
    sensitive_values: Value,
}

impl From<RawResource> for Resource {
    fn from(mut raw: RawResource) -> Self {
        let attributes = raw.values.as_object().into_iter().flatten();
        let attributes = attributes.map(|(name, _)| name.clone()).collect();
        let mut marked = Vec::new();
        super::marks::take_marked(&mut raw.values, &raw.sensitive_values, &mut |value| {
            marked.push(value);
        });
        Self { address: raw.address, attributes, marked }
    }
}

impl ValuesModule {
    /// Hands over every resource of the module and those below it.
    pub(super) fn each(self, take: &mut dyn FnMut(Resource)) {
        self.resources.into_iter().for_each(&mut *take);
        for module in self.child_modules {
            module.each(take);
        }
    }
}

impl Declaration {
    pub(super) fn is_sensitive(&self) -> bool {
        self.sensitive || self.ephemeral
    }
}

impl RawCheck {
    /// Returns what is wrong, one text a problem.
    pub(super) fn problems(self) -> Vec<String> {
        let address = self.address.to_display;
        let problems = self.instances.into_iter().flat_map(|instance| instance.problems);
        problems.map(|problem| format!("{address}: {}", problem.message)).collect()
    }
}

impl From<RawSides> for ValueChange {
    fn from(raw: RawSides) -> Self {
        Self {
            before: raw.before,
            after: raw.after,
            after_unknown: raw.after_unknown,
            before_sensitive: raw.before_sensitive,
            after_sensitive: raw.after_sensitive,
        }
    }
}

impl RawSides {
    pub(super) fn output(self, name: String) -> OutputChange {
        OutputChange { name, change: Change::of(&self.actions), values: self.into() }
    }
}

impl From<RawChange> for ResourceChange {
    fn from(mut raw: RawChange) -> Self {
        let actions = std::mem::take(&mut raw.change.actions);
        let paths = std::mem::take(&mut raw.change.replace_paths).into_iter();
        let importing = raw.change.importing.take();
        let id =
            importing.as_ref().and_then(|importing| importing.get("id")).and_then(Value::as_str);
        Self {
            change: Change::of(&actions),
            actions,
            imported: importing.is_some(),
            import_id: id.map(str::to_owned),
            moved: raw.previous_address.as_ref().is_some_and(|previous| *previous != raw.address),
            address: raw.address,
            previous_address: raw.previous_address,
            kind: raw.kind,
            provider: raw.provider_name,
            is_data: raw.mode == "data",
            deposed: raw.deposed.filter(|key| !key.is_empty()),
            action_reason: raw.action_reason,
            deferred: false,
            replace_paths: paths.map(steps).collect(),
            generated_config: raw.change.generated_config.take(),
            values: raw.change.into(),
        }
    }
}

fn steps(path: Value) -> Vec<Value> {
    match path {
        Value::Array(steps) => steps,
        step => vec![step],
    }
}

impl From<RawDeferred> for ResourceChange {
    fn from(raw: RawDeferred) -> Self {
        Self { deferred: true, ..raw.resource_change.into() }
    }
}

impl From<RawInvocation> for Invocation {
    fn from(raw: RawInvocation) -> Self {
        Self {
            address: raw.address,
            kind: raw.kind,
            trigger: raw.lifecycle_action_trigger,
            deferred: false,
            config: raw.config_values,
            config_unknown: raw.config_unknown,
            config_sensitive: raw.config_sensitive,
        }
    }
}

impl From<RawDeferredInvocation> for Invocation {
    fn from(raw: RawDeferredInvocation) -> Self {
        Self { deferred: true, ..raw.action_invocation.into() }
    }
}
