//! Tells the folders of other file systems from those of the source.
//!
//! Only folders are asked, as by GNU tar and find: overlayfs gives files the device of the layer that
//! holds them, and a file that is mounted over another is content like others. A folder with another
//! device than the source is on another file system if it is on another mount too: a subvolume of
//! btrfs has a device of its own, and is part of its file system. A bind mount of the same file
//! system has the same device, and is one of its folders.

use std::{os::fd::BorrowedFd, path::Path};

use rustix::{
    fs::{AtFlags, StatxFlags, fstat, statx},
    io,
};

use crate::archive::format::stat::Meta;

/// The file system that a source is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct FileSystem {
    device: u64,
    /// The number of the mount; `None` before Linux 5.8.
    mount: Option<u64>,
}

impl FileSystem {
    /// Returns that of an open folder or file.
    pub(in crate::archive) fn of(open: BorrowedFd<'_>) -> io::Result<Self> {
        let device = Meta::from(fstat(open)?).id.0;
        Ok(Self { device, mount: mount(open, Path::new("")) })
    }

    /// Returns whether the folder `name` in `above`, which was found to be `meta`, is on another one.
    pub(in crate::archive) fn is_left_by(
        &self,
        above: BorrowedFd<'_>,
        name: &Path,
        meta: &Meta,
    ) -> bool {
        meta.id.0 != self.device && (self.mount.is_none() || mount(above, name) != self.mount)
    }

    /// Returns whether an open folder is on another one: to open it may have mounted it.
    pub(in crate::archive) fn is_left_by_open(&self, folder: BorrowedFd<'_>) -> bool {
        fstat(folder).is_ok_and(|stat| self.is_left_by(folder, Path::new(""), &Meta::from(stat)))
    }
}

/// Returns the number of the mount that something is on.
fn mount(above: BorrowedFd<'_>, name: &Path) -> Option<u64> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    let found = statx(above, name, flags, StatxFlags::MNT_ID).ok()?;
    (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
}
