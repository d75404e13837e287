//! The BLAKE3 of contents: computed piece by piece on any thread, and still the one `b3sum` prints.
//!
//! A slice of a large file is a subtree of its hash, because slices are aligned to a power of two
//! chunks; so each is hashed alone, and the values are merged when the last has come.
//!
//! A few bytes of a tar can describe a hole of exabytes, whose zeros no one can hash: contents with such
//! holes are told by what lies between them.

use std::ops::Range;

use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};

use super::{entry::Entry, holes::length};
use crate::archive_index::head::Hash;

/// The most bytes of holes that are hashed as zeros: that takes about a second.
const MAX_HOLES: u64 = 1 << 30;
/// The size of the blocks in which the parts between holes are compared, wherever the holes begin and end.
const BLOCK: usize = 64 << 10;

/// The hash that tells a content from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum ContentHash {
    /// The BLAKE3 of all of it.
    Whole(Hash),
    /// The BLAKE3 of its size and of the blocks that are not all zeros, each with its place.
    BetweenHoles(Hash),
}

impl ContentHash {
    /// Returns the hash itself.
    pub(in crate::archive) fn bytes(self) -> Hash {
        match self {
            Self::Whole(hash) | Self::BetweenHoles(hash) => hash,
        }
    }
}

/// Returns whether holes are too large to be hashed as zeros, in a content of so many bytes.
pub(in crate::archive) fn has_huge_holes(size: u64, extents: &[Range<u64>]) -> bool {
    size.saturating_sub(length(extents)) > MAX_HOLES
}

/// Hashes what lies between the holes of a content of `size` bytes; `read` reads at a place of it, and is
/// called for the `ranges` in their order.
pub(in crate::archive) fn between_holes<E>(
    size: u64,
    ranges: &[Range<u64>],
    mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, E>,
) -> Result<ContentHash, E> {
    let mut hasher = BetweenHoles::new();
    let mut buffer = vec![0; 2 * BLOCK];
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let wanted = left.min(buffer.len());
            match read(at, &mut buffer[..wanted])? {
                0 => break,
                n => {
                    hasher.update(at, &buffer[..n]);
                    at += n as u64;
                }
            }
        }
    }
    Ok(hasher.finish(size))
}

/// Hashes a content from what an archive stores of it.
pub(in crate::archive) enum ContentHasher {
    Whole(Box<Hasher>),
    BetweenHoles(Box<StoredHasher>),
}

impl ContentHasher {
    /// Hashes the content of an entry, in the way in which `hash` was made.
    pub(in crate::archive) fn like(hash: ContentHash, entry: &Entry) -> Self {
        match (hash, &entry.extents) {
            (ContentHash::BetweenHoles(_), Some(extents)) => {
                Self::BetweenHoles(Box::new(StoredHasher::new(entry.size, extents.clone())))
            }
            _ => Self::Whole(Box::default()),
        }
    }

    /// Takes in the next bytes that are stored.
    pub(in crate::archive) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Whole(hasher) => {
                hasher.update(bytes);
            }
            Self::BetweenHoles(hasher) => hasher.update(bytes),
        }
    }

    pub(in crate::archive) fn finish(self) -> ContentHash {
        match self {
            Self::Whole(hasher) => ContentHash::Whole(*hasher.finalize().as_bytes()),
            Self::BetweenHoles(hasher) => hasher.finish(),
        }
    }
}

/// Hashes a content of which some ranges are stored, one behind the other.
pub(in crate::archive) struct StoredHasher {
    hasher: BetweenHoles,
    size: u64,
    /// The ranges that come yet, behind the current one.
    ranges: std::vec::IntoIter<Range<u64>>,
    current: Range<u64>,
}

impl StoredHasher {
    pub(in crate::archive) fn new(size: u64, ranges: Vec<Range<u64>>) -> Self {
        let (hasher, ranges) = (BetweenHoles::new(), ranges.into_iter());
        Self { hasher, size, ranges, current: 0..0 }
    }

    /// Takes in the next bytes that are stored.
    pub(in crate::archive) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.current.is_empty() {
                let Some(next) = self.ranges.next() else { return };
                self.current = next;
            }
            let left = usize::try_from(self.current.end - self.current.start);
            let n = left.unwrap_or(usize::MAX).min(bytes.len());
            let (part, rest) = bytes.split_at(n);
            self.hasher.update(self.current.start, part);
            self.current.start += n as u64;
            bytes = rest;
        }
    }

    pub(in crate::archive) fn finish(self) -> ContentHash {
        self.hasher.finish(self.size)
    }
}

/// Hashes what lies between holes.
struct BetweenHoles {
    hasher: Hasher,
    /// The block under way, and its number.
    block: Vec<u8>,
    n: u64,
}

impl BetweenHoles {
    fn new() -> Self {
        Self { hasher: Hasher::new(), block: vec![0; BLOCK], n: 0 }
    }

