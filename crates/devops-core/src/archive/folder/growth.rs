//! Counts the new bytes of each archive of a folder: those the archive before it does not hold.

use std::collections::HashSet;

use super::{facts::ArchiveFacts, series::NamedSeries};
use crate::{
    archive::format::{
        archive_file::{Archive, ArchiveFile},
        encryption::Keys,
        index::{Hash, Index, Segment},
    },
    archive_index::{container::joined, head},
    cancel::{Cancel, Cancelled},
};

/// The most bytes of an index that are read for it: the segments of an archive of about a terabyte.
const MOST: u64 = 128 << 20;

/// Returns for each archive, in the order of [`look_into`](super::look_into), the compressed bytes of its
/// contents that the archive before it in the series does not hold; all of them for the first.
///
/// `None` where an index does not tell. Only the beginnings of the indexes are read.
pub fn new_bytes(
    archives: &[ArchiveFacts],
    keys: &Keys,
    cancel: &Cancel,
) -> Result<Vec<Option<u64>>, Cancelled> {
    let mut before: Option<(NamedSeries, Option<HashSet<Hash>>)> = None;
    let count = |facts: &ArchiveFacts| {
        cancel.check()?;
        let series = facts.named_series();
        let segments = segments(Archive { path: &facts.path, keys });
        let known = before.take_if(|(other, _)| *other == series);
        let n = segments.as_deref().and_then(|segments| match &known {
            Some((_, known)) => Some(n_not_in(segments, known.as_ref()?)),
            None => Some(n_not_in(segments, &HashSet::new())),
        });
        let hashes = segments.map(|segments| {
            segments.into_iter().map(|segment| segment.packed_hash).collect::<HashSet<_>>()
        });
        before = Some((series, hashes));
        Ok(n)
    };
    archives.iter().map(count).collect()
}

fn n_not_in(segments: &[Segment], known: &HashSet<Hash>) -> u64 {
    let new = segments.iter().filter(|segment| !known.contains(&segment.packed_hash));
    new.map(|segment| segment.compressed_len).sum()
}

/// Reads the segments of an archive from the beginning of its index; `None` without one.
fn segments(archive: Archive<'_>) -> Option<Vec<Segment>> {
    let stored = ArchiveFile::open(archive).ok()?;
    let footer = Index::footer(&stored)?;
    let n = head::n_before_entries(&footer).filter(|n| *n <= MOST)?;
    let members = stored.bytes(footer.index_start, usize::try_from(n).ok()?, 0).ok()?;
    head::read_segments(&joined(members)?, &footer)
}
