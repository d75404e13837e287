//! The results of evaluated rules.

/// One message of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The rule with its package: `main.deny_public_bucket`.
    pub(super) rule: String,
    pub(super) effect: Effect,
    pub(super) message: String,
}

/// The effect of a message on a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "rego"), allow(dead_code, reason = "only an engine has outcomes"))]
pub(super) enum Effect {
    /// The plan is refused.
    Deny,
    /// The plan should be looked at.
    Warn,
    /// The rule is taken out by an exception.
    Except,
}
