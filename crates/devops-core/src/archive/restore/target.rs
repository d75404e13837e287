//! The folder a restore writes into: makes one entry at a time, also from several threads.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat, symlinkat},
    io::Errno,
};

use super::{
    OverwritePolicy, RestoreOptions,
    content::{self, ContentError},
    deferred::Deferred,
    deferred::kept,
    durable::{Unsynced, sync_above},
    entry_error::{EntryError, EntryWarning, RestoreResult},
    metadata::MetadataRestorer,
    names::Names,
    temp_entry::{EntryDestination, TempEntry},
    temp_registry::{self, TempRegistry},
};
use crate::{
    archive::format::{
        entry::{Entry, EntryKind},
        stat::{FileId, Meta},
    },
    fs::{DirEntryPath, DirHandle, IfExists, RootedDir, Step},
    units::count,
};

/// Says that a file system takes two names for one.
const SAME_NAME: &str =
    "an entry of another name is there already: this file system does not tell the two names apart";

/// The folder a restore writes into.
pub(super) struct Target<'a> {
    options: &'a RestoreOptions<'a>,
    pub(super) root: RootedDir,
    is_new: bool,
    temp_registry: TempRegistry,
    pub(super) metadata_restorer: MetadataRestorer,
    /// What this run has made: only that is linked to, or replaced by a later entry of its name.
    names: Mutex<Names>,
    unsynced: Unsynced,
    folders: Mutex<Folders>,
}

/// Folders that get their mode and time at the end.
struct Folders {
    entries: Deferred,
    /// For each place the folder and where its entry is; the last entry of a place counts.
    places: BTreeMap<PathBuf, (FileId, u64)>,
}

impl<'a> Target<'a> {
    pub(super) fn open(options: &'a RestoreOptions<'a>, is_new: bool) -> io::Result<Self> {
        let root = RootedDir::open(options.folder, options.lookup)?;
        let mut names = Names::default();
        if is_new {
            names.make(Path::new(""), root.root().id);
        } else {
            names.enter(Path::new(""), root.root().id);
            // What cannot be removed is in nobody's way.
            let _removed = temp_registry::remove_leftovers(&root);
        }
        Ok(Self {
            options,
            is_new,
            temp_registry: TempRegistry::new(root.root()),
            root,
            metadata_restorer: MetadataRestorer::new(options),
            names: Mutex::new(names),
            unsynced: Unsynced::new(),
            folders: Mutex::new(Folders { entries: Deferred::new(), places: BTreeMap::new() }),
        })
    }

