//! The folders for the journals of unfinished uploads, and for the verdicts about archives.

use std::{env, path::PathBuf};

use devops_cli::{Session, user_folder};
use devops_core::{
    clock::Clock,
    s3::{EarlierRun, Journals, Resume},
};

/// Returns the journals of this user, who may have no folder for them.
pub(super) fn journals() -> Option<Journals> {
    let folder = user_folder("XDG_STATE_HOME", ".local/state")?;
    Some(Journals::new(folder.join("devops/s3push")))
}

/// Returns the folder for the verdicts of this host about archives; a missing home is not made.
pub(super) fn state_folder() -> Option<PathBuf> {
    let folder = user_folder("XDG_STATE_HOME", ".local/state")?;
    let home = env::var_os("HOME").map(PathBuf::from);
    let is_homeless = home.is_some_and(|home| folder.starts_with(&home) && !home.is_dir());
    (!is_homeless).then(|| folder.join("devops/s3push"))
}

/// Returns how an upload of this run is taken up again.
pub(super) fn resumable(session: &Session, earlier: EarlierRun) -> Option<Resume> {
    Some(Resume { journals: journals()?, earlier, now: session.clock().now() })
}
