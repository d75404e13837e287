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
    /// Archives of the same name, and others we made beside them.
    pub(super) own: HashSet<FileId>,
    /// The archive being written.
    pub(super) output: Option<FileId>,
    /// The file by which the folder of the archive is locked.
    pub(super) lock: Option<FileId>,
}

/// What happens to one thing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes in, with all below it.
    Take,
    /// The folder goes in, but nothing below it.
    TakeEmpty(&'static str),
    /// The user excluded it, or it is the archive being written or its lock.
    Excluded,
    /// It cannot or must not go in.
    Leave(&'static str),
}

impl Selection {
    pub(super) fn judge(&self, path: &Path, meta: &Meta) -> Verdict {
        let is_folder = meta.kind == FileType::Directory;
        let is_output = [self.output, self.lock].contains(&Some(meta.id));
        if is_output || self.excludes.matches(path, is_folder) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::entry::Timestamp;

    fn meta(kind: FileType, device: u64) -> Meta {
        Meta {
            id: (device, 7),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::default(),
            has_more_names: false,
            device: (0, 0),
        }
    }

    #[test]
    fn a_folder_of_another_file_system_stays_as_an_empty_one() {
        let selection = Selection { only_device: Some(1), ..Selection::default() };
        let verdict = |kind, device| selection.judge(Path::new("a"), &meta(kind, device));

        assert_eq!(verdict(FileType::Directory, 1), Verdict::Take);
        assert!(matches!(verdict(FileType::Directory, 2), Verdict::TakeEmpty(_)));
        assert!(matches!(verdict(FileType::RegularFile, 2), Verdict::Leave(_)));
    }

    #[test]
    fn only_files_are_our_own_archives() {
        let selection = Selection { own: HashSet::from([(1, 7)]), ..Selection::default() };
        let verdict = |kind| selection.judge(Path::new("a"), &meta(kind, 1));

        assert!(matches!(verdict(FileType::RegularFile), Verdict::Leave(_)));
        assert_eq!(verdict(FileType::Directory), Verdict::Take);
    }
}
