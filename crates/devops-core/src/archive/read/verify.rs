//! Reads an archive to its end and proves that it is whole.

use std::hash::{BuildHasher, RandomState};

use super::reader::{IndexedArchive, Reader};
use crate::archive::{
    ArchiveError,
    format::{
        archive_file::{Archive, ArchiveFile, unread},
        content_hash::ContentHasher,
        entry::EntryKind,
    },
};
use crate::cancel::Cancel;

/// The result of verifying a whole archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of entries.
    pub n_entries: u64,
    /// The number of regular files among them.
    pub n_files: u64,
    /// The bytes of their content.
    pub n_bytes: u64,
    /// Remarks about the archive that are no damage, such as garbage after its end.
    pub notes: Vec<&'static str>,
}

/// Reads all of `archive`: its tar structure to the end mark, and the checksum of every gzip member.
///
/// `on_bytes` hears how many bytes of the file were read. Fails with [`ArchiveError::Damaged`], or
/// with [`ArchiveError::NotAnArchive`] when there is no tar in it at all.
pub fn verify<'a>(
    archive: impl Into<Archive<'a>>,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Verified, ArchiveError> {
    read_all(Reader::open_for_verify(archive.into(), cancel)?, on_bytes)
}

/// Reads an archive that was opened to its end, as [`verify`] does.
pub(in crate::archive) fn read_all(
    mut reader: Reader,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Verified, ArchiveError> {
    let mut verified = Verified::default();
    let mut buffer = vec![0; 64 << 10];
    while let Some(entry) = reader.next_entry()? {
        let is_file = entry.kind == EntryKind::File;
        verified.n_files += u64::from(is_file);
        let expected = reader.expected_hash();
        let mut hasher = expected.map(|hash| ContentHasher::like(hash, &entry));
        loop {
            // What is there counts, not what the header claims.
            let n = reader.read_content(&mut buffer)?;
            on_bytes(reader.n_taken());
            if n == 0 {
                break;
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&buffer[..n]);
            }
            verified.n_bytes += if is_file { n as u64 } else { 0 };
        }
        if hasher.map(ContentHasher::finish) != expected {
            return Err(reader.damaged("its index has another hash for a content"));
        }
    }
    verified.n_entries = reader.n_entries();
    verified.notes = reader.notes().to_vec();
    Ok(verified)
}

/// The result of verifying a random sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// The number of segments that were decoded and compared with their hashes.
    pub n_segments: u64,
    /// The number of the archive has.
    pub n_of: u64,
    /// The bytes of the tar in them.
    pub n_bytes: u64,
}

/// Proves the index of `archive`, the checksum of the whole as other readers see it, and each of its
/// segments with the probability `share`, at least one; `None` for an archive without an index.
///
/// Fails with [`ArchiveError::Damaged`] as [`verify`] does.
pub fn verify_sample<'a>(
    archive: impl Into<Archive<'a>>,
    share: f64,
    cancel: &Cancel,
) -> Result<Option<Sampled>, ArchiveError> {
    let archive = archive.into();
    let Some(indexed) = IndexedArchive::open(&ArchiveFile::open(archive)?) else { return Ok(None) };
    let broken = |error| Err(unread(archive.path, 0, error));
    indexed.check_member().or_else(broken)?;
    let n_of = indexed.index.segments.len();
    let mut chosen = sample(n_of, share, &RandomState::new());
    if chosen.is_empty() && n_of > 0 {
        chosen.push(n_of / 2);
    }
    let mut sampled = Sampled { n_of: n_of as u64, ..Sampled::default() };
    for n in chosen {
        cancel.check()?;
        indexed.decode(n, true).map(drop).or_else(broken)?;
        sampled.n_segments += 1;
        sampled.n_bytes += indexed.index.segments[n].uncompressed_len;
    }
    Ok(Some(sampled))
}

/// Chooses each of `n` numbers with the probability `share`.
fn sample(n: usize, share: f64, random: &RandomState) -> Vec<usize> {
    // 2^32 steps are fine enough for a percentage, and exact in a float.
    let step = |n: &usize| u32::try_from(random.hash_one(n) >> 32).unwrap_or(u32::MAX);
    let is_chosen = |n: &usize| f64::from(step(n)) / f64::from(u32::MAX) <= share;
    (0..n).filter(is_chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_about_its_share() {
        let random = RandomState::new();

        assert_eq!(sample(100, 1.0, &random).len(), 100);
        let n = sample(100_000, 0.05, &random).len();
        assert!((4_000..6_000).contains(&n), "{n}");
    }
}
