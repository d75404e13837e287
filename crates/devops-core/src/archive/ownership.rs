//! Finds the archives of this host: by their owner, or because it remembers making them.

use std::{fmt::Display, os::unix::fs::MetadataExt, path::Path};

use super::meta::Meta;
use crate::{
    fs::{At, PathError},
    owners::OwnOwners,
    verdicts::Verdicts,
};

/// Opens the verdicts of this host about the archives of a name in a folder.
pub(super) fn verdicts(state: Option<&Path>, folder: &Path, name: impl Display) -> Verdicts {
    let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Verdicts::open(state, &format!("{}/{name}", real.display()))
}

/// Returns what tells a file from another one of its name, and from what it was before it changed.
pub(super) fn mark(meta: &Meta) -> String {
    let Meta { size, mtime, ctime, id: (_, inode), .. } = meta;
    format!(
        "{size} {}.{} {}.{} {inode}",
        mtime.seconds, mtime.nanoseconds, ctime.seconds, ctime.nanoseconds
    )
}

/// The owners whose files count in a folder; the one that our own get is found out when it is needed.
pub(super) struct FolderOwners<'a> {
    folder: &'a Path,
    owners: OwnOwners,
    is_asked: bool,
}

impl<'a> FolderOwners<'a> {
    pub(super) fn of(folder: &'a Path) -> Result<Self, PathError> {
        let uid = std::fs::metadata(folder).at(folder, "read")?.uid();
        Ok(Self { folder, owners: OwnOwners { folder: uid, made: None }, is_asked: false })
    }

    /// Takes the owner that a file of ours was given in the folder.
    pub(super) fn with_made(mut self, uid: u32) -> Self {
        self.owners.made = Some(uid);
        self.is_asked = true;
        self
    }

    /// Returns whether a file of `uid` counts.
    pub(super) fn count(&mut self, uid: u64) -> bool {
        let Ok(uid) = u32::try_from(uid) else { return false };
        if !self.owners.count(uid) && !self.is_asked {
            self.is_asked = true;
            // If no file can be made, this owner is unknown.
            let made = tempfile::tempfile_in(self.folder).and_then(|file| file.metadata());
            self.owners.made = made.ok().map(|metadata| metadata.uid());
        }
        self.owners.count(uid)
    }
}
