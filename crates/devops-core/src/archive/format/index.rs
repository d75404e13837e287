//! The index of an archive: what each segment and each entry is, and where.
//!
//! # Format
//!
//! Three parts follow each other in the stream that [`container`](crate::archive_index::container) keeps; the first is what
//! [`archive_index`](crate::archive_index) reads. A number is
//! a LEB128 varint, a signed one in zigzag form, a fixed one in little-endian order, a hash 32 bytes.
//!
//! 1. The head: the compression level (number), the [compressor](COMPRESSOR) (number), flags (byte; bit 0:
//!    made reproducible; bit 1: the entries say of their owners' names and attributes), the start of the run (signed seconds, nanoseconds; 0 when reproducible).
//!    Then each segment: its length in the archive, its length in the tar, its CRC-32 (4 bytes),
//!    the BLAKE3 of the tar bytes and the BLAKE3 of the compressed bytes.
//! 2. Each entry, in the order of the tar, as [`record`] says.
//! 3. The BLAKE3 of the content of each file that is not empty, in the order of the entries.
//!
//! The place of an entry is not stored: entries fill the tar without gaps between the end of the
//! first segment and the beginning of the last, so the lengths before it say where it is. Holes of
//! sparse files are stored with their zeros in the tar, but for those of more than a gigabyte; their place
//! is in the record. The hash of a content without its holes is [`ContentHash::BetweenHoles`].

use super::{
    archive_file::ArchiveFile,
    block::{BLOCK as TAR_BLOCK, padding},
    compress::{Level, Packer},
    content_hash::ContentHash,
    entry::Timestamp,
};
use crate::archive::ArchiveError;
pub(in crate::archive) use crate::archive_index::head::{Hash, Segment};
use crate::archive_index::{
    container::{FOOTER, Footer, trailing_members},
    head::{Head, RawBuildParams, inflate},
    varint::Cursor,
};

mod record;

pub(in crate::archive) use record::{Identity, Record, walk_order};
use record::{Last, decode, encode};

/// Names the compressor and the rule of grouping: segments made by others are compressed anew, so
/// that an archive does not depend on what made the ones before it.
const COMPRESSOR: u64 = 2;
/// The index is small, so more work on it costs next to nothing; its hashes get no smaller.
const LEVEL: Level = Level::DENSE;
/// How much of the index is compressed at once.
const BLOCK: usize = 256 << 10;
/// Parameters an archive was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct BuildParams {
    pub(in crate::archive) level: Level,
    pub(in crate::archive) is_reproducible: bool,
    /// The start of the run: a file that changed about then or later may have changed again unnoticed.
    pub(in crate::archive) started: Timestamp,
}

impl BuildParams {
    fn to_raw(self) -> RawBuildParams {
        let Timestamp { seconds, nanoseconds } = self.started;
        let (level, started) = (self.level.number(), (seconds, nanoseconds));
        let is_reproducible = self.is_reproducible;
        RawBuildParams {
            level,
            compressor: COMPRESSOR,
            is_reproducible,
            has_attributes: true,
            started,
        }
    }

    fn of(build_params: &RawBuildParams) -> Option<Self> {
        let (seconds, nanoseconds) = build_params.started;
        let started = Timestamp { seconds, nanoseconds };
        let level = Level::new(build_params.level)?;
        Some(Self { level, is_reproducible: build_params.is_reproducible, started })
    }
}

/// Gathers an index while the archive is written.
pub(in crate::archive) struct IndexWriter {
    build_params: BuildParams,
    packer: Packer,
    segments: Part,
    n_segments: u64,
    hashes: Part,
}

/// The entries of an index, gathered where they are made.
pub(in crate::archive) struct EntryWriter {
    packer: Packer,
    part: Part,
    last: Last,
    n_entries: u64,
}

/// Bytes of the index, compressed as soon as there are enough.
#[derive(Default)]
struct Part {
    raw: Vec<u8>,
    packed: Vec<u8>,
    uncompressed_len: u64,
}

impl Part {
    fn push(&mut self, bytes: &[u8], packer: &mut Packer) -> Result<(), ArchiveError> {
        self.raw.extend_from_slice(bytes);
        if self.raw.len() >= BLOCK { self.pack(packer) } else { Ok(()) }
    }

    fn pack(&mut self, packer: &mut Packer) -> Result<(), ArchiveError> {
        if !self.raw.is_empty() {
            self.packed.extend(packer.pack(&self.raw)?.bytes);
            self.uncompressed_len += self.raw.len() as u64;
            self.raw.clear();
        }
        Ok(())
    }
}

impl EntryWriter {
    pub(in crate::archive) fn new() -> Self {
        Self {
            packer: Packer::new(LEVEL),
            part: Part::default(),
            last: Last::default(),
            n_entries: 0,
        }
    }

