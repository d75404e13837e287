//! Restores entries into a folder, and writes nothing outside it, whatever the archive says.
//!
//! Every file is written under a temporary name and renamed. Symbolic links are made after all files,
//! and nothing is ever reached through one. Folders get their modes and times last.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    ArchiveError,
    create::LeftOut,
    entry::{Entry, EntryKind},
    reader::Reader,
    wanted::Wanted,
};
use crate::{
    cancel::Cancel,
    fs::{At, PathError, create_folders},
};

mod beneath;
mod place;
mod target;

use place::{place, plain};
use target::Target;

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverwritePolicy {
    /// It stays, and is named.
    #[default]
    Never,
    /// It is replaced if it is older than the entry.
    IfNewer,
    /// It is replaced.
    Always,
}

/// What to restore, and how.
#[derive(Clone, Debug)]
pub struct RestoreOptions<'a> {
    /// The archive.
    pub archive: &'a Path,
    /// The entries wanted, with all below them; everything when empty.
    pub paths: &'a [PathBuf],
    /// The folder to restore into, made if missing.
    pub folder: &'a Path,
    /// What happens to a file that is there already.
    pub overwrite: OverwritePolicy,
    /// How many components to take off the front of every path.
    pub strip_components: usize,
    /// Whether setuid and setgid bits and devices are restored.
    pub privileged: bool,
}

/// What happens during a restore.
#[derive(Debug)]
pub enum RestoreEvent<'a> {
    /// This many bytes of the archive were read so far.
    Bytes(u64),
    /// Something was refused, or is not as it was.
    LeftOut(&'a LeftOut),
}

/// What was restored.
#[derive(Debug, Default)]
pub struct RestoreSummary {
    /// The number of entries restored.
    pub n_entries: u64,
    /// The bytes of content written.
    pub n_bytes: u64,
    /// What was refused, was there already, or is not as it was.
    pub left_out: Vec<LeftOut>,
}

impl RestoreSummary {
    /// Returns how many things are missing or not as they were.
    pub fn n_faults(&self) -> usize {
        self.left_out.iter().filter(|left_out| left_out.is_fault).count()
    }
}

/// Why an entry is not there, or not as it was.
enum Trouble {
    /// The others can go on.
    Entry { reason: String, is_fault: bool },
    /// Nothing can.
    Fatal(ArchiveError),
}

impl Trouble {
    fn refused(reason: impl Into<String>) -> Self {
        Self::Entry { reason: reason.into(), is_fault: true }
    }

    /// Sorts an error of the system: a full disk concerns everything, a name too long one entry.
    fn of(error: impl Into<io::Error>, path: &Path) -> Self {
        use io::ErrorKind as Io;
        let error = error.into();
        let is_fatal = matches!(
            error.kind(),
            Io::StorageFull | Io::QuotaExceeded | Io::ReadOnlyFilesystem | Io::FileTooLarge
        );
        // EIO, ENFILE and EMFILE have no kind of their own.
        if is_fatal || matches!(error.raw_os_error(), Some(5 | 23 | 24)) {
            let path = path.to_owned();
            return Self::Fatal(PathError { action: "write", path, source: error }.into());
        }
        Self::refused(error.to_string())
    }
}

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Self::Fatal(error)
    }
}

