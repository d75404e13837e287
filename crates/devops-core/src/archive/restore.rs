//! Restores entries into a folder, and writes nothing outside it, whatever the archive says.
//!
//! `fs::RootedDir` reaches folders, never through a link; `target` makes one entry in a folder, under a
//! name from `temp_registry` that `temp_entry` turns into its own; `content` writes files and their holes; `metadata` sets
//! owner, attributes, mode and time by handle. Symbolic links are made after all files, and folders get
//! their modes and times last: `deferred` keeps both, on the disk if need be. `links` restores hard links
//! whose first name is not there.

use std::{io::Read, path::Path};

use super::{ArchiveError, event::Skipped};
use crate::archive::{
    format::entry::{Entry, EntryKind},
    read::{
        entry_filter::EntryFilter,
        reader::{HealedSegments, summed},
        salvage::{Found, Lost, Salvage},
    },
};
use crate::{
    cancel::Cancel,
    fs::{IoResultExt, create_folders},
};

mod content;
mod deferred;
mod durable;
mod entry_error;
mod hard_link;
mod links;
mod metadata;
mod names;
mod options;
mod place;
pub(in crate::archive) mod rehearse;
mod target;
mod temp_entry;
mod temp_registry;

use deferred::{Deferred, kept};
use entry_error::{EntryError, EntryWarning, RestoreResult};
pub use options::{OverwritePolicy, RestoreEvent, RestoreOptions, RestoreSummary};
use place::place;
use target::Target;

/// Restores what is wanted of an archive, past any damage.
///
/// Names in the summary whatever cannot or must not be restored, or is lost; everything else is restored.
/// Fails with [`ArchiveError::NothingMatches`] when nothing wanted is in the archive, and with
/// [`ArchiveError::Damaged`] when nothing at all can be read of it.
pub fn restore(
    options: &RestoreOptions<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(RestoreEvent<'_>),
) -> Result<RestoreSummary, ArchiveError> {
    let mut reader = open(options, cancel)?;
    // Nothing is made for a file that is no archive.
    let first = reader.next()?;
    if first.is_none()
        && let Some(error) = reader.take_damage()
    {
        return Err(error);
    }
    let mut restorer = Restorer::open(options, on_event)?;
    let read = restorer.in_order(&mut reader, first);
    let late = if read.is_ok() { restorer.late(cancel) } else { Ok(()) };
    let finished = restorer.finish();
    read.and(late).and(finished)?;
    for note in reader.notes() {
        restorer.summary.notes.push(note);
        (restorer.on_event)(RestoreEvent::Note(note));
    }
    restorer.note_damage(&mut reader);
    restorer.summary.healed = summed(&restorer.healed);
    restorer.name_unmatched()?;
    Ok(restorer.summary)
}

/// Opens the archive, to read no more of it than is wanted where an index allows that.
fn open(options: &RestoreOptions<'_>, cancel: &Cancel) -> Result<Salvage, ArchiveError> {
    if options.paths.is_empty() {
        return Salvage::open(options.archive, options.heal, cancel);
    }
    let mut wanted = wanted(options);
    let is_wanted = &mut |_, path: &Path| wanted.matches(path);
    Salvage::open_some(options.archive, options.heal, cancel, Some(is_wanted))
}

fn wanted(options: &RestoreOptions<'_>) -> EntryFilter {
    if options.is_exact {
        EntryFilter::entries(options.paths)
    } else {
        EntryFilter::paths(options.paths)
    }
}

/// Makes what it is given, one entry after the other; links wait for the end.
struct Restorer<'a> {
    options: &'a RestoreOptions<'a>,
    target: Target<'a>,
    wanted: EntryFilter,
    symlinks: Deferred,
    links: Deferred,
    summary: RestoreSummary,
    /// Is set once it was said that names lose their leading slashes.
    has_said_slash: bool,
    healed: HealedSegments,
    on_event: &'a mut dyn FnMut(RestoreEvent<'_>),
}

