//! Hard links whose first name this run has not made: it was not wanted, exists already, or comes later.

use std::{collections::BTreeMap, path::Path};

use super::{
    Restorer,
    deferred::kept,
    entry_error::{EntryError, EntryWarning},
    place::{normalize, place},
};
use crate::{
    archive::{
        ArchiveError,
        format::entry::{Entry, EntryKind},
        read::{
            entry_filter,
            salvage::{Found, Lost, Salvage},
            versions::{LockOwner, holders},
        },
    },
    cancel::Cancel,
};

/// How many bytes of links are looked for in one pass over the archive.
const MAX_BATCH: usize = 32 << 20;

/// Links by the number of the entry that holds their content.
type Waiting = BTreeMap<u64, Vec<Entry>>;

impl Restorer<'_> {
    /// Links to a first name restored by this run, or keeps the link for later.
    pub(super) fn link(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        match self.linked(entry) {
            Ok(Some(notes)) => self.count(entry, Ok(notes)),
            Ok(None) => self.defer(entry),
            Err(error) => self.error(&entry.path, error),
        }
    }

    /// Restores links whose first name came later, was not wanted, or is there already: for the last two
    /// it reads the archive once more for the content.
    pub(super) fn late_links(&mut self, cancel: &Cancel) -> Result<(), ArchiveError> {
        loop {
            let links = self.batch(cancel)?;
            if links.is_empty() {
                return Ok(());
            }
            let mut waiting = self.waiting(links, cancel)?;
            let is_first = &mut |number, _: &Path| waiting.contains_key(&number);
            let (archive, heal) = (self.options.archive, self.options.heal);
            let mut reader = Salvage::open_some(archive, heal, cancel, Some(is_first))?;
            self.first_links(&mut reader, &mut waiting)?;
            self.note_damage(&mut reader);
            for entry in waiting.into_values().flatten() {
                self.refuse(&entry)?;
            }
        }
    }

    /// Returns links that still have no first name, as many as fit in memory.
    fn batch(&mut self, cancel: &Cancel) -> Result<Vec<Entry>, ArchiveError> {
        let (mut waiting, mut size) = (Vec::new(), 0);
        while size < MAX_BATCH {
            cancel.check()?;
            let Some(entry) = self.links.next().map_err(kept)? else { break };
            match self.linked(&entry) {
                Ok(Some(notes)) => self.count(&entry, Ok(notes))?,
                Ok(None) => {
                    let EntryKind::HardLink { target } = &entry.kind else { continue };
                    // Each stands in the entry, in what is looked for and in what is found, and lists grow.
                    size += 512 + 8 * (target.as_os_str().len() + entry.path.as_os_str().len());
                    waiting.push(entry);
                }
                Err(error) => self.error(&entry.path, error)?,
            }
        }
        Ok(waiting)
    }

    /// Finds the entries that hold the content of links; names links to something else, or to nothing.
    fn waiting(&mut self, links: Vec<Entry>, cancel: &Cancel) -> Result<Waiting, ArchiveError> {
        let paths =
            links.iter().map(|link| entry_filter::without_dot(&link.path).to_owned()).collect();
        let mut waiting = Waiting::new();
        for (link, holder) in links.into_iter().zip(holders(self.options.archive, paths, cancel)?) {
            match holder {
                LockOwner::File(number) => waiting.entry(number).or_default().push(link),
                _ => self.refuse(&link)?,
            }
        }
        Ok(waiting)
    }

    /// Makes the link if this run has made its first name; `None` if it has not.
    fn linked(&mut self, entry: &Entry) -> Result<Option<Vec<EntryWarning>>, EntryError> {
        let EntryKind::HardLink { target } = &entry.kind else { return Ok(None) };
        let n_stripped = self.options.strip_components;
        let first = normalize(target)
            .map_err(|reason| EntryError::refused(format!("its target {reason}")))?;
        let Ok(Some(first)) = place(&first, n_stripped) else { return Ok(None) };
        let Ok(Some(place)) = place(&entry.path, n_stripped) else { return Ok(None) };
        self.target.hard_link(&place, &first, entry)
    }

    /// Restores the content of first names under the names that wait for it.
    fn first_links(
        &mut self,
        reader: &mut Salvage,
        waiting: &mut Waiting,
    ) -> Result<(), ArchiveError> {
        while let Some(found) = reader.next()? {
            match found {
                Found::Entry(entry) => {
                    if let Some(links) = waiting.remove(&reader.number()) {
                        self.first_name(&entry, reader, links)?;
                    }
                }
                Found::Lost(Lost { path: Some(_), reason }) => {
                    for link in waiting.remove(&reader.number()).into_iter().flatten() {
                        self.lost(&link.path, &reason)?;
                    }
                }
                Found::Lost(_) => {}
            }
        }
        Ok(())
    }

    /// Restores a file under the first of its names that works, and links the others to it.
    fn first_name(
        &mut self,
        file: &Entry,
        reader: &mut Salvage,
        links: Vec<Entry>,
    ) -> Result<(), ArchiveError> {
        let mut links = links.into_iter();
        let Some(first) = links.next() else { return Ok(()) };
        let n_stripped = self.options.strip_components;
        let Ok(Some(first_place)) = place(&first.path, n_stripped) else { return Ok(()) };
        let made = self.target.file(&first_place, file, reader);
        let is_made = made.is_ok();
        // The link itself has no size.
        self.summary.n_bytes += if is_made { file.size } else { 0 };
        self.count(&first, made)?;
        for link in links {
            let Ok(Some(place)) = place(&link.path, n_stripped) else { continue };
            let made =
                if is_made { self.target.hard_link(&place, &first_place, &link) } else { Ok(None) };
            match made {
                Ok(Some(notes)) => self.count(&link, Ok(notes))?,
                Ok(None) => self.refuse(&link)?,
                Err(error) => self.error(&link.path, error)?,
            }
        }
        Ok(())
    }

    fn refuse(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let reason = "its first name is not in the archive, or could not be restored";
        self.note(&entry.path, EntryWarning::fault(reason))
    }
}
