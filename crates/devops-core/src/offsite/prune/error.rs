//! Errors of a prune.

use super::others::Others;
use crate::{
    archive_index::BackupName,
    kind::{HasKind, Kind},
    retention::EmptyPolicy,
    s3::{S3Error, S3Uri},
};

/// An error of planning.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The store, or the way to it, said no.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The policy would keep nothing.
    #[error(transparent)]
    EmptyPolicy(#[from] EmptyPolicy),
    /// The folder has something, and no archive of the name.
    #[error("there is no archive named `{name}` in `{folder}`, but {others}")]
    NoSuchName {
        /// The name that was looked for.
        name: BackupName,
        /// The folder.
        folder: S3Uri,
        /// The files of the folder.
        others: Box<Others>,
    },
    /// The path is not a folder.
    #[error("`{0}` is not a folder: it must end with a slash")]
    NotAFolder(S3Uri),
}

impl HasKind for PruneError {
    fn kind(&self) -> Kind {
        match self {
            Self::S3(error) => error.kind(),
            Self::EmptyPolicy(error) => error.kind(),
            Self::NoSuchName { .. } => Kind::NotFound,
            Self::NotAFolder(_) => Kind::Usage,
        }
    }
}
