//! This host, and the folders where its state is kept.

use std::{
    env,
    path::{Path, PathBuf},
};

use devops_cli::{Session, user_folder};
use devops_core::{
    archive::machine_id, clock::Clock, fs::read_text, lock::LockOwner,
    profile::service_state_folder,
};

use crate::cli::SeriesFlags;

/// Describes this process to others that want the same folder.
pub(super) fn holder(session: &Session) -> LockOwner {
    LockOwner::this_process(Path::new("/"), &host_name(), session.clock().now())
}

/// Returns the folder for the verdicts of this host about archives.
pub(super) fn state_folder() -> Option<PathBuf> {
    Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("devops/backup"))
}

/// This host, as archives record it.
pub(super) struct HostIdentity {
    pub(super) name: String,
    /// The hash of the id of the machine, unless the host is named by hand.
    pub(super) machine: Option<String>,
}

impl HostIdentity {
    pub(super) fn of(flags: &SeriesFlags) -> Self {
        match &flags.host {
            Some(name) => Self { name: name.clone(), machine: None },
            None => Self { name: host_name(), machine: machine_id(Path::new("/")) },
        }
    }
}

/// Returns the folder for what is remembered of a profile: that of the service that runs it, as `timer`
/// prints it, is shared by runs by hand.
pub(super) fn profile_state_folder(profile: &str) -> Option<PathBuf> {
    let is_chosen = env::var_os("XDG_STATE_HOME").is_some();
    let service = (!is_chosen).then(|| service_state_folder(Path::new("/"), profile)).flatten();
    service.or_else(state_folder)
}

/// Returns the folder for what is restored on trial.
pub(super) fn rehearsal_folder() -> PathBuf {
    state_folder().unwrap_or_else(env::temp_dir)
}

pub(super) fn host_name() -> String {
    read_text(Path::new("/proc/sys/kernel/hostname"), 1024)
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
