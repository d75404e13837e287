//! Refusals of a sync, with the way out of each.

use devops_cli::Failure;
use devops_core::s3::SyncError;

use super::explain::explain;

pub(super) fn refused(error: SyncError) -> Failure {
    match error {
        SyncError::Store(error) => explain(error),
        SyncError::TooManyDeletions { n, .. } => Failure::from(error)
            .hint(format!("look with --dry-run --max-delete {n}; nothing was changed")),
        SyncError::NoFiles(_) | SyncError::NothingInCommon(_) => Failure::from(error).hint(
            "is the folder mounted, and does it belong to the prefix? nothing was changed",
        ),
        SyncError::Unlisted(_) => Failure::from(error).hint(
            "nothing was deleted: the store folds names (`doctor` tells), or lists late; `devops-s3push rm` removes objects by name",
        ),
        SyncError::UploadItems(_) => Failure::from(error),
    }
}
