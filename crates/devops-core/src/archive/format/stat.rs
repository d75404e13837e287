//! File metadata in the types of an archive.

use rustix::fs::{FileType, Stat, major, minor};

use super::entry::Timestamp;
pub(in crate::archive) use crate::fs::FileId;

/// The metadata of a file by `stat`.
#[derive(Clone, Debug)]
pub(in crate::archive) struct Meta {
    pub(in crate::archive) id: FileId,
    pub(in crate::archive) kind: FileType,
    pub(in crate::archive) mode: u32,
    pub(in crate::archive) uid: u64,
    pub(in crate::archive) gid: u64,
    pub(in crate::archive) size: u64,
    pub(in crate::archive) mtime: Timestamp,
    pub(in crate::archive) ctime: Timestamp,
    pub(in crate::archive) is_hard_linked: bool,
    pub(in crate::archive) device: (u32, u32),
}

impl Meta {
    /// Returns whether `other` is the same file with the same content, as far as `stat` can tell.
    ///
    /// Not by the time of the last status change: a hard link made meanwhile moves it.
    pub(in crate::archive) fn is_same_file(&self, other: &Self) -> bool {
        let facts = |meta: &Self| (meta.id, meta.kind, meta.mode, meta.uid, meta.gid, meta.size);
        facts(self) == facts(other) && self.mtime == other.mtime
    }
}

impl From<Stat> for Meta {
    fn from(stat: Stat) -> Self {
        Self {
            id: (stat.st_dev, stat.st_ino),
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid.into(),
            gid: stat.st_gid.into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: Timestamp {
                seconds: stat.st_mtime,
                nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
            ctime: Timestamp {
                seconds: stat.st_ctime,
                nanoseconds: u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
            },
            is_hard_linked: stat.st_nlink > 1,
            device: (major(stat.st_rdev), minor(stat.st_rdev)),
        }
    }
}
