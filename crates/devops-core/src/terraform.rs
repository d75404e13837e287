//! Terraform runs: plan, summary, guards, seal, apply.
//!
//! What is applied is always a saved plan, the one that was shown and judged. Terraform runs in its own
//! process group and is interrupted exactly once, because a second signal or one to its provisioners
//! loses state; see [`crate::process`].

mod address;
mod arguments;
mod audit;
mod built_in;
mod cipher;
mod color;
mod command_line;
mod compare;
mod configuration;
mod credentials;
mod diff;
mod environment;
mod error;
mod events;
mod guard;
mod hcl;
mod inputs;
mod json;
mod lock;
mod metrics_file;
mod operations;
mod options;
mod path;
mod patterns;
mod plan;
mod policy;
mod private_plan;
mod redact;
mod report;
mod retry;
mod run_event;
mod saved;
mod seal;
mod sealed_state;
mod shown;
mod stack;
mod unsaved;
mod variables;
mod watch;
mod work;

pub use audit::{AuditEntry, append_audit};
pub use cipher::{Identities, Recipients, is_encrypted};
pub use compare::{Comparison, Fingerprint, compare, fingerprint};
pub use diff::{DiffOptions, diff, diff_drift};
pub use environment::Environment;
pub use error::TerraformError;
pub use events::{Diagnostic, Event, EventKind};
pub use guard::{Guards, Objection, Refusal, Verdict};
pub use lock::StateLock;
pub use metrics_file::{StackMetrics, StackRun, write_metrics};
pub use options::{InitOptions, PlanMode, PlanOptions, Variable};
pub use patterns::PathPattern;
pub use plan::{Change, Drift, Invocation, OutputChange, Plan, ResourceChange, Summary, Trigger};
pub use policy::{Policies, PolicyError, PolicyOptions};
pub use redact::Secrets;
pub use report::{Report, ReportKind};
pub use run_event::TerraformEvent;
pub use saved::{SavedPlan, Unsealed};
pub use seal::{Seal, SealError, SealKey, SealOptions, seal_path};
pub use shown::Shown;
pub use stack::{Stack, StackOptions};
pub use unsaved::{Recovered, UnsavedError};
pub use watch::Watch;
