//! An archive that prune may remove, and the options of it.

use std::{
    io,
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use crate::{
    archive::format::{
        encryption::Keys,
        stat::{FileId, Meta},
    },
    archive_index::{BackupName, Origin, Series},
    fs::{DirEntryPath, OpenFolder},
    retention::{Decision, KeepPolicy, Member, Proof},
};

/// An archive, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The archive.
    pub path: PathBuf,
    /// The origin; `None` when another tool made it.
    pub origin: Option<Origin>,
    /// The series that it belongs to; `None` when it says nothing of its origin.
    pub series: Option<Series>,
    /// The time it was made: its recorded start, else the date in its name.
    pub time: OffsetDateTime,
    /// The bytes of the file.
    pub size: u64,
    /// The decision about it.
    pub decision: Decision,
    /// Is set if it is encrypted and none of the keys opens it: only its name tells of it.
    pub is_encrypted: bool,
    pub(super) id: FileId,
    /// The mark that tells the file from another one of its name.
    pub(super) mark: String,
    pub(super) is_weighed: bool,
    pub(super) proof: Proof,
}

impl Candidate {
    pub(super) fn member(&self) -> Member {
        let Self { time, size, is_weighed, ref proof, .. } = *self;
        Member { time, arrived: time, size, is_weighed, proof: proof.clone() }
    }
}

/// The settings of a prune.
#[derive(Clone, Copy, Debug)]
pub struct PruneOptions<'a> {
    /// The folder with the archives.
    pub folder: &'a Path,
    /// The folder that must hold it, wherever links lead; `None` for any.
    pub within: Option<&'a OpenFolder>,
    /// Only archives of this name are looked at.
    pub name: &'a BackupName,
    /// Only archives of this host are looked at, if one is named.
    pub host: Option<&'a str>,
    /// The rules for the archives to keep.
    pub policy: &'a KeepPolicy,
    /// The keys for encrypted archives.
    pub keys: &'a Keys,
    /// The time it is.
    pub now: OffsetDateTime,
    /// Is set if archives of all owners count.
    pub any_owner: bool,
    /// Is set if archives count that are much smaller than the ones before.
    pub accept_small: bool,
    /// The folder for what this host found out about archives, if there is one.
    pub state: Option<&'a Path>,
    /// Is set to save new verdicts there.
    pub remembers: bool,
}

/// Returns what there is to know of a file.
pub(super) fn look(at: &DirEntryPath) -> io::Result<Meta> {
    at.look()?.map(Meta::from).ok_or_else(|| io::ErrorKind::NotFound.into())
}