    /// Takes in bytes that stand at `at`; what comes later stands behind them.
    fn update(&mut self, mut at: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = at / BLOCK as u64;
            if n != self.n {
                self.flush();
                self.n = n;
            }
            let start = usize::try_from(at % BLOCK as u64).expect("below a block");
            let (part, rest) = bytes.split_at(bytes.len().min(BLOCK - start));
            self.block[start..start + part.len()].copy_from_slice(part);
            (at, bytes) = (at + part.len() as u64, rest);
        }
    }

    fn flush(&mut self) {
        if self.block.iter().any(|&byte| byte != 0) {
            self.hasher.update(&self.n.to_le_bytes()).update(&self.block);
            self.block.fill(0);
        }
    }

    /// Returns the hash of a content of so many bytes.
    fn finish(mut self, size: u64) -> ContentHash {
        self.flush();
        self.hasher.update(&size.to_le_bytes());
        ContentHash::BetweenHoles(*self.hasher.finalize().as_bytes())
    }
}

/// A content, or a slice of one, among the bytes of a piece.
#[derive(Clone, Debug)]
pub(in crate::archive) struct Span {
    pub(in crate::archive) range: Range<usize>,
    pub(in crate::archive) part: Part,
}

/// The position of a span in its content.
#[derive(Clone, Copy, Debug)]
pub(in crate::archive) enum Part {
    /// All of it.
    Whole,
    /// A slice that begins at a multiple of the slice size.
    Slice { at: u64, is_last: bool },
}

/// The hash of a span.
#[derive(Clone, Copy, Debug)]
pub(in crate::archive) enum Digest {
    Whole(Hash),
    Slice { value: ChainingValue, is_last: bool },
}

/// Hashes the spans of a piece.
pub(in crate::archive) fn digests(piece: &[u8], spans: &[Span]) -> Vec<Digest> {
    let digest = |span: &Span| {
        let bytes = &piece[span.range.clone()];
        match span.part {
            Part::Whole => Digest::Whole(*blake3::hash(bytes).as_bytes()),
            Part::Slice { at, is_last } => {
                let mut hasher = Hasher::new();
                let value = hasher.set_input_offset(at).update(bytes).finalize_non_root();
                Digest::Slice { value, is_last }
            }
        }
    };
    spans.iter().map(digest).collect()
}

/// Puts the digests of slices together.
#[derive(Default)]
pub(in crate::archive) struct Merger {
    slices: Vec<ChainingValue>,
}

impl Merger {
    /// Takes the next digest; returns a hash when a content is complete.
    ///
    /// A content of slices has at least two.
    pub(in crate::archive) fn push(&mut self, digest: Digest) -> Option<Hash> {
        match digest {
            Digest::Whole(hash) => Some(hash),
            Digest::Slice { value, is_last } => {
                self.slices.push(value);
                is_last.then(|| root(&std::mem::take(&mut self.slices)))
            }
        }
    }
}

fn root(slices: &[ChainingValue]) -> Hash {
    let (left, right) = slices.split_at(n_left(slices.len()));
    *merge_subtrees_root(&merged(left), &merged(right), Mode::Hash).as_bytes()
}

fn merged(slices: &[ChainingValue]) -> ChainingValue {
    if let [value] = slices {
        return *value;
    }
    let (left, right) = slices.split_at(n_left(slices.len()));
    merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
}

/// The left subtree has the largest power of two that leaves something for the right one.
fn n_left(n: usize) -> usize {
    n.div_ceil(2).next_power_of_two()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a content may have one part")]
mod tests {
    use super::*;

    const SLICE: usize = 4096;

    #[test]
    fn zeros_that_are_stored_are_like_holes() {
        let content: Vec<u8> =
            [vec![0; 100_000], vec![7; 70_000], vec![0; 400_000], vec![1]].concat();
        let of = |ranges: &[Range<usize>], content: &[u8], size| {
            let mut hasher = BetweenHoles::new();
            for range in ranges {
                hasher.update(range.start as u64, &content[range.clone()]);
            }
            hasher.finish(size)
        };
        let whole = of(&[0..content.len()], &content, 1 << 60);

        assert_eq!(of(&[100_000..170_000, 570_000..570_001], &content, 1 << 60), whole);
        assert_eq!(
            of(&[0..1, 1..65_536, 65_536..200_000, 500_000..570_001], &content, 1 << 60),
            whole
        );
        assert_ne!(of(&[100_000..170_000], &content, 1 << 60), whole);
        assert_ne!(of(&[0..content.len()], &content, 1 << 59), whole);
        let mut moved = content.clone();
        moved.rotate_right(65_536);
        assert_ne!(of(&[0..content.len()], &moved, 1 << 60), whole);
    }

    #[test]
    fn slices_merge_into_the_hash_of_the_whole() {
        let content: Vec<u8> = (0..11 * SLICE).map(|i| (i * 7 / 13).to_le_bytes()[0]).collect();
        for n in [SLICE + 1, 2 * SLICE, 3 * SLICE - 5, 4 * SLICE, 5 * SLICE + 1, 11 * SLICE] {
            let mut merger = Merger::default();
            let mut hash = None;
            for at in (0..n).step_by(SLICE) {
                let end = (at + SLICE).min(n);
                let part = Part::Slice { at: at as u64, is_last: end == n };
                let spans = [Span { range: at..end, part }];
                for digest in digests(&content, &spans) {
                    hash = merger.push(digest);
                }
            }

            assert_eq!(hash, Some(*blake3::hash(&content[..n]).as_bytes()), "{n}");
        }
    }
}
