//! Writes what a walk finds as tar entries.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FileType, Mode, OFlags, fstat, openat, readlinkat},
    io::Errno,
};

use super::{
    attributes::AttributeReader,
    create::{CreateEvent, CreateOptions, LeftOut, Reproducible},
    entry::{Entry, EntryKind, Timestamp},
    header::{self, padding},
    layer::FileLayer,
    meta::{FileId, Meta},
    pieces::{Pieces, SLICE},
    pipeline::Stop,
    walk::{Found, Visitor},
};
use crate::cancel::Cancel;

/// What was packed so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) n_bytes: u64,
    pub(super) n_entries: u64,
    pub(super) n_files: u64,
    pub(super) skipped: Vec<LeftOut>,
    pub(super) changed: Vec<LeftOut>,
}

impl Tally {
    pub(super) fn skip(&mut self, left_out: LeftOut, on_event: &mut dyn FnMut(CreateEvent<'_>)) {
        on_event(CreateEvent::LeftOut(&left_out));
        self.skipped.push(left_out);
    }
}

/// Writes entries into pieces.
pub(super) struct Pack<'a> {
    pieces: Pieces<'a>,
    layer: &'a dyn FileLayer,
    reproducible: Option<Reproducible>,
    attributes: AttributeReader,
    cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(CreateEvent<'_>),
    /// The first path of every file that has more names, and what it was like then.
    first_names: HashMap<FileId, (PathBuf, Meta)>,
    tally: Tally,
}

impl Visitor for Pack<'_> {
    type Stop = Stop;

