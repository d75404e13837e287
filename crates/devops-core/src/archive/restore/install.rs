//! Temporary names, and how what has one gets its own.

use std::{os::fd::AsFd, path::Path, sync::Arc};

use rustix::{
    fs::{AtFlags, FileType, RenameFlags, linkat, renameat, renameat_with, unlinkat},
    io::Errno,
};

use super::beneath::{Folder, Spot};
use crate::archive::entry::Timestamp;

/// Whether the way is free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Free,
    Replace,
}

/// A place something is made for.
pub(super) struct Claim<'p> {
    pub(super) place: &'p Path,
    pub(super) spot: Spot<'p>,
    pub(super) kind: FileType,
    pub(super) mtime: Timestamp,
    pub(super) way: Way,
}

/// Something under its temporary name; removed unless it got its own.
pub(super) struct Temp {
    folder: Arc<Folder>,
    name: String,
    is_there: bool,
}

impl Temp {
    /// Guards what was just made under `name`.
    pub(super) fn new(spot: &Spot<'_>, name: String) -> Self {
        Self { folder: Arc::clone(&spot.folder), name, is_there: true }
    }

    /// Returns where it is for now.
    pub(super) fn spot(&self) -> Spot<'_> {
        Spot { folder: Arc::clone(&self.folder), name: self.name.as_ref() }
    }

    /// Gives it the name of `spot`; fails with `EXIST` if the way was thought free and is not.
    pub(super) fn rename(&mut self, spot: &Spot<'_>, way: Way) -> rustix::io::Result<()> {
        let (from, to) = (self.folder.as_fd(), spot.folder.as_fd());
        match way {
            Way::Replace => {
                renameat(from, &self.name, to, spot.name)?;
                // Two names of one file: the rename did nothing, and the temporary name is left.
                let _gone = unlinkat(from, &self.name, AtFlags::empty());
            }
            Way::Free => {
                match renameat_with(from, &self.name, to, spot.name, RenameFlags::NOREPLACE) {
                    // Some file systems do not know NOREPLACE; a hard link refuses as well.
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        linkat(from, &self.name, to, spot.name, AtFlags::empty())?;
                        unlinkat(from, &self.name, AtFlags::empty())?;
                    }
                    other => other?,
                }
            }
        }
        self.is_there = false;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if self.is_there {
            // Nothing can be done about a failure here; the next restore finds it.
            let _gone = unlinkat(self.folder.as_fd(), &self.name, AtFlags::empty());
        }
    }
}
