//! The sort of an error, which decides the exit code at the edge.

use std::error::Error;

/// The sort of an error.
///
/// `devops-cli` turns each into one exit code; the name stands in JSON errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Failed at run time; trying again may help.
    Failed,
    /// Something with that name is there already and was not overwritten.
    Exists,
    /// Wrong usage or input.
    Usage,
    /// A named thing does not exist.
    NotFound,
    /// The answer is no: drift, mismatch, damage.
    Mismatch,
    /// A guard or a policy forbids it.
    Denied,
    /// A plan is not the one that was sealed.
    Seal,
    /// A plan is not the one that was approved.
    Differs,
    /// A state waits to be saved.
    Unsaved,
    /// The person said no.
    Declined,
    /// A bug in the tool.
    Bug,
    /// Locked, throttled, timed out or unreachable: worth a retry.
    Temporary,
    /// Nobody can say whether it happened.
    Uncertain,
    /// Authentication failed or permission is missing.
    Permission,
    /// The configuration is invalid.
    Configuration,
    /// A command we ran took too long.
    TimedOut,
    /// A command could not be supervised.
    NotSupervised,
    /// A command exists but cannot be executed.
    NotExecutable,
    /// A command was not found.
    CommandNotFound,
    /// The work was cancelled by a signal.
    Interrupted,
}

impl Kind {
    /// Returns the name that stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Exists => "exists",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Mismatch => "mismatch",
            Self::Denied => "denied",
            Self::Seal => "seal",
            Self::Differs => "differs",
            Self::Unsaved => "unsaved",
            Self::Declined => "declined",
            Self::Bug => "bug",
            Self::Temporary => "temporary",
            Self::Uncertain => "uncertain",
            Self::Permission => "permission",
            Self::Configuration => "configuration",
            Self::TimedOut => "timed_out",
            Self::NotSupervised => "not_supervised",
            Self::NotExecutable => "not_executable",
            Self::CommandNotFound => "command_not_found",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What cannot happen: faulty memory, or a bug. An I/O error that holds it is a [`Kind::Bug`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InternalError(pub String);

/// An error that knows its sort.
///
/// Implementations match exhaustively, so that a new variant must choose its exit code.
pub trait HasKind: Error {
    /// Returns the sort of this error.
    fn kind(&self) -> Kind;
}
