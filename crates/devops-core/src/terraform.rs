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
mod compare;
mod configuration;
mod credentials;
mod diff;
mod environment;
mod events;
mod guard;
mod hcl;
mod inputs;
mod json;
mod lock;
mod metrics_file;
mod path;
mod patterns;
mod plan;
mod policy;
mod redact;
mod report;
mod retry;
mod saved;
mod seal;
mod sealed_state;
mod shown;
mod stack;
mod unsaved;
mod variables;
mod work;

use std::{path::PathBuf, time::Duration};

use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    process::{ChildStatus, ProcessError, SignalReason, StdStream},
};

pub use arguments::{InitOptions, PlanMode, PlanOptions, Variable};
pub use audit::{AuditEntry, append_audit};
pub use cipher::{Identities, Recipients, is_encrypted};
pub use compare::{Comparison, Fingerprint, compare, fingerprint};
pub use diff::{DiffOptions, diff, diff_drift};
pub use environment::Environment;
pub use events::{Diagnostic, Event, EventKind};
pub use guard::{Guards, Objection, Refusal, Verdict};
pub use lock::StateLock;
pub use metrics_file::{StackMetrics, StackRun, write_metrics};
pub use patterns::PathPattern;
pub use plan::{Change, Drift, Invocation, OutputChange, Plan, ResourceChange, Summary, Trigger};
pub use policy::{Policies, PolicyError, PolicyOptions};
pub use redact::Secrets;
pub use report::{Report, ReportKind};
pub use saved::{SavedPlan, Unsealed};
pub use seal::{Seal, SealError, SealKey, SealOptions, seal_path};
pub use shown::Shown;
pub use stack::{Stack, StackOptions};
pub use unsaved::{Recovered, UnsavedError};
pub use work::Watch;

/// An event while terraform works.
#[derive(Clone, Debug)]
pub enum TerraformEvent {
    /// A command starts.
    Command {
        /// The program's name and its arguments, values of variables hidden.
        line: String,
    },
    /// Terraform wrote an event of its JSON stream.
    Ui(Event),
    /// Terraform wrote a line that is no event.
    Line {
        /// Where it wrote it.
        stream: StdStream,
        /// The line without its newline.
        text: Shown<String>,
    },
    /// Terraform was sent a signal.
    Signalled {
        /// The signal that was sent.
        signal: i32,
        /// The cause.
        reason: SignalReason,
    },
    /// An error came that may pass, and the command is tried again.
    Retrying {
        /// The wait before.
        pause: Duration,
    },
    /// Terraform could not save the state, and wrote it to a file.
    NotSaved {
        /// The file.
        path: PathBuf,
        /// Its copy in the folder for such states, if one could be made.
        copy: Option<PathBuf>,
    },
}

/// The reason a terraform run did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum TerraformError {
    /// Terraform could not be run.
    #[error(transparent)]
    Process(ProcessError),
    /// A file could not be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// There is no such folder or workspace.
    #[error("{what} `{name}` does not exist")]
    Missing {
        /// The missing thing: a folder, a workspace.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Terraform ran and failed; its own words have been passed on.
    #[error("`{command}` {}", end_text(*.end))]
    Failed {
        /// The program and its subcommand.
        command: String,
        /// The status at the end.
        end: ChildStatus,
        /// The error may pass by itself: of the network, or of a service that is busy.
        is_transient: bool,
    },
    /// Somebody else holds the lock of the state.
    #[error("the state is locked{}", .lock.sentence())]
    Locked {
        /// Who holds it, as far as terraform said so.
        lock: Box<StateLock>,
    },
    /// A command ran longer than allowed, or wrote nothing for too long, and was stopped.
    #[error("`{command}` {} {} and was stopped", overrun(*.was_silent), crate::units::format_duration(*.limit))]
    TimedOut {
        /// The program and its subcommand.
        command: String,
        /// The time it had.
        limit: Duration,
        /// Is set if the limit is the one on silence.
        was_silent: bool,
    },
    /// A signal came.
    #[error(transparent)]
    Interrupted(#[from] Cancelled),
    /// Terraform's JSON is not what its documentation says.
    #[error("cannot understand the JSON of `{command}`: {reason}")]
    Json {
        /// The program and its subcommand.
        command: String,
        /// What is wrong with it, without quoting it.
        reason: String,
    },
    /// A variable was given a value, and the configuration does not declare it.
    #[error("variable `{name}` is not declared in the configuration")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// An argument, or a flag in the environment, would change what the command does behind our back.
    #[error("{place} holds `{flag}`, which would change what `{command}` does")]
    ConflictingArgument {
        /// Where the flag stands.
        place: String,
        /// The flag, without its value.
        flag: String,
        /// The subcommand.
        command: &'static str,
    },
    /// The seal of a plan does not hold.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A state could not be saved earlier.
    #[error(transparent)]
    Unsaved(#[from] UnsavedError),
}

fn end_text(end: ChildStatus) -> String {
    match end {
        ChildStatus::Code(code) => format!("failed with exit code {code}"),
        ChildStatus::Signal(signal) => {
            format!("was killed by {}", crate::cancel::signal_name(signal))
        }
    }
}

fn overrun(was_silent: bool) -> &'static str {
    if was_silent { "wrote nothing for" } else { "ran longer than" }
}

impl From<ProcessError> for TerraformError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Interrupted(cancelled) => Self::Interrupted(cancelled),
            other => Self::Process(other),
        }
    }
}

impl HasKind for TerraformError {
    fn kind(&self) -> Kind {
        match self {
            Self::Process(error) => error.kind(),
            Self::Path(error) => error.kind(),
            Self::Missing { .. } => Kind::NotFound,
            Self::Failed { .. } | Self::Json { .. } => Kind::Failed,
            Self::Locked { .. } => Kind::Temporary,
            Self::TimedOut { .. } => Kind::TimedOut,
            Self::Interrupted(cancelled) => cancelled.kind(),
            Self::NoVariable { .. } | Self::ConflictingArgument { .. } => Kind::Usage,
            Self::Seal(error) => error.kind(),
            Self::Unsaved(error) => error.kind(),
        }
    }
}
