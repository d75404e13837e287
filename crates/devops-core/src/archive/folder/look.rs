//! Looks at the archives of a folder: at the two ends of each, whatever it holds between them.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, statat};
use time::{OffsetDateTime, Time};

use super::{
    facts::{ArchiveFacts, ArchiveState},
    paths::{FolderPaths, archive_paths, stem},
    turns::in_turns,
    verdict,
};
use crate::{
    archive::{
        ArchiveError,
        format::{
            archive_file::{Archive, ArchiveFile, sealed_flaw},
            encryption::Keys,
            index::Index,
            stat::Meta,
        },
        read::{entry_filter::EntryFilter, ownership::mark, reader::Reader},
    },
    archive_index::{
        ArchiveName, Origin, SeriesMap,
        sniff::{FileSignature, SNIFF_LEN},
    },
    cancel::Cancel,
    fs::{IoResultExt, PathError},
    verdicts::Verdicts,
};

/// The first bytes in which most archives say where they came from.
const SHORT: u64 = 4 << 10;
/// The reason that an archive is damaged which ends as one and does not begin as one.
const HEADLESS: &str = "it does not begin as an archive";

/// A folder, and what is needed to look into it.
#[derive(Clone, Copy, Debug)]
pub struct FolderOptions<'a> {
    /// The folder with the archives.
    pub folder: &'a Path,
    /// The keys for encrypted archives.
    pub keys: &'a Keys,
    /// The time it is; its offset holds for dates in names.
    pub now: OffsetDateTime,
    /// The folder for what this host found out about archives, if there is one.
    pub state: Option<&'a Path>,
}

/// Looks at all archives of a folder, by series and the oldest first; returns how many other files
/// there are, too.
///
/// Reads a few kilobytes of each, and the first entry of those that have no index. One that cannot be
/// read, or is damaged, is among them and says so.
pub fn look_into(
    options: &FolderOptions<'_>,
    cancel: &Cancel,
) -> Result<(Vec<ArchiveFacts>, usize), ArchiveError> {
    let FolderPaths { archives: paths, n_others } = archive_paths(options.folder)?;
    let mut archives = Vec::with_capacity(paths.len());
    let mut verdicts: BTreeMap<String, Verdicts> = BTreeMap::new();
    let look = |path: &PathBuf| look(path, options, cancel);
    let refused = |error| unread(options.folder, error);
    in_turns(&paths, &look, &refused, &mut |_, looked: Result<_, ArchiveError>| {
        let Looked { mut facts, mark } = looked?;
        let name = facts.name.clone();
        let verdicts = verdicts
            .entry(name)
            .or_insert_with_key(|name| verdict::open(options.state, options.folder, name));
        verdict::apply(&mut facts, &mark, verdicts);
        archives.push(facts);
        Ok(())
    })?;
    set_series(&mut archives);
    archives.sort_by_cached_key(|facts| (facts.named_series(), facts.time, facts.path.clone()));
    Ok((archives, n_others))
}

/// Returns for each archive whether a pattern matches its NAME or its file name; without patterns all are meant.
///
/// Fails with [`ArchiveError::NothingMatches`] where a pattern matches none.
pub fn matching_names(
    options: &FolderOptions<'_>,
    archives: &[ArchiveFacts],
    patterns: &[OsString],
) -> Result<Vec<bool>, ArchiveError> {
    let mut wanted = EntryFilter::patterns(patterns)?;
    let mut is_wanted = |facts: &ArchiveFacts| {
        let by_name = wanted.matches(Path::new(&facts.name));
        let file_name = facts.path.file_name().unwrap_or_default();
        wanted.matches(Path::new(file_name)) || by_name
    };
    let chosen = archives.iter().map(&mut is_wanted).collect();
    match wanted.unmatched().next() {
        None => Ok(chosen),
        Some(pattern) => Err(ArchiveError::NothingMatches {
            archive: options.folder.to_owned(),
            wanted: pattern.to_owned(),
        }),
    }
}

/// Finds the series of each among all archives of its NAME.
fn set_series(archives: &mut [ArchiveFacts]) {
    archives.sort_by(|a, b| a.name.cmp(&b.name));
    for group in archives.chunk_by_mut(|a, b| a.name == b.name) {
        let origins: Vec<_> = group.iter().map(|facts| facts.origin.clone()).collect();
        let map = SeriesMap::new(origins.iter().flatten());
        for (facts, origin) in group.iter_mut().zip(&origins) {
            facts.series = origin.as_ref().map(|origin| map.series(origin));
        }
    }
}

fn unread(folder: &Path, error: io::Error) -> ArchiveError {
    PathError { action: "read", path: folder.to_owned(), source: error }.into()
}

/// An archive, and the mark that tells its file from another one of the name.
struct Looked {
    facts: ArchiveFacts,
    mark: String,
}

/// The results of reading the ends of an archive.
struct Ends {
    origin: Option<Origin>,
    n_entries: Option<u64>,
    is_encrypted: bool,
    state: ArchiveState,
}

impl Ends {
    fn only(state: ArchiveState) -> Self {
        Self { origin: None, n_entries: None, is_encrypted: false, state }
    }
}

