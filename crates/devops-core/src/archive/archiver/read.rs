//! Reads entries into pieces.

use std::{os::fd::AsFd, path::Path};

use super::{
    Archiver,
    building::{Building, length},
    member::{Member, identity},
    open_file::Unopened,
};
use crate::archive::{
    attributes::Attributes,
    content::{Part, Span},
    entry::{Entry, EntryKind},
    header,
    holes::gaps,
    index::Record,
    meta::Meta,
    pipeline::{Piece, ProduceError},
    walk::Visitor,
    xattr,
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
        group: Vec<Member>,
        has_large: bool,
    ) -> Result<Option<Record>, ProduceError> {
        let mut building = Building::default();
        let mut large = None;
        let n_small = group.len() - usize::from(has_large);
        for (i, member) in group.into_iter().enumerate() {
            self.cancel.check()?;
            if i == n_small {
                large = self.with_attributes(member, &mut building);
            } else if let Some(record) = self.member(member, &mut building)? {
                self.push(&record)?;
            }
        }
        if !building.raw.is_empty() {
            self.sender.send(Piece::New { raw: building.raw, spans: building.spans })?;
        }
        Ok(large)
    }

    /// Appends an entry; returns its record, or `None` when it was named as left out.
    fn member(
        &mut self,
        member: Member,
        piece: &mut Building,
    ) -> Result<Option<Record>, ProduceError> {
        Ok(match &member.entry.kind {
            EntryKind::File => self.small(&member, piece)?,
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
        })
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

    /// Appends the headers of an entry, and names what is missing of its attributes; returns its record.
    fn headers(
        &mut self,
        entry: Entry,
        meta: &Meta,
        attributes: Attributes,
        piece: &mut Building,
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
        piece: &mut Building,
    ) -> (Record, Vec<String>) {
        entry.mode = attributes.mode(entry.mode);
        entry.xattrs = attributes.xattrs;
        let header = header::encode(&entry);
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
    pub(super) fn name_unopened(&mut self, member: &Member, error: &Unopened) {
        self.first_names.remove(&member.meta.id);
        match error {
            Unopened::Replaced => self.change(&member.entry.path, "became something else"),
            Unopened::Failed(error) => {
                Visitor::unreadable(self, &member.entry.path, (*error).into());
            }
        }
    }
}
