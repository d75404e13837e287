//! Reads an archive to its end and proves that it is whole.

use std::path::Path;

use super::{ArchiveError, entry::EntryKind, reader::Reader};
use crate::cancel::Cancel;

/// What a whole archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of entries.
    pub n_entries: u64,
    /// The number of regular files among them.
    pub n_files: u64,
    /// The bytes of their content.
    pub n_bytes: u64,
    /// What is odd about the archive and no damage, such as garbage behind its end.
    pub notes: Vec<&'static str>,
}

/// Reads all of `archive`: its tar structure to the end mark, and the checksum of every gzip member.
///
/// `on_bytes` hears how many bytes of the file were read. Fails with [`ArchiveError::Damaged`], or
/// with [`ArchiveError::NotAnArchive`] when there is no tar in it at all.
pub fn verify(
    archive: &Path,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Verified, ArchiveError> {
    let mut reader = Reader::open_to_prove(archive, cancel)?;
    let mut verified = Verified::default();
    let mut buffer = vec![0; 64 << 10];
    while let Some(entry) = reader.next_entry()? {
        let is_file = entry.kind == EntryKind::File;
        verified.n_files += u64::from(is_file);
        loop {
            // What is there counts, not what the header claims.
            let n = reader.read_content(&mut buffer)?;
            on_bytes(reader.n_taken());
            if n == 0 {
                break;
            }
            verified.n_bytes += if is_file { n as u64 } else { 0 };
        }
    }
    verified.n_entries = reader.n_entries();
    verified.notes = reader.notes().to_vec();
    Ok(verified)
}
