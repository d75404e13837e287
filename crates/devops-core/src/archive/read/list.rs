//! Lists the entries of an archive.

use std::ffi::OsString;

use super::{
    entry_filter::EntryFilter,
    entry_listing::{EntryListing, ListedEntry},
    reader::Reader,
};
use crate::archive::{
    ArchiveError,
    format::{
        archive_file::{Archive, ArchiveFile, unread},
        entry::Entry,
    },
};
use crate::{archive_index::Origin, cancel::Cancel};

/// A line of a list.
#[derive(Debug)]
pub enum ListEvent<'a> {
    /// The origin of the archive, first of all, if it is recorded.
    Origin(&'a Origin),
    /// An entry.
    Entry(&'a Entry),
    /// A remark about the archive that is no damage, last of all.
    Note(&'static str),
}

/// Shows the entries of `archive` that match one of `patterns`, or all; `on_event` returns whether to go on.
///
/// Fails with [`ArchiveError::NothingMatches`] when a pattern matched nothing, and with
/// [`ArchiveError::Damaged`] once all was shown that can be read of a damaged archive.
pub fn list<'a>(
    archive: impl Into<Archive<'a>>,
    patterns: &[OsString],
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ListEvent<'_>) -> bool,
) -> Result<(), ArchiveError> {
    let archive = archive.into();
    let mut wanted = EntryFilter::patterns(patterns)?;
    let mut catalog = EntryListing::open(archive, cancel)?;
    let mut damage = None;
    match catalog.origin() {
        Ok(Some(origin)) if !on_event(ListEvent::Origin(&origin)) => return Ok(()),
        Ok(_) => {}
        Err(error) => damage = Some(unread(archive.path, 0, error)),
    }
    loop {
        cancel.check()?;
        match catalog.next() {
            Ok(Some(ListedEntry { entry, .. })) => {
                if wanted.matches(&entry.path) && !on_event(ListEvent::Entry(&entry)) {
                    return Ok(());
                }
            }
            Ok(None) => break,
            Err(error @ ArchiveError::Damaged { .. }) => {
                damage.get_or_insert(error);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    for note in catalog.notes() {
        on_event(ListEvent::Note(note));
    }
    if let Some(damage) = damage {
        return Err(damage);
    }
    match wanted.unmatched().next() {
        Some(pattern) => Err(ArchiveError::NothingMatches {
            archive: archive.path.to_owned(),
            wanted: pattern.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Returns where an archive came from, by reading no more than its head; `None` for a foreign one.
pub(in crate::archive) fn origin_of(
    archive: Archive<'_>,
    cancel: &Cancel,
) -> Result<Option<Origin>, ArchiveError> {
    let mut reader = Reader::stream(archive.path, ArchiveFile::open(archive)?, cancel)?;
    reader.next_entry()?;
    Ok(reader.origin().cloned())
}