/// Restores what is wanted of an archive.
///
/// What cannot or must not be restored is named in the summary, and everything else is restored.
/// Fails with [`ArchiveError::NothingMatches`] when nothing wanted is in the archive, and with
/// [`ArchiveError::Damaged`] when the archive breaks off; what came before stays.
pub fn restore(
    options: &RestoreOptions<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(RestoreEvent<'_>),
) -> Result<RestoreSummary, ArchiveError> {
    let mut reader = Reader::open(options.archive, cancel)?;
    // Nothing is made for a file that is no archive.
    let first = reader.next_entry()?;
    let is_new = !options.folder.exists();
    create_folders(options.folder)?;
    let target = Target::open(options, is_new).at(options.folder, "open")?;
    let mut restorer = Restorer {
        options,
        target,
        wanted: Wanted::paths(options.paths),
        symlinks: Vec::new(),
        links: Vec::new(),
        summary: RestoreSummary::default(),
        on_event,
    };
    let outcome = restorer.everything(reader, first, cancel);
    // The folders get their modes even when the archive breaks off.
    let finished = restorer.target.finish();
    outcome?;
    for (path, trouble) in finished {
        restorer.note(&path, trouble)?;
    }
    restorer.name_unmatched()?;
    Ok(restorer.summary)
}

struct Restorer<'a> {
    options: &'a RestoreOptions<'a>,
    target: Target<'a>,
    wanted: Wanted,
    symlinks: Vec<(PathBuf, Entry)>,
    links: Vec<Link>,
    summary: RestoreSummary,
    on_event: &'a mut dyn FnMut(RestoreEvent<'_>),
}

/// A hard link whose first name is not there.
struct Link {
    place: PathBuf,
    entry: Entry,
    /// The path of the first name in the archive.
    first_name: PathBuf,
}