    fn found(&mut self, found: &Found<'_>) -> Result<(), Stop> {
        let (major, minor) = found.meta.device;
        let kind = match found.meta.kind {
            FileType::RegularFile => return self.file(found),
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
                    return Ok(());
                }
            },
            FileType::Socket | FileType::Unknown => {
                self.left_out(found.path, "of an unknown sort");
                return Ok(());
            }
        };
        let attributes = match self.attributes.of_found(found) {
            Ok(attributes) => attributes,
            Err(error) => {
                self.unreadable(found.path, error.into());
                return Ok(());
            }
        };
        let mut entry = self.entry(found.path, &found.meta, kind);
        entry.mode = attributes.mode(entry.mode);
        entry.xattrs = attributes.xattrs;
        self.pieces.begin_small(&header::encode(&entry), 0)?;
        self.pieces.end_small(found.path, 0)?;
        self.count(&entry);
        self.name_faults(found.path, attributes.faults);
        Ok(())
    }

    fn left_out(&mut self, path: &Path, reason: &'static str) {
        self.skip(path, reason.to_owned(), false);
    }

    fn unreadable(&mut self, path: &Path, error: io::Error) {
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

impl<'a> Pack<'a> {
    pub(super) fn new(
        options: &CreateOptions<'a>,
        pieces: Pieces<'a>,
        cancel: &'a Cancel,
        on_event: &'a mut dyn FnMut(CreateEvent<'_>),
    ) -> Self {
        Self {
            pieces,
            layer: options.layer,
            reproducible: options.reproducible,
            attributes: AttributeReader::new(options.reproducible.is_some()),
            cancel,
            on_event,
            first_names: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Result<Tally, Stop> {
        self.pieces.push(&header::END);
        self.pieces.cut()?;
        Ok(self.tally)
    }

    fn file(&mut self, found: &Found<'_>) -> Result<(), Stop> {
        // NONBLOCK, lest a FIFO put in its place makes us wait for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(found.folder, found.name, flags | OFlags::NOCTTY, Mode::empty());
        let (file, meta) = match opened.and_then(|fd| fstat(&fd).map(|stat| (fd, stat))) {
            Ok((fd, stat)) => (File::from(fd), Meta::from(stat)),
            Err(error) => {
                self.unreadable(found.path, error.into());
                return Ok(());
            }
        };
        if meta.kind != FileType::RegularFile {
            self.change(found.path, "became something else");
            return Ok(());
        }
        if let Some(target) = self.first_name(&meta) {
            let entry = self.entry(found.path, &meta, EntryKind::HardLink { target });
            self.pieces.begin_small(&header::encode(&entry), 0)?;
            self.pieces.end_small(found.path, 0)?;
            self.count(&entry);
            return Ok(());
        }
        let mut entry = self.entry(found.path, &meta, EntryKind::File);
        let attributes = self.attributes.of_open(file.as_fd(), meta.id.0);
        entry.mode = attributes.mode(entry.mode);
        entry.xattrs = attributes.xattrs;
        if self.content(&entry, &file)? {
            if meta.has_more_names {
                self.first_names.insert(meta.id, (found.path.to_owned(), meta.clone()));
            }
            self.tally.n_files += 1;
            self.count(&entry);
            self.note_changes(&entry, &file, &meta);
            self.name_faults(found.path, attributes.faults);
        }
        Ok(())
    }

    /// Returns the first path of a file packed before: the number of a deleted one may serve a new file.
    fn first_name(&self, meta: &Meta) -> Option<PathBuf> {
        let (path, first) = self.first_names.get(&meta.id)?;
        first.is_same_file(meta).then(|| path.clone())
    }

    /// Writes header and content; returns whether the entry is in the archive.
    fn content(&mut self, entry: &Entry, file: &File) -> Result<bool, Stop> {
        let header = header::encode(entry);
        let mut reader = self.layer.input(&entry.path, file);
        match usize::try_from(entry.size) {
            Ok(size) if size <= SLICE => self.small(entry, &header, size, &mut *reader),
            _ => self.large(entry, &header, &mut *reader).map(|()| true),
        }
    }

    fn small(
        &mut self,
        entry: &Entry,
        header: &[u8],
        size: usize,
        reader: &mut dyn Read,
    ) -> Result<bool, Stop> {
        let mark = self.pieces.begin_small(header, size)?;
        match self.pieces.read(reader, size) {
            Ok(n) => {
                self.advance(n);
                self.after_content(entry, n as u64, reader);
                self.pieces.pad(size - n);
                self.pieces.end_small(&entry.path, size)?;
                Ok(true)
            }
            Err(error) => {
                self.pieces.take_back(&mark);
                self.skip(&entry.path, error.to_string(), true);
                Ok(false)
            }
        }
    }

    fn large(&mut self, entry: &Entry, header: &[u8], reader: &mut dyn Read) -> Result<(), Stop> {
        self.pieces.begin_large(header)?;
        let mut done = 0;
        let mut is_whole = true;
        while done < entry.size {
            self.cancel.check()?;
            let wanted = usize::try_from(entry.size - done).unwrap_or(SLICE).min(SLICE);
            let n = if is_whole { self.slice(entry, done, wanted, reader) } else { 0 };
            is_whole = n == wanted;
            self.pieces.pad(wanted - n);
            done += wanted as u64;
            if done == entry.size {
                self.pieces.pad(padding(entry.size));
            }
            self.pieces.cut()?;
        }
        if is_whole {
            self.after_content(entry, entry.size, reader);
        }
        Ok(())
    }

    /// Reads one slice of a large file; returns how much of it is there, and names the file if not all.
    fn slice(&mut self, entry: &Entry, done: u64, wanted: usize, reader: &mut dyn Read) -> usize {
        let mark = self.pieces.mark();
        match self.pieces.read(reader, wanted) {
            Ok(n) => {
                self.advance(n);
                if n < wanted {
                    self.after_content(entry, done + n as u64, reader);
                }
                n
            }
            Err(error) => {
                // How much came before the failure is not known: the slice is empty.
                self.pieces.take_back(&mark);
                let reason = format!("{error}; from byte {done} on it holds zeros");
                self.skip(&entry.path, reason, true);
                0
            }
        }
    }

    /// Names a file that gave fewer or more bytes than its size promised.
    fn after_content(&mut self, entry: &Entry, n_read: u64, reader: &mut dyn Read) {
        if n_read < entry.size {
            self.change(&entry.path, "shrank while being read; the rest is zeros");
        } else if matches!(reader.read(&mut [0]), Ok(1)) {
            self.change(&entry.path, "grew while being read; cut at its first size");
        }
    }

    /// Names a file that was written to meanwhile without changing its size.
    fn note_changes(&mut self, entry: &Entry, file: &File, before: &Meta) {
        let is_named = |list: &[LeftOut]| list.last().is_some_and(|last| last.path == entry.path);
        if is_named(&self.tally.changed) || is_named(&self.tally.skipped) {
            return;
        }
        // Not the ctime: a new hard link elsewhere changes it as well.
        if let Ok(after) = fstat(file).map(Meta::from)
            && (after.mtime != before.mtime || after.size != before.size)
        {
            self.change(&entry.path, "was written to while being read");
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
        Entry { path, kind, mode: meta.mode, uid, gid, size, mtime, xattrs, extents: None }
    }

    /// Names attributes that are not in the archive.
    fn name_faults(&mut self, path: &Path, faults: Vec<String>) {
        for fault in faults {
            self.skip(path, fault, true);
        }
    }

    fn count(&mut self, entry: &Entry) {
        self.tally.n_entries += 1;
        (self.on_event)(CreateEvent::Packed(&entry.path));
    }

    fn advance(&mut self, n: usize) {
        self.tally.n_bytes += n as u64;
        (self.on_event)(CreateEvent::Bytes(self.tally.n_bytes));
    }

    fn skip(&mut self, path: &Path, reason: String, is_fault: bool) {
        self.tally.skip(LeftOut { path: path.to_owned(), reason, is_fault }, self.on_event);
    }

    fn change(&mut self, path: &Path, reason: &str) {
        let changed = LeftOut { path: path.to_owned(), reason: reason.to_owned(), is_fault: true };
        (self.on_event)(CreateEvent::LeftOut(&changed));
        self.tally.changed.push(changed);
    }
}
