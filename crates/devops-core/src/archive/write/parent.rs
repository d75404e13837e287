//! Finds in the parent archive what need not be read or compressed again.
//!
//! An entry is unchanged when all that `stat` says of it is what the index recorded, the inode and the
//! time of the last status change included, and when that time is clearly older than the run that
//! recorded it. The device is no part of that: a disk, a snapshot or a share comes back under another
//! number. A group of unchanged
//! entries that fills a segment is copied without being read. Everything else is read; where it
//! gives a piece the parent archive has, its compressed form is copied.
//!
//! The content that an archive has of an unchanged file goes into the next one unread, and nothing
//! in it proves its author. So only those archives are copied from that no other user could have
//! written, or that this host remembers making.
//!
//! Each run reads a share of the unchanged groups again, so that within [`ROUND`] days of daily runs
//! everything was compared with its source: a bad byte of an archive does not travel for ever, and a
//! bad byte of a source is found while an archive still has the good one.

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
};

use super::chunker::path_hash;
use crate::archive::{
    format::{
        archive_file::ArchiveFile,
        compress::Level,
        entry::{Entry, Timestamp},
        index::{Hash, Identity, Index, IndexCursor, IndexEntry, Segment, walk_order},
    },
    options::IgnoredChanges,
    read::ownership::FolderOwners,
};
use crate::{owners::Accounts, verdicts::Verdicts};

/// In how many days of daily runs everything is read once.
const ROUND: u64 = 30;
/// File systems round times, by two seconds at most (FAT): what changed that shortly before a run
/// may have changed once more, after it was read, without another time.
const GRANULARITY: i64 = 2;

/// The bits of a mode that let others than the owner write.
const MAY_BE_WRITTEN: u32 = 0o022;

/// An earlier archive, to copy from.
pub(in crate::archive) struct ParentArchive {
    path: PathBuf,
    stored: ArchiveFile,
    index: Index,
    by_hash: HashMap<u64, usize>,
}

impl ParentArchive {
    /// Opens an archive; `None` when it has no index, or segments that would be made otherwise today.
    pub(in crate::archive) fn open(path: &Path, level: Level) -> Option<Self> {
        Self::with_index(path, ArchiveFile::open(path.into()).ok()?, level)
    }

    fn with_index(path: &Path, stored: ArchiveFile, level: Level) -> Option<Self> {
        let index = Index::read(&stored)?;
        if !index.is_made_alike(level) {
            return None;
        }
        let by_hash = index.segments.iter().enumerate();
        let by_hash = by_hash.map(|(n, segment)| (key(&segment.raw_hash), n)).collect();
        Some(Self { path: path.to_owned(), stored, index, by_hash })
    }

    /// Opens the newest of these archives that can be copied from, given the newest first.
    ///
    /// Tells of the first archive that is refused only for its origin, if no other can be copied
    /// from.
    pub(in crate::archive) fn newest(
        archives: impl Iterator<Item = PathBuf>,
        level: Level,
        trust: &mut Trust<'_>,
        on_refused: &mut dyn FnMut(&Path, &str),
    ) -> Option<Self> {
        let mut refused = None;
        for path in archives {
            let Ok(stored) = ArchiveFile::open((&path).into()) else { continue };
            match trust.refusal(&path, &stored) {
                None => {
                    if let Some(parent) = Self::with_index(&path, stored, level) {
                        return Some(parent);
                    }
                }
                Some(reason) => {
                    refused.get_or_insert((path, reason));
                }
            }
        }
        if let Some((path, reason)) = refused {
            on_refused(&path, &reason);
        }
        None
    }

    /// Returns the file it is.
    pub(in crate::archive) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the bytes of all contents in it.
    pub(in crate::archive) fn n_content(&self) -> u64 {
        self.index.n_content
    }

    /// Returns the segment that holds these bytes of the tar.
    pub(in crate::archive) fn find(&self, raw_hash: &Hash) -> Option<usize> {
        let n = *self.by_hash.get(&key(raw_hash))?;
        let segment = &self.index.segments[n];
        // What is much larger than its content was not made by us.
        let is_sound =
            segment.compressed_len <= segment.uncompressed_len + segment.uncompressed_len / 8 + 64;
        (segment.raw_hash == *raw_hash && is_sound).then_some(n)
    }

    /// Returns how many bytes of the archive these segments are.
    pub(in crate::archive) fn compressed_len(&self, segments: Range<usize>) -> u64 {
        self.index.segments[segments].iter().map(|segment| segment.compressed_len).sum()
    }

    /// Reads the compressed bytes of neighbouring segments into what `buffer` gives for so many;
    /// `None` when they are not what was written.
    pub(in crate::archive) fn read(
        &self,
        segments: Range<usize>,
        buffer: impl FnOnce(usize) -> Vec<u8>,
    ) -> Option<(Vec<u8>, &[Segment])> {
        let n = usize::try_from(self.compressed_len(segments.clone())).ok()?;
        let segments = &self.index.segments[segments];
        let mut bytes = buffer(n);
        // What is in it already costs nothing to read over.
        bytes.resize(n, 0);
        self.stored.read_exact_at(&mut bytes, segments.first()?.at).ok()?;
        let mut rest = bytes.as_slice();
        let is_sound = segments.iter().all(|segment| {
            // They add up to the length.
            let (packed, others) =
                rest.split_at(usize::try_from(segment.compressed_len).unwrap_or(0));
            rest = others;
            *blake3::hash(packed).as_bytes() == segment.packed_hash
        });
        is_sound.then_some((bytes, segments))
    }
}

