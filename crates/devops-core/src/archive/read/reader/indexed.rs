//! An archive with its index: its segments, decoded one by one, and the entries that must be in them.

use std::{io, sync::Arc};

use libdeflater::Decompressor;

use super::entries::Entries;
use crate::{
    archive::format::{
        archive_file::ArchiveFile,
        compress::Checksum,
        entry::Entry,
        index::{Index, IndexCursor, IndexEntry, Segment},
        verify_deflate,
        xattr::NO_ATTRIBUTES,
    },
    archive_index::{
        Origin,
        head::{MEMBER_END, MEMBER_HEADER},
    },
};

/// An archive with its index.
pub(in crate::archive) struct IndexedArchive {
    pub(in crate::archive) stored: ArchiveFile,
    pub(in crate::archive) index: Index,
}

impl IndexedArchive {
    /// Takes an archive, if it has an index that can be believed.
    pub(in crate::archive) fn open(stored: &ArchiveFile) -> Option<Self> {
        Some(Self { index: Index::read(stored)?, stored: stored.clone() })
    }

    /// Returns where the archive came from: the first segment says it.
    pub(in crate::archive) fn origin(&self) -> io::Result<Option<Origin>> {
        let first =
            if self.index.segments.is_empty() { Vec::new() } else { self.decode(0, false)? };
        let mut entries = Entries::new(first.as_slice());
        // There is none in it, but the global header is taken on the way.
        let _none = entries.next_entry();
        Ok(entries.origin().cloned())
    }

    /// Decodes a segment, and demands that it is what was written.
    ///
    /// Thoroughly, that is also down to every bit of the compressed form.
    pub(in crate::archive) fn decode(&self, n: usize, is_thorough: bool) -> io::Result<Vec<u8>> {
        let segment = &self.index.segments[n];
        let packed = self.packed(segment)?;
        let mut raw = vec![0; length(segment.uncompressed_len)?];
        let decoded = Decompressor::new().deflate_decompress(&packed, &mut raw);
        let is_whole =
            decoded == Ok(raw.len()) && *blake3::hash(&raw).as_bytes() == segment.raw_hash;
        if is_whole && (!is_thorough || is_exact(segment, &packed, &raw)) {
            return Ok(raw);
        }
        Err(damaged("a segment does not hold what was written"))
    }

    /// Reads the bytes of a segment, with a final block behind them.
    fn packed(&self, segment: &Segment) -> io::Result<Vec<u8>> {
        let mut packed = self.stored.bytes(segment.at, length(segment.compressed_len)?, 2)?;
        packed.extend([3, 0]);
        Ok(packed)
    }

    /// Compares the header and trailer of the member, which other readers look at.
    pub(in crate::archive) fn check_member(&self) -> io::Result<()> {
        let mut checksum = Checksum::default();
        for segment in &self.index.segments {
            checksum.append(segment.crc, segment.uncompressed_len);
        }
        let (mut header, mut end) = ([0; MEMBER_HEADER.len()], [0; MEMBER_END]);
        self.stored.read_exact_at(&mut header, 0)?;
        self.stored.read_exact_at(&mut end, self.index.n_member - MEMBER_END as u64)?;
        if header == MEMBER_HEADER && end == checksum.member_end() {
            return Ok(());
        }
        Err(damaged("the checksum of the whole is wrong"))
    }
}

/// Compares what the hash of the tar bytes leaves open: the compressed bytes themselves, the checksum
/// other readers compute, and whether they would read the segment to its end.
fn is_exact(segment: &Segment, packed: &[u8], raw: &[u8]) -> bool {
    let bytes = &packed[..packed.len() - 2];
    *blake3::hash(bytes).as_bytes() == segment.packed_hash
        && crc32fast::hash(raw) == segment.crc
        && verify_deflate::verify_stream(packed, raw).is_ok()
}

fn length(n: u64) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| damaged("a segment is too large"))
}

pub(super) fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Compares an entry of the tar with what the index says there; it gets its holes from there, unless it
/// tells them itself.
pub(in crate::archive) fn agrees(entry: &mut Entry, indexed: IndexEntry) -> bool {
    let has_extents = entry.extents == indexed.record.extents();
    if !indexed.record.is_sparse {
        entry.holes = indexed.record.holes;
    }
    let other = indexed.record.entry;
    let facts = |entry: &Entry| (entry.mode, entry.uid, entry.gid, entry.size, entry.mtime);
    let is_same_owner = (&entry.uname, &entry.gname) == (&other.uname, &other.gname);
    let is_same_kind = entry.path == other.path && entry.kind == other.kind;
    has_extents && is_same_kind && is_same_owner && facts(entry) == facts(&other)
}

/// Walks the entries of an index, all or some.
pub(in crate::archive) struct Expected {
    indexed: Arc<IndexedArchive>,
    place: IndexCursor,
    /// The numbers of those that are read; `None` for all.
    some: Option<std::vec::IntoIter<u64>>,
}

impl Expected {
    /// Begins before the first entry; of `some` numbers only those come, which are in order.
    pub(in crate::archive) fn new(indexed: Arc<IndexedArchive>, some: Option<Vec<u64>>) -> Self {
        let place = indexed.index.start();
        Self { indexed, place, some: some.map(Vec::into_iter) }
    }

    /// Returns whether all entries come.
    pub(in crate::archive) fn is_whole(&self) -> bool {
        self.some.is_none()
    }

    /// Returns the archive.
    pub(in crate::archive) fn stored(&self) -> &ArchiveFile {
        &self.indexed.stored
    }

    /// Returns whether the index says all of an entry that its headers say.
    pub(in crate::archive) fn knows_headers(&self, entry: &IndexEntry) -> bool {
        self.indexed.index.has_attributes && entry.record.attributes == NO_ATTRIBUTES
    }

    /// Returns the next entry.
    pub(in crate::archive) fn next(&mut self) -> Option<IndexEntry> {
        let wanted = match &mut self.some {
            Some(some) => Some(some.next()?),
            None => None,
        };
        loop {
            let next = self.indexed.index.next(&mut self.place)?;
            if wanted.is_none_or(|n| n == next.n) {
                return Some(next);
            }
        }
    }
}
