//! Reads entries into pieces.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    path::Path,
};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::{Member, Pack, identity};
use crate::archive::{
    attributes::Attributes,
    content::{Part, Span},
    entry::{Entry, EntryKind},
    group::SLICE,
    header::{self, padding},
    index::Record,
    meta::Meta,
    pipeline::{Piece, Stop},
    walk::Visitor,
};

/// A piece being put together.
#[derive(Default)]
struct Building {
    raw: Vec<u8>,
    spans: Vec<Span>,
}

impl Building {
    /// Appends up to `n` bytes; none after an error.
    fn read(&mut self, reader: &mut dyn Read, n: u64) -> io::Result<u64> {
        let mark = self.raw.len();
        self.raw.reserve(usize::try_from(n).unwrap_or(0));
        let read = reader.take(n).read_to_end(&mut self.raw);
        if read.is_err() {
            self.raw.truncate(mark);
        }
        read.map(|n| n as u64)
    }

    fn pad(&mut self, n: u64) {
        let n = usize::try_from(n).expect("never more than a slice");
        self.raw.resize(self.raw.len() + n, 0);
    }

    /// Marks everything from `start` on as content.
    fn mark_content(&mut self, start: usize, part: Part) {
        self.spans.push(Span { range: start..self.raw.len(), part });
    }
}

