//! Plans of terraform: what is read from them, and what is shown of them.

mod comparing;
mod diffs;
mod generated;
mod leaves;
mod oracle;
mod plans;
#[cfg(feature = "rego")]
mod policies;
mod public;
mod redaction;
mod reports;