impl Restorer<'_> {
    fn everything(
        &mut self,
        reader: Reader,
        first: Option<Entry>,
        cancel: &Cancel,
    ) -> Result<(), ArchiveError> {
        let read = self.in_order(reader, first);
        if matches!(read, Ok(()) | Err(ArchiveError::Damaged { .. })) {
            // Links that came before the damage stay as well.
            let late = self.late(cancel);
            return read.and(late);
        }
        read
    }

    fn in_order(&mut self, mut reader: Reader, first: Option<Entry>) -> Result<(), ArchiveError> {
        let mut next = first;
        while let Some(entry) = next {
            if self.wanted.takes(&entry.path) {
                self.entry(&entry, &mut reader)?;
            }
            (self.on_event)(RestoreEvent::Bytes(reader.n_taken()));
            next = reader.next_entry()?;
        }
        Ok(())
    }

    /// Restores what had to wait for the files.
    fn late(&mut self, cancel: &Cancel) -> Result<(), ArchiveError> {
        for (place, entry) in std::mem::take(&mut self.symlinks) {
            let EntryKind::Symlink { target } = &entry.kind else { continue };
            let made = self.target.symlink(&place, target, &entry);
            self.count(&entry, made)?;
        }
        self.late_links(cancel)
    }

    fn entry(&mut self, entry: &Entry, reader: &mut Reader) -> Result<(), ArchiveError> {
        let place = match place(&entry.path, self.options.strip_components) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(()),
            Err(reason) => return self.note(&entry.path, Trouble::refused(reason)),
        };
        let made = match &entry.kind {
            EntryKind::File => self.target.file(&place, entry, reader),
            EntryKind::Folder => self.target.folder(&place, entry),
            EntryKind::Symlink { .. } => {
                self.symlinks.push((place, entry.clone()));
                return Ok(());
            }
            EntryKind::HardLink { target } => match plain(target) {
                Ok(first_name) => {
                    let entry = entry.clone();
                    return self.link(Link { place, entry, first_name }, true);
                }
                Err(reason) => Err(Trouble::refused(format!("its target {reason}"))),
            },
            EntryKind::Fifo => self.target.special(&place, entry),
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => {
                if self.options.privileged {
                    self.target.special(&place, entry)
                } else {
                    Err(Trouble::refused("a device, which only a privileged restore makes"))
                }
            }
            EntryKind::Unsupported { flag: b'S' } => {
                Err(Trouble::refused("a sparse file, which this version cannot restore"))
            }
            EntryKind::Unsupported { .. } => Err(Trouble::refused("of an unknown sort")),
        };
        self.count(entry, made)
    }

    /// Links to a first name restored by this run; else keeps the link for later, if it may wait.
    fn link(&mut self, link: Link, may_wait: bool) -> Result<(), ArchiveError> {
        let first_place = place(&link.first_name, self.options.strip_components).ok().flatten();
        let made = match first_place {
            Some(first) => self.target.hard_link(&link.place, &first, &link.entry),
            None => Ok(false),
        };
        match made {
            Ok(true) => self.count(&link.entry, Ok(())),
            Ok(false) if may_wait => {
                self.links.push(link);
                Ok(())
            }
            Ok(false) => {
                let reason = "its first name is not in the archive, or could not be restored";
                self.note(&link.entry.path, Trouble::refused(reason))
            }
            Err(trouble) => self.note(&link.entry.path, trouble),
        }
    }

    /// Restores links whose first name was not wanted, or is there already: reads the archive once more
    /// for the content.
    fn late_links(&mut self, cancel: &Cancel) -> Result<(), ArchiveError> {
        let mut waiting: BTreeMap<PathBuf, Vec<Link>> = BTreeMap::new();
        for link in std::mem::take(&mut self.links) {
            waiting.entry(link.first_name.clone()).or_default().push(link);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let mut reader = Reader::open(self.options.archive, cancel)?;
        let read = self.first_names(&mut reader, &mut waiting);
        if !matches!(read, Ok(()) | Err(ArchiveError::Damaged { .. })) {
            return read;
        }
        // A link to something else than a file, such as a symbolic link, or to nothing.
        for link in waiting.into_values().flatten() {
            self.link(link, false)?;
        }
        read
    }

    /// Restores the content of first names under the names that wait for it.
    fn first_names(
        &mut self,
        reader: &mut Reader,
        waiting: &mut BTreeMap<PathBuf, Vec<Link>>,
    ) -> Result<(), ArchiveError> {
        while let Some(entry) = reader.next_entry()? {
            let Ok(path) = plain(&entry.path) else { continue };
            if entry.kind != EntryKind::File {
                continue;
            }
            let Some(links) = waiting.remove(&path) else { continue };
            let mut links = links.into_iter();
            let Some(first) = links.next() else { continue };
            let made = self.target.file(&first.place, &entry, reader);
            let is_made = made.is_ok();
            self.count(&first.entry, made)?;
            for link in links {
                let made = if is_made {
                    self.target.hard_link(&link.place, &first.place, &link.entry)
                } else {
                    Ok(false)
                };
                match made {
                    Ok(true) => self.count(&link.entry, Ok(()))?,
                    Ok(false) => self.link(link, false)?,
                    Err(trouble) => self.note(&link.entry.path, trouble)?,
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry, made: Result<(), Trouble>) -> Result<(), ArchiveError> {
        match made {
            Ok(()) => {
                self.summary.n_entries += 1;
                self.summary.n_bytes += entry.size;
            }
            Err(trouble) => self.note(&entry.path, trouble)?,
        }
        for reason in self.target.take_notes() {
            self.note(&entry.path, Trouble::refused(reason))?;
        }
        Ok(())
    }

    fn note(&mut self, path: &Path, trouble: Trouble) -> Result<(), ArchiveError> {
        let (reason, is_fault) = match trouble {
            Trouble::Entry { reason, is_fault } => (reason, is_fault),
            Trouble::Fatal(error) => return Err(error),
        };
        let left_out = LeftOut { path: path.to_owned(), reason, is_fault };
        (self.on_event)(RestoreEvent::LeftOut(&left_out));
        self.summary.left_out.push(left_out);
        Ok(())
    }

    /// Names what was wanted and is not in the archive.
    fn name_unmatched(&mut self) -> Result<(), ArchiveError> {
        let unmatched: Vec<String> = self.wanted.unmatched().map(ToOwned::to_owned).collect();
        if let Some(first) = unmatched.first()
            && unmatched.len() == self.options.paths.len()
        {
            return Err(ArchiveError::NothingMatches {
                archive: self.options.archive.to_owned(),
                wanted: first.clone(),
            });
        }
        for path in unmatched {
            self.note(Path::new(&path), Trouble::refused("not in the archive"))?;
        }
        Ok(())
    }
}