/// The archives that are copied from: their content goes into the next one unread.
pub(in crate::archive) struct Trust<'a> {
    /// Is set if all are copied from.
    pub(in crate::archive) is_blind: bool,
    pub(in crate::archive) owners: FolderOwners<'a>,
    pub(in crate::archive) verdicts: &'a Verdicts,
    /// The root of the host, for its lists of users and groups.
    pub(in crate::archive) root: &'a Path,
}

impl Trust<'_> {
    /// Returns the reason not to copy from an open archive, if it has an index and there is one.
    fn refusal(&mut self, path: &Path, stored: &ArchiveFile) -> Option<String> {
        let index = Index::footer(stored)?.index_hash;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if self.is_blind || self.verdicts.is_made_with(&name, &index) {
            return None;
        }
        let Ok(access) = stored.access() else { return Some("its owner is unknown".to_owned()) };
        if !self.owners.count(access.uid.into()) {
            return Some(format!("it belongs to another user, {}", access.uid));
        }
        if access.mode & MAY_BE_WRITTEN == 0 {
            return None;
        }
        Accounts::read(self.root).other_writers(access)
    }
}

/// Returns whether two records of a path are of the same file, whose status did not change between.
pub(in crate::archive) fn is_unchanged(
    old: &Identity,
    new: &Identity,
    ignored: IgnoredChanges,
) -> bool {
    let ((_, old_inode), (_, new_inode)) = (old.id, new.id);
    (ignored.inode || old_inode == new_inode) && (ignored.ctime || old.ctime == new.ctime)
}

/// Returns enough of a hash to find it by, or to tell it from another.
pub(in crate::archive) fn key(hash: &Hash) -> u64 {
    u64::from_le_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
}

/// Compares a walk with the entries of an earlier archive, both in the same order.
pub(in crate::archive) struct ParentMatcher<'a> {
    parent: &'a ParentArchive,
    place: IndexCursor,
    next: Option<IndexEntry>,
    ignored: IgnoredChanges,
    /// The day of the run, counted from any.
    day: u64,
}

impl<'a> ParentMatcher<'a> {
    pub(in crate::archive) fn new(
        parent: &'a ParentArchive,
        started: Timestamp,
        ignored: IgnoredChanges,
    ) -> Self {
        let mut place = parent.index.start();
        let next = parent.index.next(&mut place);
        let day = started.seconds.div_euclid(86_400).cast_unsigned();
        Self { parent, place, next, ignored, day }
    }

    /// Returns what the index says of `entry`, if it is unchanged; paths must come in walk order.
    pub(in crate::archive) fn unchanged(
        &mut self,
        entry: &Entry,
        identity: Identity,
    ) -> Option<IndexEntry> {
        while let Some(next) = &self.next
            && walk_order(&next.record.entry.path, &entry.path).is_lt()
        {
            self.next = self.parent.index.next(&mut self.place);
        }
        let old = self.next.take_if(|next| next.record.entry.path == entry.path)?;
        self.next = self.parent.index.next(&mut self.place);
        let is_same = old.record.entry == *entry
            && old.record.identity.is_some_and(|old| is_unchanged(&old, &identity, self.ignored));
        let settled = self.parent.index.build_params.started.seconds - GRANULARITY;
        let is_settled = (self.ignored.ctime || identity.ctime.seconds < settled)
            && entry.mtime.seconds < settled;
        // What an older archive does not say of it would be missing from the next ones, too.
        let is_told = self.parent.index.has_attributes;
        (is_same && is_settled && is_told).then_some(old)
    }

    /// Returns whether a group that begins with `path` is read in this run, unchanged or not.
    pub(in crate::archive) fn is_due(&self, path: &Path) -> bool {
        path_hash(path) % ROUND == self.day % ROUND
    }

    /// Returns the segment that holds exactly the bytes from `start` to `end` of the tar.
    pub(in crate::archive) fn segment(&self, start: u64, end: u64) -> Option<usize> {
        let segments = self.segments(start, end)?;
        (segments.len() == 1).then_some(segments.start)
    }

    /// Returns the segments that hold exactly the bytes from `start` to `end` of the tar.
    pub(in crate::archive) fn segments(&self, start: u64, end: u64) -> Option<Range<usize>> {
        if start == end {
            return Some(0..0);
        }
        let index = &self.parent.index;
        let first = index.segment_at(start)?;
        let last = index.segment_at(end.checked_sub(1)?)?;
        let last_end = index.segments[last].tar_offset + index.segments[last].uncompressed_len;
        (index.segments[first].tar_offset == start && last_end == end).then_some(first..last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_under_another_device_number() {
        let identity = |device, inode, seconds| Identity {
            ctime: Timestamp { seconds, nanoseconds: 5 },
            id: (device, inode),
        };
        let old = identity(1, 7, 100);
        let is_unchanged = |new| is_unchanged(&old, &new, IgnoredChanges::default());

        assert!(is_unchanged(identity(2, 7, 100)));
        assert!(!is_unchanged(identity(1, 8, 100)));
        assert!(!is_unchanged(identity(1, 7, 101)));
    }
}
