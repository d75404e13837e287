//! The settings of a profile, and the context of a run.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::notify::SecretUrl;
use crate::{
    archive::{BackupName, CreateOptions, Keys},
    kind::Kind,
    lock::LockOwner,
    retention::{KeepPolicy, SHRINK_LIMIT},
};

/// A profile: its sources, its destination, and the commands around the work.
#[derive(Clone)]
pub struct Profile<'a> {
    /// Its name.
    pub name: &'a str,
    /// The sources, each under a name of its own.
    pub sources: &'a [ProfileSource],
    /// The folder for the archives, made if missing.
    pub dest: &'a Path,
    /// The settings of each archive; the source and the lock are set for each.
    pub create: CreateOptions<'a>,
    /// Is set if each archive is read again, once it is there.
    pub verify: bool,
    /// The keys for the archives, if they are encrypted.
    pub keys: &'a Keys,
    /// The policy for the archives to keep; an empty one keeps everything.
    pub keep: KeepPolicy,
    /// The archives that count beside the usual ones, and the most that one run may remove.
    pub limits: PruneLimits,
    /// The most that a source may lose.
    pub shrink: ShrinkRule,
    /// The bytes that stay free in the folder for the archives.
    pub keep_free: u64,
    /// The share of each new archive that is restored and compared.
    pub rehearsal: Option<Rehearsal<'a>>,
    /// Commands around the work.
    pub hooks: Hooks,
    /// The address that is told of start, success and failure.
    pub healthcheck: Option<SecretUrl>,
    /// The addresses that get the report.
    pub webhooks: Vec<SecretUrl>,
    /// The folder for a file of metrics.
    pub metrics_dir: Option<PathBuf>,
}

/// Command lines for `/bin/sh`, run one after the other with nothing to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Run first; one that fails ends the profile.
    pub before: Vec<String>,
    /// Run after the archives are there, complete or partial.
    pub after: Vec<String>,
    /// Run when anything failed.
    pub on_failure: Vec<String>,
    /// Run at the end, all of them, whatever happened.
    pub finally: Vec<String>,
    /// The time that one command may run; its whole process group is ended then.
    pub timeout: Option<Duration>,
}

/// The archives that a prune of a profile counts, and the most it may remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneLimits {
    /// Is set if archives of all owners count.
    pub any_owner: bool,
    /// Is set if archives count that are much smaller than the ones before.
    pub accept_small: bool,
    /// The most archives of a source that one run may remove; `None` for the usual number.
    pub max_delete: Option<u64>,
}

/// The most that a source may lose before nothing old of it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShrinkRule {
    /// The share of its entries or bytes.
    pub limit: f64,
    /// Is set if a person accepts that a source lost more, from this run on.
    pub is_accepted: bool,
}

impl Default for ShrinkRule {
    fn default() -> Self {
        Self { limit: SHRINK_LIMIT, is_accepted: false }
    }
}

/// A restore of a part of each new archive, to see that it can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rehearsal<'a> {
    /// The share of its entries.
    pub share: f64,
    /// The folder for the private folder of what is restored.
    pub folder: &'a Path,
}

/// A folder or file of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSource {
    /// Its path.
    pub path: PathBuf,
    /// The name of its archives.
    pub name: BackupName,
}

/// The facts that a run needs beside its profile.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// This process, as others see it that want the same destination.
    pub holder: &'a LockOwner,
    /// The time to wait for others to leave the destination.
    pub lock_wait: Duration,
    /// Returns the exit code that a sort of error leads to.
    pub exit_code: &'a dyn Fn(Kind) -> u8,
}
