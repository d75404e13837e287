//! The BLAKE3 of contents: computed piece by piece on any thread, and still the one `b3sum` prints.
//!
//! A slice of a large file is a subtree of its hash, because slices are aligned to a power of two
//! chunks; so each is hashed alone, and the values are merged when the last has come.

use std::ops::Range;

use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};

use super::index::Hash;

/// A content, or a slice of one, among the bytes of a piece.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    pub(super) part: Part,
}

/// What a span is of its content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// A slice that begins at a multiple of the slice size.
    Slice { at: u64, is_last: bool },
}

/// The hash of a span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Digest {
    Whole(Hash),
    Slice { value: ChainingValue, is_last: bool },
}

/// Hashes the spans of a piece.
pub(super) fn digests(piece: &[u8], spans: &[Span]) -> Vec<Digest> {
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
pub(super) struct Merger {
    slices: Vec<ChainingValue>,
}

impl Merger {
    /// Takes the next digest; returns a hash when a content is complete.
    ///
    /// A content of slices has at least two.
    pub(super) fn push(&mut self, digest: Digest) -> Option<Hash> {
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
mod tests {
    use super::*;

    const SLICE: usize = 4096;

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