    pub(in crate::archive) fn push(&mut self, record: &Record) -> Result<(), ArchiveError> {
        let mut bytes = Vec::with_capacity(128);
        encode(record, &mut self.last, &mut bytes);
        self.n_entries += 1;
        self.part.push(&bytes, &mut self.packer)
    }
}

impl IndexWriter {
    pub(in crate::archive) fn new(build_params: BuildParams) -> Self {
        Self {
            build_params,
            packer: Packer::new(LEVEL),
            segments: Part::default(),
            n_segments: 0,
            hashes: Part::default(),
        }
    }

    /// Adds the next segment; where it is follows from those before.
    pub(in crate::archive) fn push_segment(
        &mut self,
        segment: &Segment,
    ) -> Result<(), ArchiveError> {
        let mut bytes = Vec::with_capacity(80);
        if self.n_segments == 0 {
            self.build_params.to_raw().push(&mut bytes);
        }
        segment.push(&mut bytes);
        self.n_segments += 1;
        self.segments.push(&bytes, &mut self.packer)
    }

    /// Adds the hash of the content of the next file that is not empty.
    pub(in crate::archive) fn push_hash(&mut self, hash: &Hash) -> Result<(), ArchiveError> {
        self.hashes.push(hash, &mut self.packer)
    }

    /// Returns what follows the first member, which ends at `index_start` and holds `uncompressed_len` bytes of tar.
    pub(in crate::archive) fn finish(
        mut self,
        mut entries: EntryWriter,
        index_start: u64,
        uncompressed_len: u64,
    ) -> Result<Vec<u8>, ArchiveError> {
        let mut packed = Vec::new();
        let mut n_index_raw = 0;
        for part in [&mut self.segments, &mut entries.part, &mut self.hashes] {
            part.pack(&mut self.packer)?;
            packed.append(&mut part.packed);
            n_index_raw += part.uncompressed_len;
        }
        // The final block that ends the stream.
        packed.extend([3, 0]);
        let footer = Footer {
            index_start,
            n_index_packed: packed.len() as u64,
            n_index_raw,
            n_segments: self.n_segments,
            n_entries: entries.n_entries,
            uncompressed_len,
            index_hash: *blake3::hash(&packed).as_bytes(),
        };
        Ok(trailing_members(&packed, &footer))
    }
}

/// The index of an archive that was opened.
pub(in crate::archive) struct Index {
    pub(in crate::archive) build_params: BuildParams,
    pub(in crate::archive) segments: Vec<Segment>,
    /// The length of the tar.
    pub(in crate::archive) uncompressed_len: u64,
    /// Where the first member ends.
    pub(in crate::archive) n_member: u64,
    pub(in crate::archive) n_entries: u64,
    /// The bytes of all contents.
    pub(in crate::archive) n_content: u64,
    /// Is set if the entries tell the names of their owners and their attributes: older ones do not.
    pub(in crate::archive) has_attributes: bool,
    is_same_compressor: bool,
    raw: Vec<u8>,
    entries_at: usize,
    hashes_at: usize,
}

impl Index {
    /// Reads the footer of an archive; `None` when it does not end with one that fits it.
    pub(in crate::archive) fn footer(stored: &ArchiveFile) -> Option<Footer> {
        let mut member = [0; FOOTER];
        let at = stored.n_bytes().checked_sub(FOOTER as u64)?;
        stored.read_exact_at(&mut member, at).ok()?;
        Footer::read(&member, stored.n_bytes())
    }

    /// Reads the index of an archive; `None` when there is none that can be believed.
    pub(in crate::archive) fn read(stored: &ArchiveFile) -> Option<Self> {
        Self::read_showing(stored, &mut |_| {})
    }

    /// Reads the index of an archive and shows each entry once, on the way; without an index that can be
    /// believed those shown may be too few or wrong.
    pub(in crate::archive) fn read_showing(
        stored: &ArchiveFile,
        on_entry: &mut dyn FnMut(&Record),
    ) -> Option<Self> {
        let footer = Self::footer(stored)?;
        let mut members = vec![0; usize::try_from(footer.n_index_members()?).ok()?];
        stored.read_exact_at(&mut members, footer.index_start).ok()?;
        let packed = footer.unwrap_index(members)?;
        let raw = inflate(&packed, &footer)?;
        drop(packed);
        Self::parse(raw, &footer, on_entry)
    }

