//! Decides which entries share a segment.
//!
//! Only paths and sizes decide, so an unchanged file lands in an unchanged segment wherever it stands:
//! groups end where the hash of a path says so, and a file that comes or goes moves only the cuts
//! around it. Small groups mean that a change costs little; larger ones compress better.

use std::{os::unix::ffi::OsStrExt, path::Path};

/// The content of a larger file is cut into slices of this size.
///
/// A power of two of BLAKE3's chunks, as [`content`](crate::archive::format::content_hash) needs.
pub(in crate::archive) const SLICE: u64 = 1 << 20;
/// The size of an entry beside its content: three blocks, as most have.
const HEADERS: u64 = 1536;
/// A group does not end below this size, but where it would pass [`MAX`].
const MIN: u64 = 512 << 10;
/// A group does not pass this size, unless one entry alone does.
const MAX: u64 = 1 << 20;
/// A group has at most so many entries, because each may keep a folder open.
const MAX_ENTRIES: usize = 256;
/// One path in this many may end a group.
const CUT_EVERY: u64 = 4;

/// Says where groups end.
#[derive(Default)]
pub(in crate::archive) struct GroupChunker {
    n_bytes: u64,
    n_entries: usize,
}

impl GroupChunker {
    /// Returns whether the group must end before an entry of this size.
    pub(in crate::archive) fn is_full_for(&self, size: u64) -> bool {
        self.n_entries > 0 && self.n_bytes + HEADERS + size > MAX
    }

    /// Takes an entry into the group; returns whether the group ends behind it.
    pub(in crate::archive) fn add(&mut self, path: &Path, size: u64) -> bool {
        self.n_bytes += HEADERS + size;
        self.n_entries += 1;
        let may_end = path_hash(path).is_multiple_of(CUT_EVERY) && self.n_bytes >= MIN;
        may_end || self.n_entries == MAX_ENTRIES
    }
}

/// The 64-bit FNV-1a hash of a path: the cuts must be the same in every version and on every machine.
pub(in crate::archive) fn path_hash(path: &Path) -> u64 {
    path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(paths: &[String]) -> Vec<&str> {
        let mut chunker = GroupChunker::default();
        let mut ends = Vec::new();
        for path in paths {
            if chunker.add(Path::new(path), 10_000) {
                ends.push(path.as_str());
                chunker = GroupChunker::default();
            }
        }
        ends
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(path_hash(Path::new("")), 0xcbf2_9ce4_8422_2325);
        assert_eq!(path_hash(Path::new("foobar")), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_new_file_moves_only_the_cuts_around_it() {
        let mut paths: Vec<String> = (0..9000).map(|n| format!("folder/{n:05}")).collect();
        let before: Vec<String> = cuts(&paths).into_iter().map(str::to_owned).collect();

        paths.insert(2000, "folder/01999x".to_owned());
        let after = cuts(&paths);

        let n_same = before.iter().filter(|cut| after.contains(&cut.as_str())).count();
        assert!(before.len() > 150, "{}", before.len());
        assert!(n_same >= before.len() - 8, "{n_same} of {}", before.len());
    }

    #[test]
    fn a_group_of_nothing_but_names_ends_too() {
        let mut chunker = GroupChunker::default();

        assert_eq!((1..1000).find(|_| chunker.add(Path::new("x"), 0)), Some(MAX_ENTRIES));
    }
}
