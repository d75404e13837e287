//! Options of terraform's commands.

use std::{ffi::OsString, path::PathBuf};

use crate::secret::Secret;

/// A value given to an input variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The variable's name.
    pub name: String,
    /// Its value, as after `-var NAME=`.
    pub value: Secret,
}

/// The options of `init`.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Settings of the backend: `KEY=VALUE`, or a file.
    pub backend_config: Vec<String>,
    /// More arguments, as they are.
    pub extra: Vec<OsString>,
}

/// The mode of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanMode {
    /// Bring the infrastructure to what the configuration says.
    #[default]
    Normal,
    /// Destroy everything.
    Destroy,
    /// Only look what was changed outside of terraform.
    RefreshOnly,
}

/// The options of `plan`.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// The mode of the plan.
    pub mode: PlanMode,
    /// Only these addresses and what they depend on.
    pub targets: Vec<String>,
    /// Files with values of variables; relative ones are taken from the current folder.
    pub var_files: Vec<PathBuf>,
    /// Values of variables, which win over those of files.
    pub vars: Vec<Variable>,
    /// Leave the state unlocked: for a plan that is never applied.
    pub no_lock: bool,
    /// More arguments, as they are.
    pub extra: Vec<OsString>,
}
