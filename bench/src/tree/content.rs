//! The content of a file, made a stretch at a time.

/// Makes the bytes of one file, a stretch at a time, so that no file is held in memory whole.
pub(super) trait Content {
    /// Appends at least one byte, and some tens of kibibytes at most.
    fn more(&mut self, out: &mut Vec<u8>);
}
