//! Finds every version of paths over the archives of a folder: from their indexes, and by reading those
//! that have none.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    facts::ArchiveFacts,
    history::{Content, Histories, History},
    look::{FolderOptions, look_into},
    turns::in_turns,
};
use crate::{
    archive::{
        ArchiveError,
        event::Skipped,
        format::{
            archive_file::{Archive, ArchiveFile},
            encryption::Keys,
            entry::{Entry, EntryKind},
            index::Index,
        },
        read::{
            entry_filter::{EntryFilter, without_dot},
            entry_listing::{hash, next_entry},
            salvage::Salvage,
        },
    },
    cancel::Cancel,
    fs::PathError,
};

/// An event of a search.
#[derive(Debug)]
pub enum FindEvent<'a> {
    /// This many bytes of archives are done, of so many in all.
    Bytes(u64, u64),
    /// An archive was not searched, or not to its end.
    Skipped(&'a Skipped),
}

/// The result of a search.
#[derive(Debug, Default)]
pub struct Found {
    /// The archives of the folder, by series and the oldest first.
    pub archives: Vec<ArchiveFacts>,
    /// The paths that match, each with its versions.
    pub histories: Vec<History>,
    /// The archives that were not searched, or not to their end.
    pub skipped: Vec<Skipped>,
    /// Is set if one of them is damaged.
    pub is_damaged: bool,
    /// The patterns that matched nothing.
    pub unmatched: Vec<String>,
}

/// The result of searching one archive.
struct Searched {
    matches: Vec<(PathBuf, Content)>,
    failure: Option<ArchiveError>,
}

