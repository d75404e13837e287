//! Flags of the rules that a plan must pass.

use std::path::PathBuf;

use clap::{Args, builder::NonEmptyStringValueParser};
use devops_cli::Failure;
use devops_core::terraform::Guards;

/// Rules that a plan must pass before a question is asked.
#[derive(Args)]
pub(crate) struct GuardArgs {
    /// Refuse a plan that destroys or replaces anything
    #[arg(long)]
    pub(crate) deny_destroy: bool,
    /// Refuse a plan that does anything to an existing resource at this address, or in this module;
    /// * and ? are wildcards
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) protect: Vec<String>,
    /// Let a --protect not hold for what matches this; what it takes away is named
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) unprotect: Vec<String>,
    /// Refuse a plan that invokes actions
    #[arg(long)]
    pub(crate) deny_actions: bool,
    /// Refuse a plan that drops anything from the state and leaves it running
    #[arg(long)]
    pub(crate) deny_forget: bool,
    /// Refuse a plan that does anything to a resource of another type than these
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) allow_types: Vec<String>,
    /// Refuse a plan that concerns more resources and actions than this
    #[arg(long, value_name = "N")]
    pub(crate) max_changes: Option<usize>,
    /// Refuse a plan that destroys or replaces more resources than this
    #[arg(long, value_name = "N")]
    pub(crate) max_destroy: Option<usize>,
    /// Refuse a plan that a policy in Rego denies, as conftest does: rules deny, violation and warn of package
    /// main, read from this file or from *.rego in this folder, with data from its *.json and *.yaml
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) policy: Vec<PathBuf>,
    /// Judge by the rules of this package instead of main
    #[arg(long, value_name = "PACKAGE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) policy_namespace: Vec<String>,
}

impl GuardArgs {
    pub(crate) fn guards(&self) -> Result<Guards, Failure> {
        let mut guards = Guards::default()
            .deny_destroy(self.deny_destroy)
            .deny_actions(self.deny_actions)
            .deny_forget(self.deny_forget)
            .max_changes(self.max_changes)
            .max_destroy(self.max_destroy);
        for pattern in &self.protect {
            guards =
                guards.protect(pattern).map_err(|error| bad_glob("protect", pattern, &error))?;
        }
        for pattern in &self.unprotect {
            guards = guards
                .unprotect(pattern)
                .map_err(|error| bad_glob("unprotect", pattern, &error))?;
        }
        for pattern in &self.allow_types {
            guards = guards
                .allow_types(pattern)
                .map_err(|error| bad_glob("allow-types", pattern, &error))?;
        }
        Ok(guards)
    }
}

fn bad_glob(flag: &str, pattern: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("`--{flag} {pattern}` is no glob: {error}"))
}
