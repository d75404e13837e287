//! The changes of a plan.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// The planned change of one resource.
#[derive(Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about a change")]
pub struct ResourceChange {
    /// Its address: `module.db.aws_db.main["a"]`.
    pub address: String,
    /// Its address before a move.
    pub previous_address: Option<String>,
    /// Its type: `aws_db`.
    pub kind: String,
    /// The provider that manages it.
    pub provider: String,
    /// Is set for a data source.
    pub is_data: bool,
    /// The key of the object that a replacement left behind, if the change is about that one.
    pub deposed: Option<String>,
    /// The kind of change.
    pub change: Change,
    /// Terraform's own words for what is done to it.
    pub actions: Vec<String>,
    /// The reason for the action: `replace_because_tainted`.
    pub action_reason: Option<String>,
    /// Is set if it is imported.
    pub imported: bool,
    /// The id it is imported by, as far as it is known.
    pub import_id: Option<String>,
    /// Is set if it gets a new address.
    pub moved: bool,
    /// Is set if the change is deferred to a later plan.
    pub deferred: bool,
    pub(in crate::terraform) values: ValueChange,
    pub(in crate::terraform) replace_paths: Vec<Vec<Value>>,
    pub(in crate::terraform) generated_config: Option<String>,
}

/// The planned change of an output.
#[derive(Clone, Default)]
pub struct OutputChange {
    /// Its name.
    pub name: String,
    /// The kind of change.
    pub change: Change,
    pub(in crate::terraform) values: ValueChange,
}

/// An action that a plan would invoke.
#[derive(Clone, Default)]
pub struct Invocation {
    /// Its address: `action.aws_lambda_invoke.warm`.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// The resource whose change invokes it; absent where the action was asked for by itself.
    pub trigger: Option<Trigger>,
    /// Is set if it is deferred to a later plan.
    pub deferred: bool,
    pub(in crate::terraform) config: Value,
    pub(in crate::terraform) config_unknown: Value,
    pub(in crate::terraform) config_sensitive: Value,
}

/// The trigger of an action.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Trigger {
    /// The address of the resource.
    #[serde(rename = "triggering_resource_address")]
    pub address: String,
    /// The event: `before_create`.
    #[serde(rename = "action_trigger_event")]
    pub event: String,
}

/// The two sides of a change, with the trees of marks that run parallel to them.
#[derive(Clone, Default)]
pub(in crate::terraform) struct ValueChange {
    pub(in crate::terraform) before: Value,
    pub(in crate::terraform) after: Value,
    pub(in crate::terraform) after_unknown: Value,
    pub(in crate::terraform) before_sensitive: Value,
    pub(in crate::terraform) after_sensitive: Value,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    #[default]
    None,
    /// It is read, which changes nothing.
    Read,
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

// Only names: the values may be secret.
impl fmt::Debug for ResourceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.change.name(), self.address)
    }
}

impl fmt::Debug for OutputChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.change.name(), self.name)
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invoke {}", self.address)
    }
}

impl ResourceChange {
    /// Returns whether applying does anything to the resource or its place in the state.
    pub fn is_change(&self) -> bool {
        !matches!(self.change, Change::None | Change::Read) || self.imported || self.moved
    }
}

impl Change {
    /// Returns the name that stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
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

    /// Classifies by the set of actions: a newer terraform may name them in any order.
    pub(in crate::terraform) fn of(actions: &[String]) -> Self {
        let has = |wanted: &str| actions.iter().any(|action| action == wanted);
        match () {
            () if has("delete") && has("create") => Self::Replace,
            () if has("delete") => Self::Destroy,
            () if has("forget") => Self::Forget,
            () if has("create") => Self::Create,
            () if actions.iter().all(|action| action == "no-op") => Self::None,
            () if actions.iter().all(|action| action == "no-op" || action == "read") => Self::Read,
            () => Self::Update,
        }
    }
}