    fn parse(raw: Vec<u8>, footer: &Footer, on_entry: &mut dyn FnMut(&Record)) -> Option<Self> {
        let Head { build_params, segments, n_bytes: entries_at } = Head::read(&raw, footer)?;
        let mut index = Self {
            build_params: BuildParams::of(&build_params)?,
            segments,
            uncompressed_len: footer.uncompressed_len,
            n_member: footer.index_start,
            n_entries: footer.n_entries,
            n_content: 0,
            has_attributes: build_params.has_attributes,
            is_same_compressor: build_params.compressor == COMPRESSOR,
            hashes_at: raw.len(),
            raw,
            entries_at,
        };
        index.find_hashes(on_entry)?;
        Some(index)
    }

    /// Walks the entries once, which must fill the tar and have their hashes behind them:
    /// from then on they can be walked without a doubt at each step.
    fn find_hashes(&mut self, on_entry: &mut dyn FnMut(&Record)) -> Option<()> {
        let mut place = self.start();
        while let Some(next) = self.next(&mut place) {
            self.n_content = self.n_content.saturating_add(next.record.entry.size);
            on_entry(&next.record);
        }
        let n_in_hashes = self.raw.len() - place.at;
        self.hashes_at = place.at;
        let last_at = self.segments.last()?.tar_offset;
        let is_whole = place.n == self.n_entries && place.tar_offset == last_at;
        (is_whole && Some(n_in_hashes) == place.n_hashes.checked_mul(size_of::<Hash>()))
            .then_some(())
    }

    /// Returns whether a segment of it is what would be made today at `level`.
    pub(in crate::archive) fn is_made_alike(&self, level: Level) -> bool {
        self.is_same_compressor && self.build_params.level == level
    }

    /// Returns the number of the segment that holds byte `tar_offset` of the tar.
    pub(in crate::archive) fn segment_at(&self, tar_offset: u64) -> Option<usize> {
        let n_before = self.segments.partition_point(|segment| segment.tar_offset <= tar_offset);
        let n = n_before.checked_sub(1)?;
        (tar_offset < self.uncompressed_len).then_some(n)
    }

    /// Returns the hash of the content of the file that is the `n`th with one, counted from 0.
    pub(in crate::archive) fn hash(&self, n: usize) -> Option<Hash> {
        self.raw[self.hashes_at..].as_chunks().0.get(n).copied()
    }

    /// Returns the entries in the order of the tar.
    pub(in crate::archive) fn entries(&self) -> impl Iterator<Item = IndexEntry> + '_ {
        let mut place = self.start();
        std::iter::from_fn(move || self.next(&mut place))
    }

    /// Returns the place before the first entry.
    pub(in crate::archive) fn start(&self) -> IndexCursor {
        IndexCursor {
            at: self.entries_at,
            n: 0,
            n_hashes: 0,
            tar_offset: self.segments.first().map_or(0, |first| first.uncompressed_len),
            last: Last::default(),
        }
    }

    /// Returns the entry behind `place`, which moves on.
    pub(in crate::archive) fn next(&self, place: &mut IndexCursor) -> Option<IndexEntry> {
        if place.n == self.n_entries {
            return None;
        }
        let mut cursor = Cursor::at(&self.raw[..self.hashes_at], place.at);
        let record = decode(&mut cursor, &mut place.last)?;
        let tar_offset = place.tar_offset;
        // Sizes near 2^64 would wrap around to a place in the tar.
        let n_content = record.n_stored().checked_next_multiple_of(TAR_BLOCK as u64)?;
        place.tar_offset = tar_offset.checked_add(record.n_header)?.checked_add(n_content)?;
        let mut hash = None;
        if record.has_hash() {
            hash = self.hash(place.n_hashes).map(|hash| record.content_hash(hash));
            place.n_hashes += 1;
        }
        place.at = cursor.position();
        place.n += 1;
        Some(IndexEntry { record, n: place.n - 1, tar_offset, hash })
    }
}

/// A place between two entries of an index.
#[derive(Clone)]
pub(in crate::archive) struct IndexCursor {
    /// The byte of the index where the next record begins.
    at: usize,
    /// The number of entries and hashes before it.
    n: u64,
    n_hashes: usize,
    tar_offset: u64,
    last: Last,
}

/// An entry of an index, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct IndexEntry {
    pub(in crate::archive) record: Record,
    /// Its number in the archive.
    pub(in crate::archive) n: u64,
    /// Where its headers begin in the tar.
    pub(in crate::archive) tar_offset: u64,
    /// The hash of its content; `None` when it has none.
    pub(in crate::archive) hash: Option<ContentHash>,
}

impl IndexEntry {
    /// Returns where its content begins in the tar.
    pub(in crate::archive) fn content_at(&self) -> u64 {
        self.tar_offset + self.record.n_header
    }

    /// Returns where the next entry begins in the tar.
    pub(in crate::archive) fn end(&self) -> u64 {
        let n_stored = self.record.n_stored();
        self.content_at() + n_stored + padding(n_stored) as u64
    }
}