    /// Makes a file of the bytes that `content` yields: of a sparse one its extents, one behind the other.
    pub(super) fn file(
        &self,
        place: &Path,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> RestoreResult {
        let destination = self.destination(place, FileType::RegularFile, entry)?;
        let (file, temp) = self.create(&destination)?;
        content::fill(&file, entry, content).map_err(|error| match error {
            ContentError::Read(error) => EntryError::of_content(error, self.options.archive.path),
            ContentError::Write(error) => self.error(error, place),
            ContentError::Length => EntryError::refused("its content is shorter than its size"),
            ContentError::Size(error) => EntryError::refused(format!(
                "a sparse file of {}: {error}",
                count(entry.size, "byte")
            )),
        })?;
        let notes = self.metadata_restorer.open(file.as_fd(), entry);
        self.install_file(file, temp, &destination)?;
        Ok(notes)
    }

    /// Makes an empty file under a temporary name.
    pub(super) fn create(
        &self,
        destination: &EntryDestination<'_>,
    ) -> Result<(File, TempEntry), EntryError> {
        let name = self.temp_name(destination.place);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        let opened = openat(destination.at.dir.as_fd(), &name, flags | OFlags::CLOEXEC, mode);
        let file = File::from(opened.map_err(|error| self.error(error, destination.place))?);
        Ok((file, TempEntry::new(destination.at.sibling(name))))
    }

    /// Makes a folder, or takes the one that is there; it gets its mode and time at the end.
    pub(super) fn folder(&self, place: &Path, entry: &Entry) -> RestoreResult {
        if place.as_os_str().is_empty() {
            self.defer_metadata(place, entry, self.root.root().id)?;
            return Ok(Vec::new());
        }
        let at = self.locate(place)?;
        // Closed to others until it gets its own mode.
        let id = match mkdirat(at.dir.as_fd(), &at.name, Mode::RWXU) {
            Ok(()) => {
                let meta = self.look(&at, place)?;
                let meta = meta.ok_or_else(|| EntryError::refused("it vanished"))?;
                self.names().make(place, meta.id);
                self.unsynced.folder(&at.dir);
                meta.id
            }
            Err(Errno::EXIST) => match self.look(&at, place)? {
                Some(meta) if meta.kind == FileType::Directory => {
                    if !self.names().enter(place, meta.id) {
                        return Err(EntryError::refused(SAME_NAME));
                    }
                    meta.id
                }
                _ => {
                    return Err(EntryError::refused(
                        "something else than a folder is there already",
                    ));
                }
            },
            Err(error) => return Err(self.error(error, place)),
        };
        self.defer_metadata(place, entry, id)?;
        Ok(Vec::new())
    }

    pub(super) fn symlink(&self, place: &Path, target: &Path, entry: &Entry) -> RestoreResult {
        self.named(place, entry, FileType::Symlink, &|folder, name| {
            symlinkat(target, folder.as_fd(), name)
        })
    }

    /// Makes a FIFO or a device.
    pub(super) fn special(&self, place: &Path, entry: &Entry) -> RestoreResult {
        let (kind, device) = match entry.kind {
            EntryKind::CharDevice { major, minor } => {
                (FileType::CharacterDevice, makedev(major, minor))
            }
            EntryKind::BlockDevice { major, minor } => {
                (FileType::BlockDevice, makedev(major, minor))
            }
            _ => (FileType::Fifo, 0),
        };
        self.named(place, entry, kind, &|folder, name| {
            mknodat(folder.as_fd(), name, kind, Mode::from_raw_mode(0o600), device)
        })
    }

    /// Makes what has no content with `make`.
    fn named(
        &self,
        place: &Path,
        entry: &Entry,
        kind: FileType,
        make: &dyn Fn(&DirHandle, &str) -> rustix::io::Result<()>,
    ) -> RestoreResult {
        let destination = self.destination(place, kind, entry)?;
        self.fill_name(&destination, entry, make)
    }

    /// Makes what has no content at a claimed place.
    pub(super) fn fill_name(
        &self,
        destination: &EntryDestination<'_>,
        entry: &Entry,
        make: &dyn Fn(&DirHandle, &str) -> rustix::io::Result<()>,
    ) -> RestoreResult {
        let name = self.temp_name(destination.place);
        make(&destination.at.dir, &name).map_err(|error| self.error(error, destination.place))?;
        let temp = TempEntry::new(destination.at.sibling(name));
        let handle = temp
            .at()
            .handle(destination.kind)
            .map_err(|error| self.error(error, destination.place))?;
        let notes = self.metadata_restorer.path(handle.as_fd(), entry);
        self.install(temp, destination)?;
        Ok(notes)
    }

    /// Gives the folders their modes and times, the deepest first, and lets all reach the disk.
    pub(super) fn finish(&self) -> Vec<(PathBuf, EntryError)> {
        self.temp_registry.finish();
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places: Vec<_> = std::mem::take(&mut folders.places).into_iter().collect();
        places.sort_by_key(|(place, _)| std::cmp::Reverse(place.components().count()));
        let mut troubles = Vec::new();
        for (place, (id, at)) in places {
            match folders.entries.get(at) {
                Ok(entry) => {
                    let notes = self.dress_folder(&place, id, &entry);
                    let note = |note| (entry.path.clone(), EntryError::Entry(note));
                    troubles.extend(notes.into_iter().map(note));
                }
                Err(error) => troubles.push((place, kept(error).into())),
            }
        }
        if self.is_new {
            sync_above(self.options.folder);
        }
        if let Err(error) = self.unsynced.sync(self.root.root()) {
            troubles.push((PathBuf::from("."), self.error(error, Path::new(""))));
        }
        troubles
    }

    fn dress_folder(&self, place: &Path, id: FileId, entry: &Entry) -> Vec<EntryWarning> {
        match self.root.folder(place) {
            Ok(folder) if folder.id == id => {
                self.unsynced.folder(&folder);
                self.metadata_restorer.open(folder.as_fd(), entry)
            }
            Ok(_) => vec![EntryWarning::fault("another folder took its place")],
            Err(error) => vec![EntryWarning::fault(error.to_string())],
        }
    }

    fn locate(&self, place: &Path) -> Result<DirEntryPath, EntryError> {
        let name =
            place.file_name().ok_or_else(|| EntryError::refused("it is the folder itself"))?;
        let above = place.parent().unwrap_or(Path::new(""));
        let dir = self.enter(above).map_err(|error| self.error(error, place))?;
        Ok(DirEntryPath { dir, name: name.to_owned() })
    }

    /// Opens a folder by the name that this run knows it by, and makes missing ones.
    fn enter(&self, folder: &Path) -> io::Result<Arc<DirHandle>> {
        if self.names().has(folder)
            && let Ok(known) = self.root.folder(folder)
        {
            return Ok(known);
        }
        self.root.walk(folder, &mut |step: &Step<'_>| {
            let mut names = self.names();
            if step.is_made {
                names.make(step.path, step.id);
                self.unsynced.folder(step.above);
            } else if !names.enter(step.path, step.id) {
                return Err(io::Error::other(SAME_NAME));
            }
            Ok(())
        })
    }

