//! Gathers tar blocks into pieces of about 1 MiB, cut where the files are.
//!
//! A piece holds whole small entries, or one slice of a large file, so that an unchanged file gives
//! an unchanged piece wherever it stands. Groups of small entries are cut by a hash of the path:
//! a file that comes or goes moves only the cuts around it.

use std::{
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use super::{
    header::padding,
    pipeline::{Feed, Stop},
};

/// The content of a larger file is cut into slices of this size.
pub(super) const SLICE: usize = 1 << 20;
/// A group of small entries is not cut below this size, but where it would pass [`GROUP_MAX`].
const GROUP_MIN: usize = 512 << 10;
/// A group of small entries never passes this size by more than one entry's headers.
const GROUP_MAX: usize = 2 << 20;
/// One path in this many may end a group.
const CUT_EVERY: u64 = 16;

/// Gathers blocks and feeds them on, piece by piece.
pub(super) struct Pieces<'a> {
    feed: &'a mut Feed,
    current: Vec<u8>,
}

/// The place before an entry, to which a failed one can be taken back.
pub(super) struct Mark(usize);

impl<'a> Pieces<'a> {
    pub(super) fn new(feed: &'a mut Feed) -> Self {
        Self { feed, current: Vec::new() }
    }

    /// Begins an entry whose content, up to [`SLICE`] bytes, shares a piece with others.
    pub(super) fn begin_small(&mut self, header: &[u8], size: usize) -> Result<Mark, Stop> {
        if self.current.len() + header.len() + size > GROUP_MAX {
            self.cut()?;
        }
        let mark = self.mark();
        self.current.extend(header);
        Ok(mark)
    }

    /// Returns the place where the next bytes go.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.current.len())
    }

    /// Ends a small entry, and perhaps the group.
    pub(super) fn end_small(&mut self, path: &Path, size: usize) -> Result<(), Stop> {
        self.pad(padding(size as u64));
        let is_end = fnv1a(path.as_os_str().as_bytes()).is_multiple_of(CUT_EVERY);
        if is_end && self.current.len() >= GROUP_MIN { self.cut() } else { Ok(()) }
    }

    /// Forgets everything since `mark`.
    pub(super) fn take_back(&mut self, mark: &Mark) {
        self.current.truncate(mark.0);
    }

    /// Puts the header of a large file at the end of the group, and ends that.
    pub(super) fn begin_large(&mut self, header: &[u8]) -> Result<(), Stop> {
        self.current.extend(header);
        self.cut()
    }

    /// Reads up to `n` bytes of content.
    pub(super) fn read(&mut self, reader: &mut dyn Read, n: usize) -> io::Result<usize> {
        self.current.reserve(n);
        reader.take(n as u64).read_to_end(&mut self.current)
    }

    /// Appends `n` zeros.
    pub(super) fn pad(&mut self, n: usize) {
        self.current.resize(self.current.len() + n, 0);
    }

    /// Appends blocks that belong to no file.
    pub(super) fn push(&mut self, blocks: &[u8]) {
        self.current.extend(blocks);
    }

    /// Hands on what was gathered.
    pub(super) fn cut(&mut self) -> Result<(), Stop> {
        if self.current.is_empty() {
            return Ok(());
        }
        self.feed.send(std::mem::take(&mut self.current))
    }
}

/// The 64-bit FNV-1a hash: the cuts must be the same in every version and on every machine.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
