//! Errors of the archive with the way out of each.

use std::path::Path;

use devops_cli::{Failure, quote};
use devops_core::{archive::ArchiveError, lock::LockError};

/// Adds what helps to errors that have a way out.
pub(super) fn failure(error: ArchiveError) -> Failure {
    let hint = match &error {
        ArchiveError::OtherOrigin { .. } => return other_series(error),
        ArchiveError::EmptyPolicy(_) => "give at least one `--keep-` option",
        ArchiveError::Lock(LockError::Held { .. }) => LOCKED,
        ArchiveError::Lock(LockError::NotALock { .. }) => NOT_A_LOCK,
        ArchiveError::Encrypted { .. } => {
            "name the file of a key with `--identity`, or `--passphrase-file`"
        }
        _ => return error.into(),
    };
    Failure::from(error).hint(hint)
}

/// Adds both ways out to the refusal of a name that is another series'.
pub(super) fn other_series(error: ArchiveError) -> Failure {
    let ArchiveError::OtherOrigin { found, .. } = &error else { return error.into() };
    let (host, source) = (quote(Path::new(&found.host)), quote(&found.source));
    let hint = format!(
        "choose another name with `--name`; or, to continue that series, say so with \
         `--host '{host}' --source-as '{source}'`, each time or in the config file"
    );
    Failure::from(error).hint(hint)
}

/// The hint for a folder that another process has locked.
pub(super) const LOCKED: &str = "wait for it with `--lock-wait 1h`, or try again later";

/// The hint for a file at the lock's path that is not a lock.
pub(super) const NOT_A_LOCK: &str =
    "see what it is and remove it; another user may have put it there";