impl<'a> Restorer<'a> {
    /// Opens the target folder, and makes it if it is missing.
    fn open(
        options: &'a RestoreOptions<'a>,
        on_event: &'a mut dyn FnMut(RestoreEvent<'_>),
    ) -> Result<Self, ArchiveError> {
        let is_new = !options.folder.exists();
        create_folders(options.folder)?;
        Ok(Self {
            options,
            target: Target::open(options, is_new).at(options.folder, "open")?,
            wanted: wanted(options),
            symlinks: Deferred::new(),
            links: Deferred::new(),
            summary: RestoreSummary::default(),
            has_said_slash: false,
            healed: HealedSegments::new(),
            on_event,
        })
    }

    fn in_order(&mut self, reader: &mut Salvage, first: Option<Found>) -> Result<(), ArchiveError> {
        let mut next = first;
        while let Some(found) = next {
            match found {
                Found::Entry(entry) if self.wanted.matches(&entry.path) => {
                    self.entry(&entry, reader)?;
                    if let Some(doubt) = reader.take_doubt() {
                        self.note(&entry.path, EntryWarning::fault(doubt))?;
                    }
                }
                Found::Entry(_) => {}
                Found::Lost(Lost { path: Some(path), reason }) => {
                    if self.wanted.matches(&path) {
                        self.lost(&path, &reason)?;
                    }
                }
                Found::Lost(Lost { path: None, reason }) => {
                    self.lost(self.options.archive.path, &reason)?;
                }
            }
            (self.on_event)(RestoreEvent::Bytes(reader.n_taken()));
            next = reader.next()?;
        }
        Ok(())
    }

    /// Names something whose bytes are lost.
    fn lost(&mut self, path: &Path, reason: &str) -> Result<(), ArchiveError> {
        self.summary.n_lost += 1;
        self.note(path, EntryWarning::fault(format!("lost: {reason}")))
    }

    /// Keeps what a reader found damaged and what it healed.
    fn note_damage(&mut self, reader: &mut Salvage) {
        self.healed.extend(reader.healed().iter().cloned());
        if let Some(ArchiveError::Damaged { reason, .. }) = reader.damage() {
            self.summary.damage.get_or_insert_with(|| reason.clone());
        }
    }

    /// Restores an entry whose stored bytes are `content`.
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), ArchiveError> {
        let place = match place(&entry.path, self.options.strip_components) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(()),
            Err(reason) => return self.note(&entry.path, EntryWarning::fault(reason)),
        };
        if entry.path.is_absolute() && !std::mem::replace(&mut self.has_said_slash, true) {
            self.note(&entry.path, EntryWarning::remark(SLASH))?;
        }
        let made = match &entry.kind {
            EntryKind::File => self.target.file(&place, entry, content),
            EntryKind::Folder => self.target.folder(&place, entry),
            EntryKind::Symlink { .. } => return self.defer(entry),
            EntryKind::HardLink { .. } => return self.link(entry),
            EntryKind::Fifo => self.target.special(&place, entry),
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => {
                if self.options.privileged {
                    self.target.special(&place, entry)
                } else {
                    Err(EntryError::refused("a device, which only a privileged restore makes"))
                }
            }
            // As POSIX says: a sort that is not known is restored as a file.
            EntryKind::Unsupported { flag } if entry.kind.has_content() => {
                let reason =
                    format!("of an unknown sort, `{}`, restored as a file", flag.escape_ascii());
                let made = self.target.file(&place, entry, content);
                made.map(|notes| [notes, vec![EntryWarning::remark(reason)]].concat())
            }
            EntryKind::Unsupported { flag } => Err(EntryError::Entry(unsupported(*flag))),
        };
        self.count(entry, made)
    }

    fn defer(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let list = match entry.kind {
            EntryKind::Symlink { .. } => &mut self.symlinks,
            _ => &mut self.links,
        };
        match list.push(entry) {
            Ok(_) => Ok(()),
            Err(error) => Err(kept(error)),
        }
    }

    /// Restores what had to wait for the files.
    fn late(&mut self, cancel: &Cancel) -> Result<(), ArchiveError> {
        while let Some(entry) = self.symlinks.next().map_err(kept)? {
            cancel.check()?;
            let place = place(&entry.path, self.options.strip_components).ok().flatten();
            let (Some(place), EntryKind::Symlink { target }) = (place, &entry.kind) else {
                continue;
            };
            let made = self.target.symlink(&place, target, &entry);
            self.count(&entry, made)?;
        }
        self.late_links(cancel)
    }

    /// Gives the folders their modes and times.
    fn finish(&mut self) -> Result<(), ArchiveError> {
        for (path, error) in self.target.finish() {
            self.error(&path, error)?;
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry, made: RestoreResult) -> Result<(), ArchiveError> {
        match made {
            Ok(notes) => {
                self.summary.n_entries += 1;
                self.summary.n_bytes += entry.size;
                (self.on_event)(RestoreEvent::Restored(entry));
                notes.into_iter().try_for_each(|note| self.note(&entry.path, note))
            }
            Err(error) => self.error(&entry.path, error),
        }
    }

    fn error(&mut self, path: &Path, error: EntryError) -> Result<(), ArchiveError> {
        match error {
            EntryError::Entry(note) => self.note(path, note),
            EntryError::Fatal(ArchiveError::Damaged { reason, .. }) => self.lost(path, &reason),
            EntryError::Fatal(error) => Err(error),
        }
    }

    /// Names something in an event and, as long as the list is not too large, in the summary.
    #[allow(clippy::unnecessary_wraps, reason = "every way of counting an entry ends alike")]
    fn note(&mut self, path: &Path, note: EntryWarning) -> Result<(), ArchiveError> {
        let EntryWarning { reason, is_fault } = note;
        let skipped = Skipped { path: path.to_owned(), reason, is_fault };
        (self.on_event)(RestoreEvent::Skipped(&skipped));
        self.summary.push(skipped);
        Ok(())
    }

    /// Names what was wanted and is not in the archive.
    fn name_unmatched(&mut self) -> Result<(), ArchiveError> {
        let unmatched: Vec<String> = self.wanted.unmatched().map(ToOwned::to_owned).collect();
        if let Some(first) = unmatched.first()
            && self.summary.damage.is_none()
            && unmatched.len() == self.options.paths.len()
        {
            return Err(ArchiveError::NothingMatches {
                archive: self.options.archive.path.to_owned(),
                wanted: first.clone(),
            });
        }
        for path in unmatched {
            self.note(Path::new(&path), EntryWarning::fault("not in the archive"))?;
        }
        Ok(())
    }
}

/// Says that an absolute path is restored below the folder.
const SLASH: &str = "restored without the leading slash, as all absolute paths; said once";

/// Says why an entry of a sort that no file system knows is not restored.
fn unsupported(flag: u8) -> EntryWarning {
    match flag {
        b'V' => EntryWarning::remark("the label of a volume, which is no file"),
        b'M' => EntryWarning::fault("the rest of a file that begins on another volume"),
        b'N' => EntryWarning::fault("a list of names of an old GNU tar"),
        b'S' => EntryWarning::fault("a sparse file of an unknown dialect"),
        _ => EntryWarning::fault("of an unsupported type"),
    }
}
