//! The reason policies could not be judged by.

use std::{io, path::PathBuf, time::Duration};

use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    units::format_duration,
};

/// The reason policies could not be judged by; then nothing is approved.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file or folder could not be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file is not what it should be.
    #[error("policy file `{}` cannot be understood: {reason}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// No policy file was found.
    #[error("there is no policy (`*.rego`) in {}", names(.paths))]
    NoPolicy {
        /// The paths that were searched.
        paths: Vec<PathBuf>,
    },
    /// A package has no rule that could refuse or warn.
    #[error("no policy has a rule `deny`, `violation` or `warn` in package `{namespace}`")]
    NoRule {
        /// The package.
        namespace: String,
    },
    /// A rule could not be evaluated.
    #[error("the policies could not be evaluated: {reason}")]
    Evaluation {
        /// The fault, without secrets.
        reason: String,
    },
    /// The evaluation took too long.
    #[error("the policies were not evaluated within {}", format_duration(*.limit))]
    TimedOut {
        /// The time that it may take.
        limit: Duration,
    },
    /// The program was built without policies.
    #[error("this program was built without the feature `rego`, which policies need")]
    NotBuilt,
    /// The host starts no thread.
    #[error("the policies could not be evaluated: {0}")]
    Thread(io::Error),
    /// A signal came.
    #[error(transparent)]
    Interrupted(#[from] Cancelled),
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    names.join(", ")
}

impl HasKind for PolicyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Path(error) => error.kind(),
            Self::Syntax { .. }
            | Self::NoPolicy { .. }
            | Self::NoRule { .. }
            | Self::Evaluation { .. }
            | Self::TimedOut { .. } => Kind::Configuration,
            Self::NotBuilt => Kind::Usage,
            Self::Thread(error) => Kind::of_io(error),
            Self::Interrupted(cancelled) => cancelled.kind(),
        }
    }
}