impl Pack<'_> {
    /// Reads a group and sends it on; returns the record of the large file at its end.
    pub(super) fn read(
        &mut self,
        group: Vec<Member>,
        has_large: bool,
    ) -> Result<Option<Record>, Stop> {
        let mut building = Building::default();
        let mut large = None;
        let n_small = group.len() - usize::from(has_large);
        for (i, member) in group.into_iter().enumerate() {
            self.cancel.check()?;
            if i == n_small {
                large = self.with_attributes(member, &mut building);
            } else if let Some(record) = self.member(member, &mut building) {
                self.push(&record)?;
            }
        }
        if !building.raw.is_empty() {
            self.feed.send(Piece::New { raw: building.raw, spans: building.spans })?;
        }
        Ok(large)
    }

    /// Appends an entry; returns its record, or `None` when it was named as left out.
    fn member(&mut self, member: Member, piece: &mut Building) -> Option<Record> {
        match &member.entry.kind {
            EntryKind::File => self.small(member, piece),
            // The first name may have turned out unreadable since.
            EntryKind::HardLink { target } if !self.first_names.contains_key(&member.meta.id) => {
                let reason = format!("its first name `{}` could not be read", target.display());
                self.skip(&member.entry.path, reason, true);
                None
            }
            EntryKind::HardLink { .. } => {
                Some(self.headers(member.entry, &member.meta, Attributes::default(), piece))
            }
            _ => self.with_attributes(member, piece),
        }
    }

    /// Appends the headers of an entry whose attributes may not have been read yet.
    fn with_attributes(&mut self, member: Member, piece: &mut Building) -> Option<Record> {
        let attributes = match member.attributes {
            Some(attributes) => Ok(attributes),
            None => self.attributes.of_named(member.folder.as_fd(), &member.name, &member.meta),
        };
        match attributes {
            Ok(attributes) => Some(self.headers(member.entry, &member.meta, attributes, piece)),
            Err(error) => {
                Visitor::unreadable(self, &member.entry.path, error.into());
                None
            }
        }
    }

    /// Appends the headers of an entry; returns its record.
    fn headers(
        &mut self,
        mut entry: Entry,
        meta: &Meta,
        attributes: Attributes,
        piece: &mut Building,
    ) -> Record {
        // A reproducible archive says nothing of where and when its files were, and what could not be
        // read now is tried again.
        let is_told = self.reproducible.is_none() && attributes.faults.is_empty();
        for fault in attributes.faults {
            self.skip(&entry.path, fault, true);
        }
        entry.xattrs = attributes.xattrs;
        let header = header::encode(&entry);
        piece.raw.extend_from_slice(&header);
        let n_header = header.len() as u64;
        Record { entry, n_header, identity: is_told.then(|| identity(meta)), holes: Vec::new() }
    }

    /// Opens a file that was found; `None` when it was named as left out.
    pub(super) fn open(&mut self, member: &Member) -> Option<(File, Meta)> {
        let path = &member.entry.path;
        // NONBLOCK, lest a FIFO put in its place makes us wait for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&member.folder, &member.name, flags | OFlags::NOCTTY, Mode::empty());
        match opened.and_then(|fd| fstat(&fd).map(|stat| (fd, Meta::from(stat)))) {
            Ok((fd, meta)) if meta.kind == FileType::RegularFile => {
                return Some((File::from(fd), meta));
            }
            Ok(_) => self.change(path, "became something else"),
            Err(error) => Visitor::unreadable(self, path, error.into()),
        }
        self.first_names.remove(&member.meta.id);
        None
    }

    fn small(&mut self, member: Member, piece: &mut Building) -> Option<Record> {
        let (file, mut meta) = self.open(&member)?;
        // One that has just become large is cut: its segment is small.
        meta.size = meta.size.min(SLICE.max(member.entry.size));
        let entry = self.entry(&member.entry.path, &meta, EntryKind::File);
        let mark = (piece.raw.len(), piece.spans.len());
        let attributes = self.attributes.of_open(file.as_fd(), meta.id.0);
        let mut record = self.headers(entry, &meta, attributes, piece);
        let (entry, start) = (&record.entry, piece.raw.len());
        let mut reader = self.layer.input(&entry.path, &file);
        let n = match piece.read(&mut *reader, entry.size) {
            Ok(n) => n,
            Err(error) => {
                piece.raw.truncate(mark.0);
                piece.spans.truncate(mark.1);
                self.first_names.remove(&meta.id);
                self.skip(&entry.path, error.to_string(), true);
                return None;
            }
        };
        self.advance(n);
        let is_whole = self.after_content(entry, n, &mut *reader);
        piece.pad(entry.size - n);
        if entry.size > 0 {
            piece.mark_content(start, Part::Whole);
        }
        piece.pad(padding(entry.size) as u64);
        let is_same = !is_whole || self.note_changes(&entry.path, &file, &meta);
        record.identity = record.identity.filter(|_| is_whole && is_same);
        Some(record)
    }

    /// Reads the content of a large file, slice by slice; returns whether it was all there.
    pub(super) fn read_content(&mut self, entry: &Entry, file: &File) -> Result<bool, Stop> {
        let mut reader = self.layer.input(&entry.path, file);
        let mut done = 0;
        let mut is_whole = true;
        while done < entry.size {
            self.cancel.check()?;
            let wanted = SLICE.min(entry.size - done);
            let mut piece = Building::default();
            let n = if is_whole {
                self.slice((entry, done), wanted, &mut *reader, &mut piece)
            } else {
                0
            };
            is_whole = n == wanted;
            piece.pad(wanted - n);
            let is_last = done + wanted == entry.size;
            let is_only = is_last && done == 0;
            let part = if is_only { Part::Whole } else { Part::Slice { at: done, is_last } };
            piece.mark_content(0, part);
            done += wanted;
            if is_last {
                piece.pad(padding(entry.size) as u64);
            }
            self.feed.send(Piece::New { raw: piece.raw, spans: piece.spans })?;
        }
        Ok(is_whole && self.after_content(entry, entry.size, &mut *reader))
    }

    /// Reads one slice of a large file; returns how much of it is there, and names the file if not all.
    fn slice(
        &mut self,
        (entry, done): (&Entry, u64),
        wanted: u64,
        reader: &mut dyn Read,
        piece: &mut Building,
    ) -> u64 {
        match piece.read(reader, wanted) {
            Ok(n) => {
                self.advance(n);
                if n < wanted {
                    self.after_content(entry, done + n, reader);
                }
                n
            }
            Err(error) => {
                // How much came before the failure is not known: the slice is empty.
                let reason = format!("{error}; from byte {done} on it holds zeros");
                self.skip(&entry.path, reason, true);
                0
            }
        }
    }

    /// Names a file that gave fewer or more bytes than its size promised; returns whether it did not.
    fn after_content(&mut self, entry: &Entry, n_read: u64, reader: &mut dyn Read) -> bool {
        if n_read < entry.size {
            self.change(&entry.path, "shrank while being read; the rest is zeros");
        } else if matches!(reader.read(&mut [0]), Ok(1)) {
            self.change(&entry.path, "grew while being read; cut at its first size");
        } else {
            return true;
        }
        false
    }

    /// Names a file that was written to meanwhile without changing its size; returns whether it is
    /// still the same in every respect.
    pub(super) fn note_changes(&mut self, path: &Path, file: &File, before: &Meta) -> bool {
        let Ok(after) = fstat(file).map(Meta::from) else { return false };
        // A hard link made elsewhere changes the ctime only, and no content.
        if after.mtime != before.mtime || after.size != before.size {
            self.change(path, "was written to while being read");
        }
        identity(&after) == identity(before) && after.mtime == before.mtime
    }
}
