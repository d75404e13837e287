//! The map of a file that is stored without its holes: version 1.0 of GNU tar.

use std::{iter, ops::Range};

use super::{block::padding, holes::length};

/// The map of a sparse file and the size of what is stored.
pub(in crate::archive) struct SparseMap {
    /// The map, in whole blocks; it stands before the content.
    pub(in crate::archive) blocks: Vec<u8>,
    /// The bytes of map and content.
    pub(in crate::archive) n_stored: u64,
}

impl SparseMap {
    /// Describes a file of `size` bytes that holds something in these ranges alone.
    pub(in crate::archive) fn new(extents: &[Range<u64>], size: u64) -> Self {
        let mut pairs: Vec<_> =
            extents.iter().map(|extent| (extent.start, extent.end - extent.start)).collect();
        // As GNU tar tells where a file ends that ends in a hole.
        if extents.last().is_none_or(|last| last.end < size) {
            pairs.push((size, 0));
        }
        let lines = pairs.iter().map(|(start, n_bytes)| format!("{start}\n{n_bytes}\n"));
        let lines = iter::once(format!("{}\n", pairs.len())).chain(lines);
        let mut blocks = lines.collect::<String>().into_bytes();
        blocks.resize(blocks.len() + padding(blocks.len() as u64), 0);
        let n_stored = blocks.len() as u64 + length(extents);
        Self { blocks, n_stored }
    }
}