/// Finds what matches one of `globs` in the archives of a folder, as [`list`](crate::archive::list()) does in
/// one.
///
/// An archive without an index is read to its end. What cannot be searched is named, and the rest is
/// searched.
pub fn find(
    options: &FolderOptions<'_>,
    globs: &[OsString],
    cancel: &Cancel,
    on_event: &mut dyn FnMut(FindEvent<'_>),
) -> Result<Found, ArchiveError> {
    let mut wanted = EntryFilter::patterns(globs)?;
    let (archives, _) = look_into(options, cancel)?;
    let n_bytes = archives.iter().map(|facts| facts.size).sum();
    let mut found = Found::default();
    let (mut histories, mut n_done) = (Histories::default(), 0);
    let mut last_series = None;
    let numbered: Vec<_> = archives.iter().enumerate().collect();
    let tests = wanted.clone();
    let work = |(_, facts): &(usize, &ArchiveFacts)| search(facts, options.keys, &tests, cancel);
    let refused =
        |source| PathError { action: "search", path: options.folder.to_owned(), source }.into();
    in_turns(&numbered, &work, &refused, &mut |&(n, facts), searched: Searched| {
        let series = Some(facts.named_series());
        if series != last_series {
            histories.begin_series(n);
            last_series = series;
        }
        for (path, content) in searched.matches {
            wanted.matches(&path);
            histories.push(n, &path, content);
        }
        n_done += facts.size;
        on_event(FindEvent::Bytes(n_done, n_bytes));
        searched.failure.map_or(Ok(()), |error| leave_out(facts, error, &mut found, on_event))
    })?;
    found.histories = histories.finish();
    found.unmatched = wanted.unmatched().map(ToOwned::to_owned).collect();
    Ok(Found { archives, ..found })
}

/// Names an archive that was not searched to its end, unless a signal ended the search.
fn leave_out(
    facts: &ArchiveFacts,
    error: ArchiveError,
    found: &mut Found,
    on_event: &mut dyn FnMut(FindEvent<'_>),
) -> Result<(), ArchiveError> {
    let reason = match error {
        ArchiveError::Cancelled(_) => return Err(error),
        ArchiveError::Encrypted { reason, .. } => {
            format!("not searched: it is encrypted, and {reason}")
        }
        ArchiveError::NotAnArchive { .. } => "not searched: it is not an archive".to_owned(),
        ArchiveError::Path(error) => format!("not searched: {error}: {}", error.source),
        ArchiveError::Damaged { ref reason, .. } => {
            format!("searched as far as it can be read: {reason}")
        }
        other => format!("not searched: {other}"),
    };
    found.is_damaged |= reason.starts_with("searched");
    let skipped = Skipped { path: facts.path.clone(), reason, is_fault: true };
    on_event(FindEvent::Skipped(&skipped));
    found.skipped.push(skipped);
    Ok(())
}

fn search(facts: &ArchiveFacts, keys: &Keys, wanted: &EntryFilter, cancel: &Cancel) -> Searched {
    let mut matches = Vec::new();
    let archive = Archive { path: &facts.path, keys };
    let failure = search_into(&mut matches, archive, wanted, cancel).err();
    Searched { matches, failure }
}

fn search_into(
    matches: &mut Vec<(PathBuf, Content)>,
    archive: Archive<'_>,
    wanted: &EntryFilter,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    cancel.check()?;
    let stored = ArchiveFile::open(archive)?;
    if let Some(found) = in_index(&stored, wanted) {
        *matches = found;
        return Ok(());
    }
    in_stream(matches, &mut Salvage::open(archive, None, cancel)?, wanted)
}

/// Searches an index; `None` without one that can be believed.
fn in_index(stored: &ArchiveFile, wanted: &EntryFilter) -> Option<Vec<(PathBuf, Content)>> {
    let (mut matches, mut n_hashes) = (Vec::new(), 0);
    let index = Index::read_showing(stored, &mut |record| {
        let n_hash = record.has_hash().then_some(n_hashes);
        n_hashes += usize::from(record.has_hash());
        if wanted.has(&record.entry.path) {
            matches.push((record.clone(), n_hash));
        }
    })?;
    let mut matches: Vec<_> = matches
        .into_iter()
        .map(|(record, n_hash)| {
            let hash = n_hash.and_then(|n| index.hash(n)).map(|hash| record.content_hash(hash));
            let content = Content { hash, ..content(&record.entry) };
            (record.entry.path, content)
        })
        .collect();
    follow_links(&mut matches, &index);
    Some(matches)
}

/// Gives a further name of a file the content of its first name.
fn follow_links(matches: &mut [(PathBuf, Content)], index: &Index) {
    let mut targets = HashMap::new();
    for (_, content) in matches.iter() {
        if let EntryKind::HardLink { target } = &content.kind {
            targets.insert(target.clone(), None);
        }
    }
    if targets.is_empty() {
        return;
    }
    for indexed in index.entries() {
        let entry = &indexed.record.entry;
        if let Some(found) = targets.get_mut(&entry.path) {
            *found = Some((entry.size, indexed.hash));
        }
    }
    for (_, content) in matches {
        if let EntryKind::HardLink { target } = &content.kind
            && let Some(Some((size, hash))) = targets.get(target)
        {
            (content.size, content.hash) = (*size, *hash);
        }
    }
}

/// Searches an archive by reading it to its end, past damage.
fn in_stream(
    matches: &mut Vec<(PathBuf, Content)>,
    reader: &mut Salvage,
    wanted: &EntryFilter,
) -> Result<(), ArchiveError> {
    while let Some(entry) = next_entry(reader)? {
        if !wanted.has(&entry.path) {
            continue;
        }
        let has_content = entry.kind == EntryKind::File && entry.size > 0;
        let hash = if has_content { Some(hash(&entry, reader)?) } else { None };
        matches.push((shown(&entry.path).to_owned(), Content { hash, ..content(&entry) }));
    }
    reader.take_damage().map_or(Ok(()), Err)
}

fn content(entry: &Entry) -> Content {
    let Entry { kind, size, mtime, .. } = entry;
    Content { kind: kind.clone(), size: *size, mtime: *mtime, hash: None }
}

/// Returns the path as our own archives have it.
fn shown(path: &Path) -> &Path {
    let path = without_dot(path);
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
