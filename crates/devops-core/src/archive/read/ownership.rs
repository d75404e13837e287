//! Finds the archives of this host: by their owner, or because it remembers making them.

use std::{fmt::Display, os::unix::fs::MetadataExt, path::Path};

use crate::archive::format::stat::Meta;
use crate::{
    fs::{IoResultExt, PathError},
    owners::OwnOwners,
    verdicts::Verdicts,
};

/// Opens the verdicts of this host about the archives of a name in a folder.
pub(in crate::archive) fn verdicts(
    state: Option<&Path>,
    folder: &Path,
    name: impl Display,
) -> Verdicts {
    let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Verdicts::open(state, &format!("{}/{name}", real.display()))
}

/// Returns what tells a file from another one of its name, and from what it was before it changed.
pub(in crate::archive) fn mark(meta: &Meta) -> String {
    let Meta { size, mtime, ctime, id: (_, inode), .. } = meta;
    format!(
        "{size} {}.{} {}.{} {inode}",
        mtime.seconds, mtime.nanoseconds, ctime.seconds, ctime.nanoseconds
    )
}

/// Returns whether an archive counts: by its owner, or because this host remembers making it.
pub(in crate::archive) fn is_counted(
    owners: &mut FolderOwners<'_>,
    verdicts: &Verdicts,
    archive: &Named<'_>,
    index: impl FnOnce() -> Option<[u8; 32]>,
) -> bool {
    let Named { path, meta } = archive;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    owners.count(meta.uid)
        || verdicts.is_made(&name, &mark(meta))
        || index().is_some_and(|index| verdicts.is_made_with(&name, &index))
}

/// An archive, as its folder tells of it.
pub(in crate::archive) struct Named<'a> {
    pub(in crate::archive) path: &'a Path,
    pub(in crate::archive) meta: &'a Meta,
}

/// The owners whose files count in a folder; the one that our own get is found out when it is needed.
pub(in crate::archive) struct FolderOwners<'a> {
    folder: &'a Path,
    owners: OwnOwners,
    is_asked: bool,
    is_any: bool,
}

impl<'a> FolderOwners<'a> {
    pub(in crate::archive) fn of(folder: &'a Path) -> Result<Self, PathError> {
        let uid = std::fs::metadata(folder).at(folder, "read")?.uid();
        let owners = OwnOwners { folder: uid, made: None };
        Ok(Self { folder, owners, is_asked: false, is_any: false })
    }

    /// Takes the owner that a file of ours was given in the folder.
    pub(in crate::archive) fn with_made(mut self, uid: u32) -> Self {
        self.owners.made = Some(uid);
        self.is_asked = true;
        self
    }

    /// Takes every owner, if `is_any` is set.
    pub(in crate::archive) fn or_any(mut self, is_any: bool) -> Self {
        self.is_any = is_any;
        self
    }

    /// Returns whether a file of `uid` counts.
    pub(in crate::archive) fn count(&mut self, uid: u64) -> bool {
        if self.is_any {
            return true;
        }
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
