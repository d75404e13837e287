//! Errors of a sync, before anything is changed.

use crate::s3::{
    error::operation::S3Error, object::uri::S3Uri, upload::upload_items::UploadItemsError,
};
use crate::{
    kind::{HasKind, Kind},
    units::count,
};

/// The number of objects without a file may be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// So many; without it ten or half of all, whichever is more.
    pub max: Option<u64>,
}

/// The reason nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The folder cannot be read, or not become objects.
    #[error(transparent)]
    UploadItems(#[from] UploadItemsError),
    /// The store cannot be listed.
    #[error(transparent)]
    Store(#[from] S3Error),
    /// An empty folder looks like one that is not mounted.
    #[error("the folder has no files, and {} would be deleted", count(*.0, "object"))]
    NoFiles(usize),
    /// A folder and a prefix that have nothing in common are no pair, or the folder is not mounted.
    #[error("no object has a file in the folder, and {0} would be deleted")]
    NothingInCommon(usize),
    /// A listing that leaves out an object, or gives it another name, may call it surplus.
    #[error("`{0}` is stored, and the listing does not have it: it is no basis for deletions")]
    Unlisted(S3Uri),
    /// More objects would be deleted than may be.
    #[error("{n} of {n_all} would be deleted, and not more than {limit} may")]
    TooManyDeletions {
        /// The number of objects that would be deleted.
        n: usize,
        /// The number of them.
        n_all: usize,
        /// The number that may be deleted.
        limit: usize,
    },
}

impl HasKind for SyncError {
    fn kind(&self) -> Kind {
        match self {
            Self::UploadItems(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::NoFiles(_)
            | Self::NothingInCommon(_)
            | Self::Unlisted(_)
            | Self::TooManyDeletions { .. } => Kind::Denied,
        }
    }
}
