//! An archive that has what a damaged one has lost.
//!
//! An entry whose path, kind, size, mode, owner, time and content hash are the same in both has the same bytes
//! in the tar. Of one that was renamed or touched since, the content has: its header follows from the index
//! of the damaged archive, unless it has attributes. Nothing is used before its hash was computed: that of a
//! content, or that of the segments an entry was found in.

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
};

use super::indexed::IndexedArchive;
use crate::archive::format::{
    content_hash::ContentHash,
    index::{Hash, Index, IndexEntry, Segment},
    tar_header,
    xattr::NO_ATTRIBUTES,
};

/// An entry with bytes in a damaged segment.
pub(super) struct Need {
    entry: IndexEntry,
    /// The range of those bytes in the tar.
    pub(super) range: Range<u64>,
    /// Is set if its header follows from the index.
    has_known_header: bool,
}

impl Need {
    pub(super) fn new(index: &Index, entry: IndexEntry, range: Range<u64>) -> Self {
        let record = &entry.record;
        let has_known_header =
            index.has_attributes && record.attributes == NO_ATTRIBUTES && !record.is_sparse;
        Self { entry, range, has_known_header }
    }

    /// Returns whether its content lies elsewhere, or there is none.
    pub(super) fn is_header_alone(&self) -> bool {
        self.range.end <= self.entry.content_at() && self.range.start == self.entry.tar_offset
    }

    /// Returns the hash of a content that can be put behind a header from the index.
    fn wanted_content(&self) -> Option<Hash> {
        let is_all = self.range == (self.entry.tar_offset..self.entry.end());
        match self.entry.hash {
            Some(ContentHash::Whole(hash)) if is_all && self.has_known_header => Some(hash),
            _ => None,
        }
    }

    /// Writes its header into the tar bytes `raw` of a segment that begins at `tar_offset`, if it is known.
    pub(super) fn write_header(&self, tar_offset: u64, raw: &mut [u8]) -> Option<()> {
        let header = tar_header::encode(&self.entry.record.entry);
        let is_known = self.has_known_header && header.len() as u64 == self.entry.record.n_header;
        let place = within(&(self.entry.tar_offset..self.entry.content_at()), tar_offset);
        is_known.then(|| raw[place].copy_from_slice(&header))
    }
}

/// The place of what is needed in another archive.
enum Found {
    /// The start of the same entry in the tar.
    Entry(u64),
    /// The start of the same content in the tar, and its hash.
    Content(u64, Hash),
}

/// An archive that is being searched.
pub(super) struct Donor {
    path: PathBuf,
    indexed: IndexedArchive,
    decoded: Option<(usize, Vec<u8>)>,
}

impl Donor {
    pub(super) fn new(path: PathBuf, indexed: IndexedArchive) -> Self {
        Self { path, indexed, decoded: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the tar bytes of a segment that it has as well.
    pub(super) fn segment(&self, segment: &Segment) -> Option<Vec<u8>> {
        let is_same = |other: &Segment| {
            (other.uncompressed_len, other.raw_hash) == (segment.uncompressed_len, segment.raw_hash)
        };
        let n = self.indexed.index.segments.iter().position(is_same)?;
        self.indexed.decode(n, false).ok()
    }

    /// Copies what it has as well into the tar bytes `raw` of a segment that begins at `tar_offset`.
    pub(super) fn fill(&mut self, needs: &mut Vec<Need>, tar_offset: u64, raw: &mut [u8]) {
        let mut is_filled = vec![false; needs.len()];
        for (n, found) in self.search(needs) {
            if !is_filled[n] {
                is_filled[n] = self.copy_found(&needs[n], &found, tar_offset, raw).is_some();
            }
        }
        let mut is_filled = is_filled.into_iter();
        needs.retain(|_| is_filled.next() == Some(false));
    }

    /// Returns where the needs are found, by their numbers.
    fn search(&self, needs: &[Need]) -> Vec<(usize, Found)> {
        let mut by_path = HashMap::new();
        let mut by_content = HashMap::<Hash, Vec<usize>>::new();
        for (n, need) in needs.iter().enumerate() {
            by_path.insert(need.entry.record.entry.path.as_path(), n);
            if let Some(hash) = need.wanted_content() {
                by_content.entry(hash).or_default().push(n);
            }
        }
        let mut found = Vec::new();
        for entry in self.indexed.index.entries() {
            if let Some(&n) = by_path.get(entry.record.entry.path.as_path())
                && is_same(&needs[n].entry, &entry)
            {
                found.push((n, Found::Entry(entry.tar_offset)));
                continue;
            }
            if let Some(ContentHash::Whole(hash)) = entry.hash {
                let needing = by_content.get(&hash).into_iter().flatten();
                found.extend(needing.map(|&n| (n, Found::Content(entry.content_at(), hash))));
            }
        }
        found
    }

    fn copy_found(
        &mut self,
        need: &Need,
        found: &Found,
        tar_offset: u64,
        raw: &mut [u8],
    ) -> Option<()> {
        let Need { entry, range, .. } = need;
        match *found {
            Found::Entry(at) => {
                let start = at + (range.start - entry.tar_offset);
                self.copy(start, &mut raw[within(range, tar_offset)])
            }
            Found::Content(at, hash) => {
                let start = entry.content_at();
                let place = within(&(start..start + entry.record.n_stored()), tar_offset);
                let content = &mut raw[place];
                self.copy(at, content)?;
                (*blake3::hash(content).as_bytes() == hash).then_some(())?;
                need.write_header(tar_offset, raw)
            }
        }
    }

    /// Copies the bytes of its tar at `at`.
    fn copy(&mut self, mut at: u64, mut out: &mut [u8]) -> Option<()> {
        while !out.is_empty() {
            let n = self.indexed.index.segment_at(at)?;
            if self.decoded.as_ref().is_none_or(|(decoded, _)| *decoded != n) {
                self.decoded = Some((n, self.indexed.decode(n, false).ok()?));
            }
            let (_, raw) = self.decoded.as_ref()?;
            let from = usize::try_from(at - self.indexed.index.segments[n].tar_offset).ok()?;
            let n_bytes = raw.len().checked_sub(from)?.min(out.len());
            let (filled, rest) = out.split_at_mut(n_bytes);
            filled.copy_from_slice(&raw[from..from + n_bytes]);
            (at, out) = (at + n_bytes as u64, rest);
        }
        Some(())
    }
}

/// Returns whether two entries have the same bytes in the tar, by all that their indexes say.
fn is_same(one: &IndexEntry, other: &IndexEntry) -> bool {
    let facts = |entry: &IndexEntry| {
        let record = &entry.record;
        (record.n_header, record.attributes, entry.hash, record.extents())
    };
    one.record.entry == other.record.entry && facts(one) == facts(other)
}

/// Returns where bytes of the tar are in the segment that begins at `tar_offset`.
pub(super) fn within(range: &Range<u64>, tar_offset: u64) -> Range<usize> {
    let at = |n: u64| usize::try_from(n - tar_offset).expect("a segment fits in memory");
    at(range.start)..at(range.end)
}
