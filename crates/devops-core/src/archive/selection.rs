//! Decides which of the things found belong into a backup.

use std::{collections::HashSet, path::Path};

use rustix::fs::FileType;

use super::{
    exclude::Excludes,
    meta::{FileId, Meta},
};

/// What belongs into a backup.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) excludes: Excludes,
    /// The device to stay on.
    pub(super) only_device: Option<u64>,
    /// Our own output and earlier archives of the same name.
    pub(super) own: HashSet<FileId>,
}

/// What happens to one thing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes in, with all below it.
    Take,
    /// The folder goes in, but nothing below it.
    TakeEmpty(&'static str),
    /// The user excluded it.
    Excluded,
    /// It cannot or must not go in.
    Leave(&'static str),
}

impl Selection {
    pub(super) fn judge(&self, path: &Path, meta: &Meta) -> Verdict {
        let is_folder = meta.kind == FileType::Directory;
        if self.excludes.matches(path, is_folder) {
            return Verdict::Excluded;
        }
        let is_elsewhere = self.only_device.is_some_and(|device| device != meta.id.0);
        match meta.kind {
            FileType::Socket => Verdict::Leave("a socket has no content"),
            FileType::RegularFile if self.own.contains(&meta.id) => {
                Verdict::Leave("an archive of this backup")
            }
            FileType::Directory if is_elsewhere => Verdict::TakeEmpty("on another file system"),
            _ if is_elsewhere => Verdict::Leave("on another file system"),
            _ => Verdict::Take,
        }
    }
}
