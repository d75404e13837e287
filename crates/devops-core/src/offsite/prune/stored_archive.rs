//! An archive in the store, and the decision about it.

use time::OffsetDateTime;

use crate::{
    archive_index::{Origin, Series},
    retention::{KeepReason, Proof},
    s3::{ObjectHold, PlannedRemoval, RetentionMode, S3Uri, StoreText},
};

/// An archive in the store, and what becomes of it.
#[derive(Clone, Debug)]
pub struct StoredArchive {
    /// The archive.
    pub uri: S3Uri,
    /// The origin; `None` when it is encrypted, or another tool made it.
    pub origin: Option<Origin>,
    /// The series that it belongs to; `None` when it says nothing of its origin.
    pub series: Option<Series>,
    /// Is set if it is encrypted: only its name tells of it.
    pub is_encrypted: bool,
    /// The time it was made: its recorded start, else the date in its name.
    pub time: OffsetDateTime,
    /// The number of bytes it has.
    pub size: u64,
    /// The decision about it.
    pub decision: ObjectDecision,
    /// The lock that it gets, if it gets another one.
    pub lock: Option<(RetentionMode, OffsetDateTime)>,
    pub(super) seen: Seen,
    pub(super) versions: Vec<PlannedRemoval>,
    pub(super) proof: Proof,
}

/// The identity of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) etag: Option<String>,
    /// In seconds since 1970, as not every answer has more.
    pub(super) modified: Option<i64>,
    pub(super) version_id: Option<StoreText>,
}

/// The decision about an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectDecision {
    /// It stays for these reasons.
    Keep(Vec<KeepReason>),
    /// It counts for no rule, for this reason, and is left for a person to look at.
    Uncounted(String),
    /// No rule keeps it, but a lock.
    KeepLocked(ObjectHold),
    /// It goes.
    Remove,
}
