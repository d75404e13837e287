//! Reads files of up to a slice, again while they change.

use std::{io, os::fd::AsFd, time::Duration};

use super::super::{chunker::SLICE, pipeline::ProduceError};
use super::{
    Archiver,
    open_file::{OpenError, after_content, changes, open},
    pending_entry::{PendingEntry, is_same_state},
    segment_buffer::SegmentBuffer,
};
use crate::archive::{
    format::{
        block::padding,
        content_hash::{ContentHash, Part},
        entry::EntryKind,
        holes::{data_ranges, gaps},
        index::{Hash, Record},
    },
    scan::changed_file_retry::{ReadState, RealTime, RereadBudget},
};

/// The result of one read of a file.
enum ReadAttempt {
    OpenError(OpenError),
    Unreadable(io::Error),
    Read(Box<Read>),
}

impl ReadAttempt {
    fn is_changed(&self) -> bool {
        matches!(self, Self::Read(read) if read.change.is_some())
    }

    /// Returns the size of a file whose content did not fit it.
    fn unfit_size(&self) -> Option<u64> {
        let Self::Read(read) = self else { return None };
        read.is_unfit.then_some(read.record.entry.size)
    }
}

/// A file that was read.
struct Read {
    record: Record,
    n: u64,
    /// The attributes that could not be read.
    faults: Vec<String>,
    /// The change while it was read.
    change: Option<&'static str>,
    /// Is set if it gave fewer or more bytes than its size promised.
    is_unfit: bool,
}

impl Archiver<'_> {
    /// Appends a file; returns its record, or `None` when it was named as left out.
    pub(super) fn pack_small_file(
        &mut self,
        pending: &PendingEntry,
        piece: &mut SegmentBuffer,
    ) -> Result<Option<Record>, ProduceError> {
        let mark = piece.checkpoint();
        let time = RealTime::new(self.cancel);
        let mut reread_budget =
            std::mem::replace(&mut self.reread_budget, RereadBudget::new(Duration::ZERO));
        let mut may_be_unfit = !reread_budget.is_over();
        let reading = reread_budget.read(&time, || {
            piece.rollback(&mark);
            let mut once = self.once(pending, piece);
            // A size of /proc or /sys fits no content, and no pause makes it fit. That of a file that was
            // cut or grew is another when it is opened again.
            if let Some(size) = once.unfit_size().filter(|_| std::mem::take(&mut may_be_unfit)) {
                piece.rollback(&mark);
                once = self.once(pending, piece);
                if once.unfit_size() == Some(size) {
                    return Ok(ReadState::Stable(once));
                }
            }
            let is_changed = once.is_changed();
            Ok::<_, ProduceError>(if is_changed {
                ReadState::Changed(once)
            } else {
                ReadState::Stable(once)
            })
        });
        self.reread_budget = reread_budget;
        let (ReadState::Stable(once) | ReadState::Changed(once)) = reading?;
        let path = &pending.entry.path;
        Ok(match once {
            ReadAttempt::OpenError(error) => {
                self.name_unopened(pending, &error);
                None
            }
            ReadAttempt::Unreadable(error) => {
                piece.rollback(&mark);
                self.first_links.remove(&pending.meta.id);
                self.skip(path, error.to_string(), true);
                None
            }
            ReadAttempt::Read(read) => {
                let Read { record, n, faults, change, .. } = *read;
                self.advance(n);
                self.name_faults(path, faults);
                if let Some(reason) = change {
                    self.change(path, reason);
                }
                self.sent(&record, expected(pending, &record));
                Some(record)
            }
        })
    }

    fn once(&self, pending: &PendingEntry, piece: &mut SegmentBuffer) -> ReadAttempt {
        let (file, mut meta) = match open(pending) {
            Ok(opened) => opened,
            Err(error) => return ReadAttempt::OpenError(error),
        };
        // One that has just become large is cut: its segment is small.
        meta.size = meta.size.min(SLICE.max(pending.entry.size));
        let entry = self.entry(&pending.entry.path, &meta, EntryKind::File);
        let attributes = self.attributes.of_open(file.as_fd(), meta.id.0);
        let (mut record, faults) = self.encode(entry, &meta, attributes, piece);
        let (entry, start) = (&record.entry, piece.raw.len());
        let data = data_ranges(file.as_fd(), entry.size);
        let mut reader = self.file_io.input(&entry.path, &file);
        let n = match piece.read(&mut *reader, entry.size) {
            Ok(n) => n,
            Err(error) => return ReadAttempt::Unreadable(error),
        };
        let cut = after_content(entry, n, &mut *reader);
        piece.pad(entry.size - n);
        if entry.size > 0 {
            piece.mark_content(start, Part::Whole);
        }
        piece.pad(padding(entry.size) as u64);
        let (is_same, written) = changes(&file, &meta);
        let (change, is_unfit) = (cut.or(written), cut.is_some());
        record.holes = gaps(&data, entry.size);
        record.identity = record.identity.filter(|_| is_same && change.is_none());
        ReadAttempt::Read(Box::new(Read { record, n, faults, change, is_unfit }))
    }
}

/// Returns the hash the content has if it is still what the parent archive holds.
fn expected(pending: &PendingEntry, record: &Record) -> Option<Hash> {
    let old = pending.old.as_ref()?;
    let is_same = is_same_state(&old.record, record.identity)
        && (old.record.entry.size, old.record.entry.mtime)
            == (record.entry.size, record.entry.mtime);
    old.hash.filter(|_| is_same).map(ContentHash::bytes)
}
