//! The reasons a terraform run did not succeed.

use std::time::Duration;

use super::{lock::StateLock, seal::SealError, unsaved::UnsavedError};
use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    process::{ChildStatus, ProcessError},
};

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
        /// The holder, as far as terraform names it.
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
        /// The fault, without quoting the text.
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
        /// The place of the flag.
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
