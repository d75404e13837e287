//! Where this host keeps what unfinished uploads need.

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

/// Returns how an upload of this run is taken up again.
pub(super) fn resumable(session: &Session, earlier: EarlierRun) -> Option<Resume> {
    Some(Resume { journals: journals()?, earlier, now: session.clock().now() })
}
