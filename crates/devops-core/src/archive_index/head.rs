//! The head of an index: how the archive was made, and its segments.

use flate2::{Decompress, FlushDecompress};
use libdeflater::Decompressor;

use super::{
    container::Footer,
    varint::{Cursor, push_number, push_time},
};

/// A BLAKE3 hash.
pub(crate) type Hash = [u8; 32];

/// The fixed header of the first member: no name, no time, no extra field, unknown system.
///
/// An extra field here would make Python's `r|gz` fail.
pub(crate) const MEMBER_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The length of what ends that member.
pub(crate) const MEMBER_END: usize = 10;
/// Deflate makes no more than this of a byte.
const MAX_RATIO: u64 = 1032;
/// No segment is larger, in either form: groups end at 1 MiB, but extended attributes and
/// long names come on top. What would be larger is not believed.
pub(crate) const MAX_SEGMENT: u64 = 64 << 20;

/// Parameters an archive was built with, in the numbers of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawBuildParams {
    pub(crate) level: u8,
    pub(crate) compressor: u64,
    pub(crate) is_reproducible: bool,
    /// Is set if entries tell the names of their owners and their attributes.
    pub(crate) has_attributes: bool,
    /// Seconds and nanoseconds.
    pub(crate) started: (i64, u32),
}

/// The head of an index.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) build_params: RawBuildParams,
    pub(crate) segments: Vec<Segment>,
    /// How many bytes of the index it takes.
    pub(crate) n_bytes: usize,
}

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its place and length in the archive.
    pub(crate) at: u64,
    pub(crate) compressed_len: u64,
    /// Its place and length in the tar.
    pub(crate) tar_offset: u64,
    pub(crate) uncompressed_len: u64,
    /// The CRC-32 of the tar bytes.
    pub(crate) crc: u32,
    pub(crate) raw_hash: Hash,
    pub(crate) packed_hash: Hash,
}

impl RawBuildParams {
    /// Appends what stands before the first segment.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        push_number(out, self.level.into());
        push_number(out, self.compressor);
        out.push(u8::from(self.is_reproducible) | u8::from(self.has_attributes) << 1);
        push_time(out, self.started);
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let level = u8::try_from(cursor.number()?).ok()?;
        let compressor = cursor.number()?;
        let flags = cursor.byte()?;
        Some(Self {
            level,
            compressor,
            is_reproducible: flags & 1 != 0,
            has_attributes: flags & 2 != 0,
            started: cursor.time()?,
        })
    }
}

impl Segment {
    /// Appends it; where it is follows from those before.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        push_number(out, self.compressed_len);
        push_number(out, self.uncompressed_len);
        out.extend(self.crc.to_le_bytes());
        out.extend(self.raw_hash);
        out.extend(self.packed_hash);
    }
}

impl Head {
    /// Reads the head of a decompressed index.
    pub(crate) fn read(raw: &[u8], footer: &Footer) -> Option<Self> {
        let mut cursor = Cursor::at(raw, 0);
        let build_params = RawBuildParams::read(&mut cursor)?;
        let segments = segments(&mut cursor, footer)?;
        Some(Self { build_params, segments, n_bytes: cursor.position() })
    }
}

/// Reads the segments, which must lie one behind the other from end to end.
fn segments(cursor: &mut Cursor<'_>, footer: &Footer) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let (mut at, mut tar_offset) = (MEMBER_HEADER.len() as u64, 0_u64);
    for _ in 0..footer.n_segments {
        let segment = Segment {
            at,
            compressed_len: cursor.number()?,
            tar_offset,
            uncompressed_len: cursor.number()?,
            crc: u32::from_le_bytes(*cursor.fixed()?),
            raw_hash: *cursor.fixed()?,
            packed_hash: *cursor.fixed()?,
        };
        if segment.uncompressed_len > MAX_SEGMENT || segment.compressed_len > MAX_SEGMENT {
            return None;
        }
        at = at.checked_add(segment.compressed_len)?;
        tar_offset = tar_offset.checked_add(segment.uncompressed_len)?;
        segments.push(segment);
    }
    let is_whole = at.checked_add(MEMBER_END as u64)? == footer.index_start;
    (is_whole && tar_offset == footer.uncompressed_len).then_some(segments)
}

/// The most bytes that a segment takes in the index, and what stands before the first.
const MAX_IN_INDEX: u64 = 10 + 10 + 4 + 32 + 32;
const MAX_BEFORE: u64 = 64;
/// More than compressing a little adds.
const SLACK: u64 = 1 << 10;

/// Returns how many bytes reading the segments of an archive takes, in memory.
pub(crate) fn n_to_read(footer: &Footer) -> Option<u64> {
    let each = MAX_IN_INDEX + 2 * size_of::<Segment>() as u64;
    let segments = footer.n_segments.checked_mul(each)?;
    footer.n_index_members()?.checked_mul(2)?.checked_add(segments)?.checked_add(MAX_BEFORE)
}

/// Returns how many bytes from the beginning of the index on hold the segments, members and all.
pub(crate) fn n_before_entries(footer: &Footer) -> Option<u64> {
    let n = footer.n_segments.checked_mul(MAX_IN_INDEX)?.checked_add(MAX_BEFORE)?;
    // Hashes do not compress: stored as they are, they take a little more.
    let n = n.checked_add(n / 64)?.checked_add(SLACK)?;
    footer.n_members_with(n)
}

/// Reads the segments from a compressed index or its beginning, without what follows them in it.
pub(crate) fn read_segments(packed: &[u8], footer: &Footer) -> Option<Vec<Segment>> {
    let n = footer.n_segments.checked_mul(MAX_IN_INDEX)?.checked_add(MAX_BEFORE)?;
    let most = (packed.len() as u64).saturating_mul(MAX_RATIO);
    let n = n.min(footer.n_index_raw).min(most);
    let mut raw = Vec::with_capacity(usize::try_from(n).ok()?);
    let mut inflater = Decompress::new(false);
    while raw.len() < raw.capacity() {
        let at = usize::try_from(inflater.total_in()).ok()?;
        let before = (inflater.total_in(), raw.len());
        inflater.decompress_vec(&packed[at..], &mut raw, FlushDecompress::None).ok()?;
        if (inflater.total_in(), raw.len()) == before {
            break;
        }
    }
    Some(Head::read(&raw, footer)?.segments)
}

/// Decompresses an index; `None` when it has not the length that the footer says.
pub(crate) fn inflate(packed: &[u8], footer: &Footer) -> Option<Vec<u8>> {
    if footer.n_index_raw > (packed.len() as u64).saturating_mul(MAX_RATIO) {
        return None;
    }
    let mut raw = vec![0; usize::try_from(footer.n_index_raw).ok()?];
    let decoded = Decompressor::new().deflate_decompress(packed, &mut raw);
    (decoded == Ok(raw.len())).then_some(raw)
}
