//! The folders for the journals of unfinished uploads, and for the verdicts about archives.

use std::path::PathBuf;

use devops_cli::{Session, user_folder};
use devops_core::{
    clock::Clock,
    s3::{Journals, Resume, ResumePolicy},
};

/// Returns the journals of this user, who may have no folder for them.
pub(super) fn journals() -> Option<Journals> {
    Some(Journals::new(state_folder()?))
}

/// Returns the folder for the journals, and for the verdicts of this host about archives.
pub(super) fn state_folder() -> Option<PathBuf> {
    Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("devops/s3push"))
}

/// Returns how an upload of this run is taken up again.
pub(super) fn resumable(session: &Session, earlier: ResumePolicy) -> Option<Resume> {
    Some(Resume { journals: journals()?, earlier, now: session.clock().now() })
}