/// Looks at one archive; fails only when a signal comes.
fn look(path: &Path, options: &FolderOptions<'_>, cancel: &Cancel) -> Result<Looked, ArchiveError> {
    cancel.check()?;
    let file_name = path.file_name().unwrap_or_default();
    let meta = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).at(path, "read").map(Meta::from);
    let ends = match ends(Archive { path, keys: options.keys }, cancel) {
        Err(ArchiveError::Cancelled(error)) => return Err(error.into()),
        ends => ends.unwrap_or_else(|error| Ends::only(state_of(&error))),
    };
    let named = ArchiveName::parse(file_name);
    let modified = meta.as_ref().ok().and_then(|meta| meta.mtime.to_utc());
    let time = match (&ends.origin, &named) {
        (Some(origin), _) => origin.started,
        (None, Some(named)) => {
            let time = named.time.unwrap_or(Time::MIDNIGHT);
            named.date.with_time(time).assume_offset(options.now.offset())
        }
        (None, None) => modified.unwrap_or(OffsetDateTime::UNIX_EPOCH),
    };
    let facts = ArchiveFacts {
        path: path.to_owned(),
        name: named.map_or_else(|| shown(file_name), |named| named.name.to_string()),
        origin: ends.origin,
        series: None,
        time,
        size: meta.as_ref().map_or(0, |meta| meta.size),
        n_entries: ends.n_entries,
        // What cannot be opened at all is told by its name.
        is_encrypted: ends.is_encrypted || path.extension() == Some(OsStr::new("age")),
        state: ends.state,
        proven: None,
    };
    Ok(Looked { facts, mark: meta.as_ref().map(mark).unwrap_or_default() })
}

/// Returns what stands for the NAME of an archive that is named otherwise.
fn shown(file_name: &OsStr) -> String {
    stem(file_name).unwrap_or(file_name).to_string_lossy().into_owned()
}

fn state_of(error: &ArchiveError) -> ArchiveState {
    match error {
        ArchiveError::NotAnArchive { .. } => ArchiveState::NotAnArchive,
        ArchiveError::Damaged { reason, .. } => ArchiveState::Damaged(reason.clone()),
        ArchiveError::Path(error) => ArchiveState::Unreadable(error.source.to_string()),
        other => ArchiveState::Unreadable(other.to_string()),
    }
}

fn ends(archive: Archive<'_>, cancel: &Cancel) -> Result<Ends, ArchiveError> {
    let stored = match ArchiveFile::open(archive) {
        Ok(stored) => stored,
        Err(error) => return encrypted(archive.path, error),
    };
    let is_encrypted = stored.is_encrypted();
    let beginning = beginning(&stored).at(archive.path, "read")?;
    let n_entries = Index::footer(&stored).map(|footer| footer.n_entries);
    let (origin, state) = match (beginning, n_entries) {
        (FileSignature::Ours(origin), Some(_)) => (Some(origin), ArchiveState::Indexed),
        (FileSignature::Ours(origin), None) => (Some(origin), ArchiveState::Unindexed),
        (FileSignature::Gzip, Some(_)) => (None, ArchiveState::Indexed),
        (_, Some(_)) => (None, ArchiveState::Damaged(HEADLESS.to_owned())),
        (_, None) => {
            let ends = first_entry(archive.path, stored, cancel)?;
            return Ok(Ends { is_encrypted, ..ends });
        }
    };
    Ok(Ends { origin, n_entries, is_encrypted, state })
}

/// Returns where an archive says it came from, if it can be read that far.
pub fn origin(archive: Archive<'_>, cancel: &Cancel) -> Option<Origin> {
    ends(archive, cancel).ok()?.origin
}

/// Says what is known of an archive that no key opens, and passes on what is wrong with another one.
fn encrypted(path: &Path, error: ArchiveError) -> Result<Ends, ArchiveError> {
    if !matches!(error, ArchiveError::Encrypted { .. }) {
        return Err(error);
    }
    let (flaw, _) = sealed_flaw(path)?;
    let state = flaw.map_or(ArchiveState::Encrypted, |flaw| ArchiveState::Damaged(flaw.to_owned()));
    Ok(Ends { is_encrypted: true, ..Ends::only(state) })
}

/// Reads the beginning of an archive; few have one that is long.
fn beginning(stored: &ArchiveFile) -> io::Result<FileSignature> {
    let mut found = FileSignature::Other;
    for most in [SHORT, SNIFF_LEN] {
        let n = usize::try_from(most.min(stored.n_bytes())).unwrap_or_default();
        found = FileSignature::read(&stored.bytes(0, n, 0)?);
        if found != FileSignature::Gzip || stored.n_bytes() <= most {
            break;
        }
    }
    Ok(found)
}

/// Reads an archive without an index as far as its first entry.
fn first_entry(path: &Path, stored: ArchiveFile, cancel: &Cancel) -> Result<Ends, ArchiveError> {
    let mut reader = Reader::stream(path, stored, cancel)?;
    let is_empty = reader.next_entry()?.is_none();
    let origin = reader.origin().cloned();
    let state = if origin.is_some() { ArchiveState::Unindexed } else { ArchiveState::Foreign };
    Ok(Ends { origin, n_entries: is_empty.then_some(0), ..Ends::only(state) })
}
