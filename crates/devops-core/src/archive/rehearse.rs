//! Rehearses a restore: brings a random share of an archive back and compares it.
//!
//! `sample` chooses, [`restore`] brings back into a private folder, `check` compares with what the archive
//! says of each file, and with the source where it did not change since.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use super::{
    ArchiveError,
    catalog::Catalog,
    event::LeftOut,
    restore::{OverwritePolicy, RestoreEvent, RestoreOptions, restore},
    stored::Archive,
};
use crate::{
    cancel::Cancel,
    fs::{At, Lookup, PrivateFolder, create_folders},
};

mod check;
mod sample;

use check::{Check, Tree};
use sample::Sample;

/// The beginning of the names of the private folders.
const PREFIX: &str = "devops-rehearsal-";

/// A request for a rehearsal.
#[derive(Clone, Copy, Debug)]
pub struct RehearsalRequest<'a> {
    /// The archive.
    pub archive: Archive<'a>,
    /// The share of its files and links that is restored, at least one.
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
    /// The number of files and links that were restored.
    pub n_sampled: u64,
    /// The number that the archive has.
    pub n_of: u64,
    /// The bytes of those that were restored.
    pub n_bytes: u64,
    /// The number of those that were compared with the source as well.
    pub n_like_source: u64,
    /// The things that are not as the archive or the source says.
    pub differences: Vec<LeftOut>,
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
    let mut catalog = Catalog::open_hashed(archive, cancel)?;
    let started = catalog.origin().ok().flatten().map(|origin| origin.started);
    let sample = Sample::choose(&mut catalog, seed, share, cancel)?;
    drop(catalog);
    create_folders(folder)?;
    PrivateFolder::remove_stale(folder, PREFIX);
    let private = PrivateFolder::create(folder, PREFIX)?;
    let to = private.path().join("restored");
    let reasons = restore_paths(archive, &sample.paths(), &to, cancel, on_bytes)?;
    let mut rehearsed = Rehearsed { seed, n_of: sample.n_of, ..Rehearsed::default() };
    let restored = Tree::open(&to).at(&to, "open")?;
    // One that is gone has changed since.
    let source = source.and_then(|source| Tree::open(source).ok());
    let check = Check { restored, source, settled: started.and_then(settled), cancel };
    for (path, expected) in &sample.chosen {
        cancel.check()?;
        rehearsed.n_sampled += 1;
        rehearsed.n_bytes += expected.entry.size;
        let answer = check.one(path, expected)?;
        rehearsed.n_like_source += u64::from(answer.is_like_source);
        let reason = answer.difference.map(|what| reasons.get(path).cloned().unwrap_or(what));
        rehearsed.differences.extend(reason.map(|reason| LeftOut {
            path: path.clone(),
            reason,
            is_fault: true,
        }));
    }
    Ok(rehearsed)
}

/// Restores some paths; returns what was said of each.
fn restore_paths(
    archive: Archive<'_>,
    paths: &[PathBuf],
    folder: &Path,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<BTreeMap<PathBuf, String>, ArchiveError> {
    create_folders(folder)?;
    let mut reasons = BTreeMap::new();
    if paths.is_empty() {
        return Ok(reasons);
    }
    let options = RestoreOptions {
        archive,
        paths,
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
        RestoreEvent::LeftOut(LeftOut { path, reason, .. }) => {
            reasons.insert(path.clone(), reason.clone());
        }
        RestoreEvent::Note(_) => {}
    })?;
    Ok(reasons)
}

/// Returns the second before which a file must have been changed for the last time, so that a change after
/// it was read would show in its time: clocks of file systems are coarse.
fn settled(started: OffsetDateTime) -> Option<i64> {
    started.unix_timestamp().checked_sub(2)
}
