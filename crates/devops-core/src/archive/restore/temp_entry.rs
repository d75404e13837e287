//! Temporary names, and how what has one gets its own.

use std::path::Path;

use rustix::fs::FileType;

use crate::{
    archive::format::entry::Timestamp,
    fs::{DirEntryPath, IfExists},
};

/// A place something is made for.
pub(super) struct EntryDestination<'p> {
    pub(super) place: &'p Path,
    pub(super) at: DirEntryPath,
    pub(super) kind: FileType,
    pub(super) mtime: Timestamp,
    /// The policy for a name that is taken.
    pub(super) policy: IfExists,
}

/// Something under its temporary name; removed unless it got its own.
pub(super) struct TempEntry {
    at: DirEntryPath,
    is_there: bool,
}

impl TempEntry {
    /// Guards what was just made there.
    pub(super) fn new(at: DirEntryPath) -> Self {
        Self { at, is_there: true }
    }

    /// Returns where it is for now.
    pub(super) fn at(&self) -> &DirEntryPath {
        &self.at
    }

    /// Gives it its own name; fails with `EXIST` if the way was thought free and is not.
    pub(super) fn rename(&mut self, to: &DirEntryPath, policy: IfExists) -> rustix::io::Result<()> {
        self.at.rename(to, policy)?;
        self.is_there = false;
        Ok(())
    }
}

impl Drop for TempEntry {
    fn drop(&mut self) {
        if self.is_there {
            // Nothing can be done about a failure here; the next restore finds it.
            let _gone = self.at.remove();
        }
    }
}
