//! The reasons a seal does not hold.

use std::path::PathBuf;

use super::format::{VERSION, seal_path};
use crate::kind::{HasKind, Kind};

/// The reason a seal does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no seal beside the plan.
    #[error("plan `{}` has no seal `{}`", .plan.display(), seal_path(.plan).display())]
    Missing {
        /// The plan.
        plan: PathBuf,
    },
    /// The seal is not one of ours, or a newer one.
    #[error("seal `{}` cannot be read", .path.display())]
    Unreadable {
        /// The seal.
        path: PathBuf,
        /// The error.
        source: serde_json::Error,
    },
    /// The seal is of a version we do not know.
    #[error("seal `{}` has version {version}, and this tool knows version {VERSION}", .path.display())]
    Version {
        /// The seal.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The seal was made with a key, and none was given.
    #[error("the seal was made with a key, and none is given")]
    NoKey,
    /// The seal was not made with the key that was given, or was changed since.
    #[error("the seal is broken: it was changed, or made with another key")]
    Key,
    /// The plan or its seal is encrypted, and nothing that was given opens it.
    #[error("the plan is encrypted, and no identity that is given opens it")]
    Closed,
    /// The time of the seal is over.
    #[error("the seal is broken: it was valid until {until}")]
    Expired {
        /// Until when it was valid.
        until: String,
    },
    /// Something is not what it was.
    #[error("the seal is broken: {what}")]
    Broken {
        /// The setting that differs.
        what: String,
    },
}

impl HasKind for SealError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Version { .. }
            | Self::NoKey
            | Self::Key
            | Self::Closed
            | Self::Expired { .. }
            | Self::Broken { .. } => Kind::Seal,
        }
    }
}
