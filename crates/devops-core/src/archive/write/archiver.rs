//! Plans what a walk finds in groups, and feeds each on: copied from the parent archive, or read.

use std::{
    collections::HashMap,
    ffi::OsString,
    io,
    ops::Range,
    os::{fd::AsFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{FileType, readlinkat},
    io::Errno,
};

use super::{
    chunker::{GroupChunker, SLICE},
    parent::ParentMatcher,
    pipeline::{Piece, ProduceError, SegmentSender, SilentChange},
};
use crate::archive::{
    ArchiveError,
    event::{CreateEvent, Skipped},
    format::{
        content_hash::{ContentHash, has_huge_holes},
        entry::{Entry, EntryKind, Timestamp},
        holes::data_ranges,
        index::{EntryWriter, Hash, IndexEntry, Record},
        owner_names::OwnerNames,
        stat::{FileId, Meta},
        tar_header,
    },
    options::{CreateOptions, Reproducible},
    scan::{
        attributes::AttributeReader,
        changed_file_retry::RereadBudget,
        file_io::FileIo,
        walk::{Found, Visitor},
    },
};
use crate::{cancel::Cancel, fs::PathError, limits::Limit};

mod large;
mod open_file;
mod pending_entry;
mod read;
mod segment_buffer;
mod small;

use open_file::open;
use pending_entry::{PendingEntry, identity, is_same_state};

/// The running totals.
#[derive(Debug, Default)]
pub(in crate::archive) struct PackStats {
    pub(in crate::archive) n_bytes: u64,
    /// The bytes among them that were not read.
    pub(in crate::archive) n_reused: u64,
    pub(in crate::archive) n_entries: u64,
    pub(in crate::archive) n_files: u64,
    pub(in crate::archive) skipped: Vec<Skipped>,
    pub(in crate::archive) changed: Vec<Skipped>,
}

impl PackStats {
    pub(in crate::archive) fn skip(
        &mut self,
        skipped: Skipped,
        on_event: &mut dyn FnMut(CreateEvent<'_>),
    ) {
        on_event(CreateEvent::Skipped(&skipped));
        self.skipped.push(skipped);
    }

    pub(in crate::archive) fn change(
        &mut self,
        changed: Skipped,
        on_event: &mut dyn FnMut(CreateEvent<'_>),
    ) {
        on_event(CreateEvent::Skipped(&changed));
        self.changed.push(changed);
    }
}

/// Packs entries into pieces.
pub(in crate::archive) struct Archiver<'a> {
    sender: SegmentSender<'a>,
    entries: EntryWriter,
    matcher: Option<ParentMatcher<'a>>,
    group: Vec<PendingEntry>,
    chunker: GroupChunker,
    file_io: &'a dyn FileIo,
    reproducible: Option<Reproducible>,
    attributes: AttributeReader,
    /// Those of this host; none for a reproducible archive.
    names: OwnerNames,
    reread_budget: RereadBudget,
    cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(CreateEvent<'_>),
    /// The first path of every file that has more names, and what it was like then.
    first_links: HashMap<FileId, (PathBuf, Meta)>,
    /// The number of contents that were sent.
    n_contents: u64,
    silent_changes: Vec<SilentChange>,
    stats: PackStats,
    /// The host opens no more files: what is then unreadable is not so by itself.
    limit: Option<PathError>,
}

impl Visitor for Archiver<'_> {
    type Error = ProduceError;

    fn found(&mut self, found: &Found<'_>) -> Result<(), ProduceError> {
        self.check_limit()?;
        let Some(kind) = self.kind(found) else { return Ok(()) };
        let entry = self.entry(found.path, &found.meta, kind);
        let identity = identity(&found.meta);
        let old = self.matcher.as_mut().and_then(|matcher| matcher.unchanged(&entry, identity));
        let pending = PendingEntry {
            entry,
            meta: found.meta.clone(),
            folder: Rc::clone(found.folder),
            name: found.name.to_owned(),
            is_stream: found.opened.is_some() && found.meta.kind == FileType::RegularFile,
            // While the folder is open for the walk.
            attributes: found
                .opened
                .filter(|_| old.is_none())
                .map(|folder| self.attributes.of_open(folder, found.meta.id.0)),
            old,
        };
        if pending.entry.size > SLICE {
            return self.pack_large_file(pending);
        }
        if self.chunker.is_full_for(pending.entry.size) {
            self.flush(None)?;
        }
        let is_end = self.chunker.add(found.path, pending.entry.size);
        self.group.push(pending);
        if is_end { self.flush(None).map(drop) } else { Ok(()) }
    }

    fn skipped(&mut self, path: &Path, reason: &'static str) {
        self.skip(path, reason.to_owned(), false);
    }

    fn unreadable(&mut self, path: &Path, error: io::Error) {
        if Limit::of(&error).is_some() {
            let error = PathError { action: "open", path: path.to_owned(), source: error };
            self.limit.get_or_insert(error);
            return;
        }
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            // It was in its folder's list a moment ago.
            Some(Errno::NOENT) => self.change(path, "vanished before it was read"),
            Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => {
                self.change(path, "became something else");
            }
            _ => self.skip(path, error.to_string(), true),
        }
    }
}

impl<'a> Archiver<'a> {
    pub(in crate::archive) fn new(
        options: &CreateOptions<'a>,
        sender: SegmentSender<'a>,
        matcher: Option<ParentMatcher<'a>>,
        cancel: &'a Cancel,
        on_event: &'a mut dyn FnMut(CreateEvent<'_>),
    ) -> Self {
        let is_named = options.reproducible.is_none();
        let names = if is_named { OwnerNames::read(options.root) } else { OwnerNames::default() };
        Self {
            sender,
            entries: EntryWriter::new(),
            matcher,
            group: Vec::new(),
            chunker: GroupChunker::default(),
            file_io: options.file_io,
            reproducible: options.reproducible,
            attributes: AttributeReader::new(options.reproducible.is_some()),
            names,
            reread_budget: RereadBudget::new(options.reread_budget),
            cancel,
            on_event,
            first_links: HashMap::new(),
            n_contents: 0,
            silent_changes: Vec::new(),
            stats: PackStats::default(),
            limit: None,
        }
    }

    fn check_limit(&mut self) -> Result<(), ProduceError> {
        self.limit.take().map_or(Ok(()), |error| Err(ArchiveError::from(error).into()))
    }

    /// Begins the archive: a segment of its own, so that the next one begins with the first entry.
    pub(in crate::archive) fn begin(&mut self, comment: Option<&str>) -> Result<(), ProduceError> {
        let raw = comment.map(tar_header::global_comment).unwrap_or_default();
        self.sender.send(Piece::New { raw, spans: Vec::new() })
    }

    /// Ends the archive.
    pub(in crate::archive) fn finish(mut self) -> Result<PackStats, ProduceError> {
        self.flush(None)?;
        self.check_limit()?;
        self.sender.send(Piece::New {
            raw: crate::archive::format::block::END.to_vec(),
            spans: Vec::new(),
        })?;
        self.sender.finish(self.entries, self.silent_changes)?;
        Ok(self.stats)
    }

    /// Returns what kind of entry it becomes; `None` when it was named as left out.
    fn kind(&mut self, found: &Found<'_>) -> Option<EntryKind> {
        let (major, minor) = found.meta.device;
        Some(match found.meta.kind {
            FileType::RegularFile => self.file_kind(found),
            FileType::Directory => EntryKind::Folder,
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Symlink => match readlinkat(found.folder, found.name, Vec::new()) {
                Ok(target) => {
                    EntryKind::Symlink { target: OsString::from_vec(target.into_bytes()).into() }
                }
                Err(error) => {
                    self.unreadable(found.path, error.into());
                    return None;
                }
            },
            FileType::Socket | FileType::Unknown => {
                self.skip(found.path, "it is of an unknown sort".to_owned(), true);
                return None;
            }
        })
    }

    /// Returns a hard link for a further name of a file, and remembers the first.
    fn file_kind(&mut self, found: &Found<'_>) -> EntryKind {
        let meta = &found.meta;
        if !meta.is_hard_linked {
            return EntryKind::File;
        }
        // The number of a deleted file may serve a new one.
        match self.first_links.get(&meta.id) {
            Some((target, first)) if first.is_same_file(meta) => {
                EntryKind::HardLink { target: target.clone() }
            }
            _ => {
                self.first_links.insert(meta.id, (found.path.to_owned(), meta.clone()));
                EntryKind::File
            }
        }
    }

    fn entry(&self, path: &Path, meta: &Meta, kind: EntryKind) -> Entry {
        let size = if kind == EntryKind::File { meta.size } else { 0 };
        let (mut uid, mut gid, mut mtime) = (meta.uid, meta.gid, meta.mtime);
        if let Some(Reproducible { latest_mtime }) = self.reproducible {
            (uid, gid) = (0, 0);
            let latest = latest_mtime.map(|seconds| Timestamp { seconds, nanoseconds: 0 });
            mtime = latest.map_or(mtime, |latest| mtime.min(latest));
        }
        let (path, xattrs) = (path.to_owned(), Vec::new());
        Entry {
            path,
            kind,
            mode: meta.mode,
            uid,
            gid,
            uname: self.names.user(uid),
            gname: self.names.group(gid),
            size,
            mtime,
            xattrs,
            extents: None,
            holes: Vec::new(),
        }
    }

    /// Sends the group on, with the headers of a large file at its end; returns that one's record,
    /// unless it could not be read.
    fn flush(&mut self, large: Option<PendingEntry>) -> Result<Option<Record>, ProduceError> {
        let mut group = std::mem::take(&mut self.group);
        self.chunker = GroupChunker::default();
        let has_large = large.is_some();
        group.extend(large);
        match self.old_segment(&group, has_large) {
            Some(n) => self.copy(group, n, has_large),
            None => self.read(group, has_large),
        }
    }

    /// Returns the segment of the parent archive that holds exactly this group, unchanged.
    fn old_segment(&self, group: &[PendingEntry], has_large: bool) -> Option<usize> {
        let matcher = self.matcher.as_ref()?;
        let first = group.first()?.old.as_ref()?;
        let last = group.last()?.old.as_ref()?;
        let is_row =
            |(pending, n): (&PendingEntry, u64)| pending.old.as_ref().is_some_and(|o| o.n == n);
        if !group.iter().zip(first.n..).all(is_row) || matcher.is_due(&group[0].entry.path) {
            return None;
        }
        matcher.segment(first.tar_offset, if has_large { last.content_at() } else { last.end() })
    }

    /// Copies a group; the record of a large file is not among the entries yet.
    fn copy(
        &mut self,
        group: Vec<PendingEntry>,
        n: usize,
        has_large: bool,
    ) -> Result<Option<Record>, ProduceError> {
        let mut hashes = Vec::new();
        let mut large = None;
        let n_small = group.len() - usize::from(has_large);
        for (i, old) in group.into_iter().filter_map(|pending| pending.old).enumerate() {
            if i == n_small {
                large = Some(old.record);
                break;
            }
            hashes.extend(old.hash.map(ContentHash::bytes));
            self.stats.n_reused += old.record.entry.size;
            self.advance(old.record.entry.size);
            self.push(&old.record)?;
        }
        self.n_contents += hashes.len() as u64;
        self.sender.send(Piece::Old { segments: n..n + 1, hashes })?;
        self.cancel.check()?;
        Ok(large)
    }

    /// Packs a file that is larger than a slice.
    fn pack_large_file(&mut self, mut pending: PendingEntry) -> Result<(), ProduceError> {
        if let Some((slices, hash)) = self.old_slices(&pending) {
            pending.entry.extents = pending.old.as_ref().and_then(|old| old.record.extents());
            let Some(record) = self.flush(Some(pending))? else { return Ok(()) };
            self.copy_content(&record, slices, hash)?;
            return self.push(&record);
        }
        let (file, meta) = match open(&pending) {
            Ok(opened) => opened,
            Err(error) => {
                self.name_unopened(&pending, &error);
                return Ok(());
            }
        };
        pending.entry = self.entry(&pending.entry.path, &meta, EntryKind::File);
        let data = data_ranges(file.as_fd(), meta.size);
        let extents = self.is_sparse(&pending.entry, &data).then(|| data.clone());
        let is_same = |old: &IndexEntry| {
            old.record.entry == pending.entry
                && old.record.extents() == extents
                && is_same_state(&old.record, Some(identity(&meta)))
        };
        pending.old = pending.old.filter(is_same);
        pending.entry.extents = extents;
        pending.meta = meta;
        pending.attributes = Some(self.attributes.of_open(file.as_fd(), pending.meta.id.0));
        let before = pending.meta.clone();
        let expected = pending.old.as_ref().and_then(|old| old.hash).map(ContentHash::bytes);
        let Some(mut record) = self.flush(Some(pending))? else { return Ok(()) };
        self.read_large(&mut record, &file, &before, data)?;
        self.sent(&record, expected);
        self.push(&record)
    }

    /// Returns whether the zeros of the holes of a file stay out of the tar.
    ///
    /// Small holes are stored as zeros, which every tar reads. So are those of a file whose name is not UTF-8,
    /// which a pax record cannot hold, and those of a reproducible archive, which must not depend on the
    /// file system.
    fn is_sparse(&self, entry: &Entry, data: &[Range<u64>]) -> bool {
        self.reproducible.is_none()
            && has_huge_holes(entry.size, data)
            && entry.path.to_str().is_some()
    }

    /// Returns the segments that hold exactly the content of an unchanged file, and its hash.
    fn old_slices(&self, pending: &PendingEntry) -> Option<(Range<usize>, Hash)> {
        let matcher = self.matcher.as_ref()?;
        let old = pending.old.as_ref().filter(|old| !matcher.is_due(&old.record.entry.path))?;
        Some((matcher.segments(old.content_at(), old.end())?, old.hash?.bytes()))
    }

    fn copy_content(
        &mut self,
        record: &Record,
        slices: Range<usize>,
        hash: Hash,
    ) -> Result<(), ProduceError> {
        let is_all_hole = slices.is_empty();
        self.sender.send(if is_all_hole {
            Piece::Hash(hash)
        } else {
            Piece::Old { segments: slices, hashes: vec![hash] }
        })?;
        self.cancel.check()?;
        self.n_contents += 1;
        self.stats.n_reused += record.entry.size;
        self.advance(record.entry.size);
        Ok(())
    }

    /// Counts a content that was read; if its file is what it was, so must be the content.
    fn sent(&mut self, record: &Record, expected: Option<Hash>) {
        if record.entry.size == 0 {
            return;
        }
        // Without an identity it changed while it was read, or was not all there.
        if let (Some(expected), Some(_)) = (expected, record.identity) {
            let path = record.entry.path.clone();
            self.silent_changes.push(SilentChange { n: self.n_contents, expected, path });
        }
        self.n_contents += 1;
    }

    /// Takes an entry into the index, and counts it.
    fn push(&mut self, record: &Record) -> Result<(), ProduceError> {
        self.entries.push(record)?;
        self.stats.n_entries += 1;
        self.stats.n_files += u64::from(record.entry.kind == EntryKind::File);
        (self.on_event)(CreateEvent::Packed(&record.entry.path));
        Ok(())
    }

    fn advance(&mut self, n: u64) {
        self.stats.n_bytes += n;
        (self.on_event)(CreateEvent::Bytes(self.stats.n_bytes));
    }

    fn skip(&mut self, path: &Path, reason: String, is_fault: bool) {
        self.stats.skip(Skipped { path: path.to_owned(), reason, is_fault }, self.on_event);
    }

    fn change(&mut self, path: &Path, reason: &str) {
        let changed = Skipped { path: path.to_owned(), reason: reason.to_owned(), is_fault: true };
        self.stats.change(changed, self.on_event);
    }
}
