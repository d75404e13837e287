//! The shape of a tree.

/// The settings that decide the tree, to the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub seed: u64,
    pub n_bytes: u64,
    pub n_files: usize,
}
