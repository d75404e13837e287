//! Names what is lost of a damaged archive.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    path::Path,
};

use super::{
    entry_filter::without_dot,
    reader::{Healed, summed},
    salvage::{Found, Salvage},
};
use crate::archive::{
    ArchiveError,
    event::Skipped,
    format::{archive_file::Archive, entry::EntryKind},
};
use crate::cancel::Cancel;

/// The most bytes the list of what is lost takes: an archive may hold millions of entries.
const MAX_LIST: usize = 8 << 20;

/// The damage of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The entries that are lost, or not whole, and why: the first 8 MiB of the list. What has no name any
    /// more stands there under that of the archive.
    pub lost: Vec<Skipped>,
    /// The number of them in all.
    pub n_lost: usize,
    /// The other archives that have what is damaged.
    pub healed: Vec<Healed>,
    list_size: usize,
}

impl Damage {
    fn push(&mut self, path: &Path, reason: String) {
        self.n_lost += 1;
        self.list_size += path.as_os_str().len() + reason.len() + size_of::<Skipped>();
        if self.list_size <= MAX_LIST {
            self.lost.push(Skipped { path: path.to_owned(), reason, is_fault: true });
        }
    }
}

/// Reads all of `archive` that can be read, and returns what cannot.
///
/// With `heal`, what other archives of that folder have is not lost. `on_bytes` hears how many bytes of the
/// file were read.
pub fn survey<'a>(
    archive: impl Into<Archive<'a>>,
    heal: Option<&Path>,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Damage, ArchiveError> {
    let archive = archive.into();
    let mut reader = Salvage::open(archive, heal, cancel)?;
    let mut damage = Damage::default();
    // A link is lost with the last version of its first name that came before it. There may be millions of
    // paths, so their hashes are kept.
    let mut lost_paths = HashSet::new();
    let random = RandomState::new();
    let hash = |path: &Path| random.hash_one(without_dot(path));
    let mut buffer = vec![0; 128 << 10];
    while let Some(found) = reader.next()? {
        let (path, reason) = match found {
            Found::Lost(lost) => (lost.path, Some(lost.reason)),
            Found::Entry(entry) => {
                let reason = match &entry.kind {
                    EntryKind::HardLink { target } if lost_paths.contains(&hash(target)) => {
                        Some(format!("its first name is lost, `{}`", target.display()))
                    }
                    _ => read_whole(&mut reader, &mut buffer, on_bytes)?,
                };
                (Some(entry.path), reason)
            }
        };
        on_bytes(reader.n_taken());
        match (path, reason) {
            (path, Some(reason)) => {
                damage.push(path.as_deref().unwrap_or(archive.path), reason);
                lost_paths.extend(path.map(|path| hash(&path)));
            }
            (Some(path), None) => {
                lost_paths.remove(&hash(&path));
            }
            (None, None) => {}
        }
    }
    damage.healed = summed(reader.healed());
    Ok(damage)
}

/// Reads the content of the current entry to its end; returns why it is lost, if it is.
fn read_whole(
    reader: &mut Salvage,
    buffer: &mut [u8],
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Option<String>, ArchiveError> {
    loop {
        match reader.read_content(buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => on_bytes(reader.n_taken()),
            Err(ArchiveError::Damaged { reason, .. }) => return Ok(Some(reason)),
            Err(error) => return Err(error),
        }
    }
}
