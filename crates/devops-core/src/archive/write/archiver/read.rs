//! Reads entries into pieces.

use std::{os::fd::AsFd, path::Path};

use super::super::pipeline::{Piece, ProduceError};
use super::{
    Archiver,
    open_file::OpenError,
    pending_entry::{PendingEntry, identity},
    segment_buffer::{SegmentBuffer, length},
};
use crate::archive::{
    format::{
        content_hash::{Part, Span},
        entry::{Entry, EntryKind},
        holes::gaps,
        index::Record,
        stat::Meta,
        tar_header, xattr,
    },
    scan::{attributes::Attributes, walk::Visitor},
};

/// Returns a piece with `n` zeros of content and `after` behind it.
pub(super) fn zeros(n: u64, part: Part, after: u64) -> Piece {
    let spans = vec![Span { range: 0..length(n), part }];
    Piece::Zeros { n: length(n + after), spans }
}

impl Archiver<'_> {
    /// Reads a group and sends it on; returns the record of the large file at its end.
    pub(super) fn read(
        &mut self,
        group: Vec<PendingEntry>,
        has_large: bool,
    ) -> Result<Option<Record>, ProduceError> {
        let mut building = SegmentBuffer::default();
        let mut large = None;
        let n_small = group.len() - usize::from(has_large);
        for (i, pending) in group.into_iter().enumerate() {
            self.cancel.check()?;
            if i == n_small {
                large = self.with_attributes(pending, &mut building);
            } else if let Some(record) = self.pending(pending, &mut building)? {
                self.push(&record)?;
            }
        }
        if !building.raw.is_empty() {
            self.sender.send(Piece::New { raw: building.raw, spans: building.spans })?;
        }
        Ok(large)
    }

    /// Appends an entry; returns its record, or `None` when it was named as left out.
    fn pending(
        &mut self,
        pending: PendingEntry,
        piece: &mut SegmentBuffer,
    ) -> Result<Option<Record>, ProduceError> {
        Ok(match &pending.entry.kind {
            EntryKind::File => self.pack_small_file(&pending, piece)?,
            // The first name may have turned out unreadable since.
            EntryKind::HardLink { target } if !self.first_links.contains_key(&pending.meta.id) => {
                let reason = format!("its first name `{}` could not be read", target.display());
                self.skip(&pending.entry.path, reason, true);
                None
            }
            EntryKind::HardLink { .. } => {
                Some(self.headers(pending.entry, &pending.meta, Attributes::default(), piece))
            }
            _ => self.with_attributes(pending, piece),
        })
    }

    /// Appends the headers of an entry whose attributes may not have been read yet.
    fn with_attributes(
        &mut self,
        pending: PendingEntry,
        piece: &mut SegmentBuffer,
    ) -> Option<Record> {
        let attributes = match pending.attributes {
            Some(attributes) => Ok(attributes),
            None => self.attributes.of_named(pending.folder.as_fd(), &pending.name, &pending.meta),
        };
        match attributes {
            Ok(attributes) => Some(self.headers(pending.entry, &pending.meta, attributes, piece)),
            Err(error) => {
                Visitor::unreadable(self, &pending.entry.path, error.into());
                None
            }
        }
    }

    /// Appends the headers of an entry, and names what is missing of its attributes; returns its record.
    fn headers(
        &mut self,
        entry: Entry,
        meta: &Meta,
        attributes: Attributes,
        piece: &mut SegmentBuffer,
    ) -> Record {
        let (record, faults) = self.encode(entry, meta, attributes, piece);
        self.name_faults(&record.entry.path, faults);
        record
    }

    pub(super) fn name_faults(&mut self, path: &Path, faults: Vec<String>) {
        for fault in faults {
            self.skip(path, fault, true);
        }
    }

    /// Appends the headers of an entry; returns its record, and what is missing of its attributes.
    pub(super) fn encode(
        &self,
        mut entry: Entry,
        meta: &Meta,
        attributes: Attributes,
        piece: &mut SegmentBuffer,
    ) -> (Record, Vec<String>) {
        entry.mode = attributes.mode(entry.mode);
        entry.xattrs = attributes.xattrs;
        let header = tar_header::encode(&entry);
        piece.raw.extend_from_slice(&header);
        let is_told = self.reproducible.is_none() && attributes.faults.is_empty();
        let extents = entry.extents.take();
        let record = Record {
            n_header: header.len() as u64,
            // A reproducible archive says nothing of where and when its files were, and what could not be
            // read now is tried again by the next run.
            identity: is_told.then(|| identity(meta)),
            holes: extents.as_ref().map_or_else(Vec::new, |extents| gaps(extents, entry.size)),
            is_sparse: extents.is_some(),
            attributes: xattr::digest(&entry.xattrs).unwrap_or(xattr::NO_ATTRIBUTES),
            entry,
        };
        (record, attributes.faults)
    }

    /// Names a file that could not be opened, or is none any more.
    pub(super) fn name_unopened(&mut self, pending: &PendingEntry, error: &OpenError) {
        self.first_links.remove(&pending.meta.id);
        match error {
            OpenError::Replaced => self.change(&pending.entry.path, "became something else"),
            OpenError::Failed(error) => {
                Visitor::unreadable(self, &pending.entry.path, (*error).into());
            }
        }
    }
}
