//! Blocks of a tar.

/// The unit of a tar file.
pub(in crate::archive) const BLOCK: usize = 512;

/// The end of a tar file.
pub(in crate::archive) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Returns how many zeros follow `size` bytes of content.
pub(in crate::archive) fn padding(size: u64) -> usize {
    let rest = usize::try_from(size % BLOCK as u64).expect("below a block");
    (BLOCK - rest) % BLOCK
}
