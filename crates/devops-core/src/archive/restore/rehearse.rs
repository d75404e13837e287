//! Rehearses a restore: brings a random share of an archive back and compares it.
//!
//! `sample` chooses, [`restore`] brings back into a private folder, `check` compares with what the archive
//! says of each entry, and with the source where a file did not change since.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use super::{OverwritePolicy, RestoreEvent, RestoreOptions, restore};
use crate::archive::{
    ArchiveError,
    event::Skipped,
    format::{
        archive_file::Archive,
        entry::{Entry, Xattr},
    },
    read::entry_listing::EntryListing,
    scan::attributes::AttributeReader,
};
use crate::{
    cancel::Cancel,
    fs::{IoResultExt, Lookup, PrivateFolder, create_folders},
};

mod abilities;
mod check;
mod sample;

use abilities::Abilities;
use check::{Check, Subject, Tree};
use sample::Sample;

/// The beginning of the names of the private folders.
const PREFIX: &str = "devops-rehearsal-";

/// A request for a rehearsal.
#[derive(Clone, Copy, Debug)]
pub struct RehearsalRequest<'a> {
    /// The archive.
    pub archive: Archive<'a>,
    /// The share of its entries that is restored, at least one; devices are left out, which only a privileged
    /// restore makes.
    pub share: f64,
    /// Chooses the sample: the same number chooses the same files.
    pub seed: u64,
    /// The folder, made if missing, for the private folder that is restored into and removed afterwards.
    pub folder: &'a Path,
    /// The source to compare with, where it did not change since the archive was made.
    pub source: Option<&'a Path>,
}

/// The result of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// The number that chose the sample.
    pub seed: u64,
    /// The number of entries that were restored.
    pub n_sampled: u64,
    /// The number of them of each kind, as `EntryKind::name` has it.
    pub n_of_kind: BTreeMap<&'static str, u64>,
    /// The properties that were compared.
    pub compared: Vec<&'static str>,
    /// The number that the archive has.
    pub n_of: u64,
    /// The bytes of those that were restored.
    pub n_bytes: u64,
    /// The number of those that were compared with the source as well.
    pub n_like_source: u64,
    /// The things that are not as the archive or the source says.
    pub differences: Vec<Skipped>,
}

/// Restores a random sample of an archive into a private folder, compares it, and removes it.
///
/// Fails as [`restore`] does; what a folder that a killed process left behind is removed first.
pub fn rehearse(
    request: &RehearsalRequest<'_>,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Rehearsed, ArchiveError> {
    let RehearsalRequest { archive, share, seed, folder, source } = *request;
    let mut catalog = EntryListing::open_hashed(archive, cancel)?;
    let started = catalog.origin().ok().flatten().map(|origin| origin.started);
    let mut sample = Sample::choose(&mut catalog, seed, share, cancel)?;
    drop(catalog);
    sample.find_first_names(archive, cancel)?;
    create_folders(folder)?;
    PrivateFolder::remove_stale(folder, PREFIX);
    let private = PrivateFolder::create(folder, PREFIX)?;
    let abilities = Abilities::of(private.path()).at(private.path(), "try")?;
    let to = private.path().join("restored");
    let restored = restore_entries(archive, &sample.paths(), &to, cancel, on_bytes)?;
    let check = Check {
        restored: Tree::open(&to).at(&to, "open")?,
        // One that is gone has changed since.
        source: source.and_then(|source| Tree::open(source).ok()),
        abilities,
        attributes: AttributeReader::new(false),
        settled: started.and_then(settled),
        cancel,
    };
    let compared = abilities.compared();
    let rehearsed = Rehearsed { seed, n_of: sample.n_of, compared, ..Rehearsed::default() };
    compare(&sample, &restored, &check, rehearsed)
}

/// Compares the sample, one entry after the other, and adds what is found.
fn compare(
    sample: &Sample,
    restored: &Restored,
    check: &Check<'_>,
    mut rehearsed: Rehearsed,
) -> Result<Rehearsed, ArchiveError> {
    for (path, expected) in &sample.chosen {
        check.cancel.check()?;
        rehearsed.n_sampled += 1;
        *rehearsed.n_of_kind.entry(expected.entry.kind.name()).or_default() += 1;
        rehearsed.n_bytes += expected.entry.size;
        let first = sample.first_name(expected);
        let answer = check.one(Subject {
            path,
            listed: first.map_or(expected, |(_, listed)| listed),
            first: first.map(|(path, _)| path),
            xattrs: restored.xattrs.get(path).filter(|_| first.is_none()).map(Vec::as_slice),
        })?;
        rehearsed.n_like_source += u64::from(answer.is_like_source);
        let said = restored.reasons.get(path);
        let reason = answer.difference.map(|what| said.cloned().unwrap_or(what));
        rehearsed.differences.extend(reason.map(|reason| Skipped {
            path: path.clone(),
            reason,
            is_fault: true,
        }));
    }
    Ok(rehearsed)
}

/// The messages of a restore about entries, by their paths.
#[derive(Default)]
struct Restored {
    /// The reason they are not as they should be.
    reasons: BTreeMap<PathBuf, String>,
    /// The attributes that they have in the archive.
    xattrs: BTreeMap<PathBuf, Vec<Xattr>>,
}

/// Restores some entries, and nothing that is below them.
fn restore_entries(
    archive: Archive<'_>,
    paths: &[PathBuf],
    folder: &Path,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Restored, ArchiveError> {
    let mut restored = Restored::default();
    if paths.is_empty() {
        create_folders(folder)?;
        return Ok(restored);
    }
    let options = RestoreOptions {
        archive,
        paths,
        is_exact: true,
        folder,
        overwrite: OverwritePolicy::Never,
        strip_components: 0,
        privileged: false,
        numeric_owner: true,
        root: Path::new("/"),
        heal: None,
        lookup: Lookup::Kernel,
    };
    restore(&options, cancel, &mut |event| match event {
        RestoreEvent::Bytes(n_bytes) => on_bytes(n_bytes),
        RestoreEvent::Skipped(Skipped { path, reason, .. }) => {
            restored.reasons.insert(path.clone(), reason.clone());
        }
        RestoreEvent::Restored(Entry { path, xattrs, .. }) => {
            restored.xattrs.insert(path.clone(), xattrs.clone());
        }
        RestoreEvent::Note(_) => {}
    })?;
    Ok(restored)
}

/// Returns the second before which a file must have been changed for the last time, so that a change after
/// it was read would show in its time: clocks of file systems are coarse.
fn settled(started: OffsetDateTime) -> Option<i64> {
    started.unix_timestamp().checked_sub(2)
}
