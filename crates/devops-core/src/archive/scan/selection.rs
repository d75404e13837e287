//! Decides which of the things found belong into a backup.

use std::{collections::HashSet, os::fd::BorrowedFd, path::Path};

use rustix::fs::FileType;

use super::{exclude::Excludes, ignore_files::ExcludeMarkers, mount::FileSystem};
use crate::archive::format::stat::{FileId, Meta};

/// The reason for which a folder on another file system is stored empty.
pub(in crate::archive) const ELSEWHERE: &str = "on another file system";

/// Selects the paths of a backup.
#[derive(Default)]
pub(in crate::archive) struct Selection {
    pub(in crate::archive) excludes: Excludes,
    pub(in crate::archive) exclude_markers: ExcludeMarkers,
    /// The file system to stay on.
    pub(in crate::archive) only: Option<FileSystem>,
    /// Archives of the same name, and others we made beside them.
    pub(in crate::archive) own: HashSet<FileId>,
    /// The archive being written.
    pub(in crate::archive) output: Option<FileId>,
    /// The file by which the folder of the archive is locked.
    pub(in crate::archive) lock: Option<FileId>,
    /// The folder of plain copies, which nobody wants anywhere else.
    pub(in crate::archive) copies: Option<FileId>,
}

/// The decision about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Verdict {
    /// It goes in, with all below it.
    Take,
    /// The folder goes in, but nothing below it.
    TakeEmpty(&'static str),
    /// The user or an ignore file excluded it, or it is the archive being written or its lock.
    Excluded,
    /// It cannot or must not go in.
    Leave(&'static str),
}

impl Selection {
    /// Judges what stands on `path` in the folder `above`; `is_ignored` asks ignore files, which
    /// patterns of the user overrule.
    pub(in crate::archive) fn judge(
        &self,
        above: BorrowedFd<'_>,
        path: &Path,
        meta: &Meta,
        is_ignored: impl FnOnce(bool) -> bool,
    ) -> Verdict {
        let is_folder = meta.kind == FileType::Directory;
        let is_output = [self.output, self.lock].contains(&Some(meta.id));
        let excludes = self.excludes.decides(path, is_folder);
        if is_output || excludes.unwrap_or_else(|| is_ignored(is_folder)) {
            return Verdict::Excluded;
        }
        let is_elsewhere = || {
            let name = Path::new(path.file_name().unwrap_or_default());
            self.only.is_some_and(|only| only.is_left_by(above, name, meta))
        };
        match meta.kind {
            FileType::Socket => Verdict::Leave("a socket has no content"),
            FileType::RegularFile if self.own.contains(&meta.id) => {
                Verdict::Leave("an archive of this backup")
            }
            FileType::Directory if self.copies == Some(meta.id) => {
                Verdict::TakeEmpty("plain copies of encrypted archives")
            }
            FileType::Directory if is_elsewhere() => Verdict::TakeEmpty(ELSEWHERE),
            _ => Verdict::Take,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;

    use super::*;
    use crate::archive::format::entry::Timestamp;

    fn meta(kind: FileType, device: u64) -> Meta {
        Meta {
            id: (device, 7),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            is_hard_linked: false,
            device: (0, 0),
        }
    }

    #[test]
    fn only_files_are_our_own_archives() {
        let selection = Selection { own: HashSet::from([(1, 7)]), ..Selection::default() };
        let verdict = |kind| selection.judge(CWD, Path::new("a"), &meta(kind, 1), |_| false);

        assert!(matches!(verdict(FileType::RegularFile), Verdict::Leave(_)));
        assert_eq!(verdict(FileType::Directory), Verdict::Take);
    }

    #[test]
    fn what_the_user_says_stands_above_ignore_files() {
        let excludes = Excludes::new(["out", "!keep"]).unwrap();
        let selection = Selection { excludes, ..Selection::default() };
        let meta = meta(FileType::RegularFile, 1);
        let verdict =
            |path, is_ignored| selection.judge(CWD, Path::new(path), &meta, |_| is_ignored);

        assert_eq!(verdict("out", false), Verdict::Excluded);
        assert_eq!(verdict("keep", true), Verdict::Take);
        assert_eq!(verdict("other", true), Verdict::Excluded);
        assert_eq!(verdict("other", false), Verdict::Take);
    }
}
