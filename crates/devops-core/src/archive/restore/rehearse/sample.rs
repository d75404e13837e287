//! Chooses a random sample of the entries of an archive, the same one for the same number.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    archive::{
        ArchiveError,
        format::{archive_file::Archive, entry::EntryKind},
        read::{
            entry_filter::without_dot,
            entry_listing::{EntryListing, ListedEntry},
        },
    },
    cancel::Cancel,
};

/// The chosen entries by their path; of several versions the last, as a restore has it.
pub(super) struct Sample {
    pub(super) chosen: BTreeMap<PathBuf, ListedEntry>,
    /// The first names of the hard links among them, without slashes in front.
    first_links: BTreeMap<PathBuf, ListedEntry>,
    /// The number of entries to choose from.
    pub(super) n_of: u64,
}

impl Sample {
    /// Chooses each with the probability `share`; if that is none, the first by its draw.
    pub(super) fn choose(
        catalog: &mut EntryListing,
        seed: u64,
        share: f64,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let mut sample = Self { chosen: BTreeMap::new(), first_links: BTreeMap::new(), n_of: 0 };
        let mut first: Option<(u64, ListedEntry)> = None;
        while let Some(listed) = catalog.next()? {
            cancel.check()?;
            let path = &listed.entry.path;
            if !is_restored(&listed.entry.kind) {
                sample.chosen.remove(path);
                first = first.filter(|(_, first)| first.entry.path != *path);
                continue;
            }
            sample.n_of += 1;
            let draw = draw(seed, path);
            if is_within(draw, share) {
                sample.chosen.insert(path.clone(), listed);
            } else if first.as_ref().is_none_or(|(least, _)| draw <= *least) {
                first = Some((draw, listed));
            }
        }
        if let Some((_, first)) = first.filter(|_| sample.chosen.is_empty()) {
            sample.chosen.insert(first.entry.path.clone(), first);
        }
        Ok(sample)
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.chosen.keys().cloned().collect()
    }

    /// Looks for the first names of the hard links, whose properties theirs are.
    pub(super) fn find_first_names(
        &mut self,
        archive: Archive<'_>,
        cancel: &Cancel,
    ) -> Result<(), ArchiveError> {
        let links = self.chosen.values().filter_map(|listed| target(listed));
        let wanted: BTreeSet<PathBuf> = links.map(Path::to_owned).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut catalog = EntryListing::open(archive, cancel)?;
        while let Some(listed) = catalog.next()? {
            cancel.check()?;
            let path = without_dot(&listed.entry.path);
            if wanted.contains(path) {
                self.first_links.insert(path.to_owned(), listed);
            }
        }
        Ok(())
    }

    /// Returns the first name of a hard link, with its path.
    pub(super) fn first_name(&self, link: &ListedEntry) -> Option<(&Path, &ListedEntry)> {
        let (path, listed) = self.first_links.get_key_value(target(link)?)?;
        Some((path.as_path(), listed))
    }
}

/// Returns the target of a hard link.
fn target(listed: &ListedEntry) -> Option<&Path> {
    match &listed.entry.kind {
        EntryKind::HardLink { target } => Some(without_dot(target)),
        _ => None,
    }
}

/// Returns whether a restore without privileges makes such an entry.
fn is_restored(kind: &EntryKind) -> bool {
    match kind {
        EntryKind::File
        | EntryKind::Folder
        | EntryKind::Symlink { .. }
        | EntryKind::HardLink { .. }
        | EntryKind::Fifo => true,
        EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. }
        | EntryKind::Unsupported { .. } => false,
    }
}

/// Returns a number that depends on nothing but the seed and the path.
fn draw(seed: u64, path: &Path) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(path.as_os_str().as_bytes());
    let mut draw = [0; 8];
    hasher.finalize_xof().fill(&mut draw);
    u64::from_le_bytes(draw)
}

#[allow(clippy::cast_precision_loss, reason = "a share is a percentage")]
fn is_within(draw: u64, share: f64) -> bool {
    draw as f64 <= share * u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_about_its_share_and_depends_on_the_seed_alone() {
        let chosen = |seed, share| -> Vec<u32> {
            let is_chosen = |n: &u32| is_within(draw(seed, Path::new(&n.to_string())), share);
            (0..10_000).filter(is_chosen).collect()
        };

        assert_eq!(chosen(1, 1.0).len(), 10_000);
        let n = chosen(1, 0.05).len();
        assert!((400..600).contains(&n), "{n}");
        assert_eq!(chosen(1, 0.05), chosen(1, 0.05));
        assert_ne!(chosen(1, 0.05), chosen(2, 0.05));
    }
}
