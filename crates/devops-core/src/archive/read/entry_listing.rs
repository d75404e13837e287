//! The entries of an archive without their contents: out of its index, or by reading all of it.

use super::{
    cat::Content,
    reader::IndexedArchive,
    salvage::{Found, Salvage},
};
use crate::archive::{
    ArchiveError,
    format::{
        archive_file::{Archive, ArchiveFile},
        content_hash::{ContentHash, between_holes, has_huge_holes},
        entry::{Entry, EntryKind},
        index::IndexCursor,
        xattr::{self, Digest},
    },
};
use crate::{archive_index::Origin, cancel::Cancel};

/// The entries of an archive.
pub(in crate::archive) struct EntryListing {
    source: Source,
    /// Is set if contents without a hash in an index are read for it.
    is_hashed: bool,
}

enum Source {
    Index { indexed: Box<IndexedArchive>, place: IndexCursor },
    Stream { reader: Box<Salvage>, first: Option<Entry> },
}

/// An entry of a catalog.
pub(in crate::archive) struct ListedEntry {
    pub(in crate::archive) entry: Entry,
    /// The hash of its content, if it has some: out of the index, or computed where that was asked.
    pub(in crate::archive) hash: Option<ContentHash>,
    /// The digest of its attributes; `None` if the archive does not say it, or cannot.
    pub(in crate::archive) attributes: Option<Digest>,
}

impl EntryListing {
    pub(in crate::archive) fn open(
        archive: Archive<'_>,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let stored = ArchiveFile::open_tolerant(archive)?;
        if let Some(indexed) = IndexedArchive::open(&stored) {
            let place = indexed.index.start();
            let source = Source::Index { indexed: Box::new(indexed), place };
            return Ok(Self { source, is_hashed: false });
        }
        let mut reader = Box::new(Salvage::open(archive, None, cancel)?);
        let first = next_entry(&mut reader)?;
        Ok(Self { source: Source::Stream { reader, first }, is_hashed: false })
    }

    /// Opens an archive of which the hashes of all contents are needed.
    pub(in crate::archive) fn open_hashed(
        archive: Archive<'_>,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        Ok(Self { is_hashed: true, ..Self::open(archive, cancel)? })
    }

    /// Returns whether its index says that owners and times were left out.
    pub(in crate::archive) fn is_reproducible(&self) -> bool {
        match &self.source {
            Source::Index { indexed, .. } => indexed.index.build_params.is_reproducible,
            Source::Stream { .. } => false,
        }
    }

    /// Returns where the archive came from, where it says so.
    ///
    /// With an index that is read from the beginning of the tar, which may be damaged.
    pub(in crate::archive) fn origin(&self) -> std::io::Result<Option<Origin>> {
        match &self.source {
            Source::Index { indexed, .. } => indexed.origin(),
            Source::Stream { reader, .. } => Ok(reader.origin().cloned()),
        }
    }

    /// Returns the next entry, past damage; at the end [`ArchiveError::Damaged`] if there was any.
    pub(in crate::archive) fn next(&mut self) -> Result<Option<ListedEntry>, ArchiveError> {
        match &mut self.source {
            Source::Index { indexed, place } => {
                let is_told = indexed.index.has_attributes;
                Ok(indexed.index.next(place).map(|next| ListedEntry {
                    attributes: is_told.then_some(next.record.attributes),
                    entry: next.record.entry,
                    hash: next.hash,
                }))
            }
            Source::Stream { reader, first } => {
                let entry = match first.take() {
                    Some(first) => Some(first),
                    None => next_entry(reader)?,
                };
                let Some(entry) = entry else {
                    return reader.take_damage().map_or(Ok(None), Err);
                };
                let has_content = entry.kind == EntryKind::File && entry.size > 0;
                let hash =
                    if self.is_hashed && has_content { Some(hash(&entry, reader)?) } else { None };
                // Many a tar holds no attributes of any entry, which says nothing of this one.
                let is_told = reader.origin().is_some() || !entry.xattrs.is_empty();
                let attributes = xattr::digest(&entry.xattrs).filter(|_| is_told);
                Ok(Some(ListedEntry { entry, hash, attributes }))
            }
        }
    }

    /// Returns what is odd about the archive and no damage, once all entries came.
    pub(in crate::archive) fn notes(&self) -> &[&'static str] {
        match &self.source {
            Source::Index { .. } => &[],
            Source::Stream { reader, .. } => reader.notes(),
        }
    }
}

/// Returns the next entry that is not lost.
pub(in crate::archive) fn next_entry(reader: &mut Salvage) -> Result<Option<Entry>, ArchiveError> {
    loop {
        match reader.next()? {
            Some(Found::Entry(entry)) => return Ok(Some(entry)),
            Some(Found::Lost(_)) => {}
            None => return Ok(None),
        }
    }
}

/// Returns the hash of the content of the current entry.
pub(in crate::archive) fn hash(
    entry: &Entry,
    reader: &mut Salvage,
) -> Result<ContentHash, ArchiveError> {
    if let Some(extents) = &entry.extents
        && has_huge_holes(entry.size, extents)
    {
        return between_holes(entry.size, extents, |_, buffer| reader.read_content(buffer));
    }
    let mut content = Content::new(entry, reader);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match content.next(&mut buffer)? {
            0 => return Ok(ContentHash::Whole(*hasher.finalize().as_bytes())),
            n => hasher.update(&buffer[..n]),
        };
    }
}