    pub(super) fn temp_name(&self, place: &Path) -> String {
        self.temp_registry.temp_name(place.parent().unwrap_or(Path::new("")))
    }

    /// Claims a place, before work is spent on what would have to stay out of it.
    pub(super) fn destination<'p>(
        &self,
        place: &'p Path,
        kind: FileType,
        entry: &Entry,
    ) -> Result<EntryDestination<'p>, EntryError> {
        let (at, mtime) = (self.locate(place)?, entry.mtime);
        // Most folders are new and hold nothing yet; should they, the rename says so.
        let is_new = self.names().is_made(at.dir.id);
        let mut destination = EntryDestination { place, at, kind, mtime, policy: IfExists::Fail };
        if !is_new {
            destination.policy = self.policy(&destination)?;
        }
        Ok(destination)
    }

    /// Decides by the policy whether something may take its place.
    fn policy(&self, destination: &EntryDestination<'_>) -> Result<IfExists, EntryError> {
        let Some(there) = self.look(&destination.at, destination.place)? else {
            return Ok(IfExists::Fail);
        };
        let mut names = self.names();
        let is_made = names.is_made(there.id);
        if is_made && !names.has(destination.place) {
            return Err(EntryError::refused(SAME_NAME));
        }
        if there.kind == FileType::Directory {
            return Err(EntryError::refused("a folder is there already"));
        }
        if is_made {
            // The archive has the path twice: the later one counts, if it is of the same sort.
            if there.kind != destination.kind {
                return Err(EntryError::refused("the archive has another entry of this name"));
            }
            if !there.is_hard_linked {
                names.forget(there.id);
            }
            return Ok(IfExists::Replace);
        }
        match self.options.overwrite {
            OverwritePolicy::Always => Ok(IfExists::Replace),
            OverwritePolicy::IfNewer if there.mtime < destination.mtime => Ok(IfExists::Replace),
            OverwritePolicy::IfNewer => {
                Err(EntryError::Entry(EntryWarning::remark("what is there is not older")))
            }
            OverwritePolicy::Never => Err(EntryError::refused("it exists already")),
        }
    }

    /// Gives what was made its own name.
    pub(super) fn install(
        &self,
        mut temp: TempEntry,
        destination: &EntryDestination<'_>,
    ) -> Result<(), EntryError> {
        let id = self.look(temp.at(), destination.place)?.map(|meta| meta.id);
        match temp.rename(&destination.at, destination.policy) {
            Err(Errno::EXIST) if destination.policy == IfExists::Fail => {
                if self.policy(destination)? == IfExists::Fail {
                    return Err(EntryError::refused("it exists already"));
                }
                temp.rename(&destination.at, IfExists::Replace)
            }
            other => other,
        }
        .map_err(|error| self.error(error, destination.place))?;
        self.unsynced.folder(&destination.at.dir);
        if let Some(id) = id {
            self.names().make(destination.place, id);
        }
        Ok(())
    }

    /// Gives a file its own name.
    pub(super) fn install_file(
        &self,
        file: File,
        temp: TempEntry,
        destination: &EntryDestination<'_>,
    ) -> Result<(), EntryError> {
        self.install(temp, destination)?;
        self.unsynced.file(file);
        Ok(())
    }

    pub(super) fn look(&self, at: &DirEntryPath, place: &Path) -> Result<Option<Meta>, EntryError> {
        at.look().map(|stat| stat.map(Meta::from)).map_err(|error| self.error(error, place))
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a folder for [`finish`](Self::finish), unless it was there before and may not change.
    fn defer_metadata(&self, place: &Path, entry: &Entry, id: FileId) -> Result<(), EntryError> {
        if self.names().is_made(id) || self.options.overwrite == OverwritePolicy::Always {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            let at = folders.entries.push(entry).map_err(kept)?;
            folders.places.insert(place.to_owned(), (id, at));
        }
        Ok(())
    }

    pub(super) fn error(&self, error: impl Into<io::Error>, place: &Path) -> EntryError {
        EntryError::of(error, &self.options.folder.join(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_may_share_a_target() {
        fn is_shared<T: Sync + Send>() {}

        is_shared::<Target<'_>>();
    }
}
