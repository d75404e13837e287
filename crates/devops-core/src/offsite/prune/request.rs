//! The settings of a prune.

use std::path::PathBuf;

use time::OffsetDateTime;

use crate::{
    archive_index::BackupName,
    retention::KeepPolicy,
    s3::{RetentionMode, S3Uri},
};

/// The settings of an off-site prune.
#[derive(Clone, Debug)]
pub struct PruneRequest {
    /// The folder of the archives: a bucket, or a prefix that ends with a slash.
    pub folder: S3Uri,
    /// Only archives of this name are looked at.
    pub name: BackupName,
    /// Only archives of this host are looked at, if one is named.
    pub host: Option<String>,
    /// The policy of what is kept.
    pub policy: KeepPolicy,
    /// The time it is.
    pub now: OffsetDateTime,
    /// Is set if all versions of what goes are removed, instead of hidden.
    pub versions: bool,
    /// The lock of what is kept, if it is locked.
    pub lock: Option<RetentionMode>,
    /// Is set if archives count that are much smaller than the ones before.
    pub accept_small: bool,
    /// The folder for what this host found out about archives, if there is one.
    pub state: Option<PathBuf>,
    /// Is set to save new verdicts there.
    pub remembers: bool,
}
