//! The folder a restore writes into: makes one entry at a time.

use std::{
    collections::HashSet,
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{
        AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
        chmodat, chownat, fchmod, fchown, fstat, futimens, linkat, makedev, mkdirat, mknodat,
        openat, renameat, renameat_with, symlinkat, syncfs, unlinkat, utimensat,
    },
    io::Errno,
};

use super::{
    OverwritePolicy, RestoreOptions, Trouble,
    beneath::{Beneath, Spot},
};
use crate::archive::{
    entry::{Entry, EntryKind, Timestamp},
    meta::{FileId, Meta},
    reader::Reader,
};

/// The folder a restore writes into.
pub(super) struct Target<'a> {
    options: &'a RestoreOptions<'a>,
    beneath: Beneath,
    is_root: bool,
    /// What this run has made: only that is linked to, or replaced by a later entry of its name.
    made: HashSet<FileId>,
    /// Folders that get their mode and time at the end.
    folders: Vec<(PathBuf, Entry)>,
    notes: Vec<String>,
    /// Tells the temporary names of this run from leftovers of a killed one, whose pid may be the same.
    run_id: u64,
    n_temps: u64,
}

/// Whether the way is free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Free,
    Replace,
}

impl<'a> Target<'a> {
    pub(super) fn open(options: &'a RestoreOptions<'a>, is_new: bool) -> io::Result<Self> {
        let beneath = Beneath::open(options.folder)?;
        let mut made = HashSet::new();
        if is_new {
            made.insert(Meta::from(fstat(beneath.root())?).id);
        }
        Ok(Self {
            options,
            beneath,
            is_root: rustix::process::geteuid().is_root(),
            made,
            folders: Vec::new(),
            notes: Vec::new(),
            run_id: RandomState::new().hash_one(0),
            n_temps: 0,
        })
    }

    /// Returns what is not as it was about the last entry.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn file(
        &mut self,
        place: &Path,
        entry: &Entry,
        reader: &mut Reader,
    ) -> Result<(), Trouble> {
        let spot = self.spot(place)?;
        let way = self.way(&spot, entry)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let temp = self.temp_name();
        let opened =
            openat(&spot.folder, &temp, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o600));
        let mut file = File::from(opened.map_err(|error| self.trouble(error, place))?);
        let temp = Temp::new(&spot, temp);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let n = reader.read_content(&mut buffer)?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(|error| self.trouble(error, place))?;
        }
        self.dress(file.as_fd(), entry);
        self.install(temp, &spot, way, place)
    }

    pub(super) fn folder(&mut self, place: &Path, entry: &Entry) -> Result<(), Trouble> {
        if place.as_os_str().is_empty() {
            let meta = fstat(self.beneath.root()).map_err(|error| self.trouble(error, place))?;
            self.dress_later(place, entry, Meta::from(meta).id);
            return Ok(());
        }
        let spot = self.spot(place)?;
        // Closed to others until it gets its own mode.
        match mkdirat(&spot.folder, spot.name, Mode::RWXU) {
            Ok(()) => {
                let meta =
                    self.look(&spot, place)?.ok_or_else(|| Trouble::refused("it vanished"))?;
                self.made.insert(meta.id);
                self.dress_later(place, entry, meta.id);
                Ok(())
            }
            Err(Errno::EXIST) => match self.look(&spot, place)? {
                Some(meta) if meta.kind == FileType::Directory => {
                    self.dress_later(place, entry, meta.id);
                    Ok(())
                }
                _ => Err(Trouble::refused("something else than a folder is there already")),
            },
            Err(error) => Err(self.trouble(error, place)),
        }
    }

    pub(super) fn symlink(
        &mut self,
        place: &Path,
        target: &Path,
        entry: &Entry,
    ) -> Result<(), Trouble> {
        let spot = self.spot(place)?;
        let way = self.way(&spot, entry)?;
        let temp = self.temp_name();
        symlinkat(target, &spot.folder, &temp).map_err(|error| self.trouble(error, place))?;
        let temp = Temp::new(&spot, temp);
        self.dress_by_name(&temp, entry);
        self.install(temp, &spot, way, place)
    }

    /// Makes a FIFO or a device.
    pub(super) fn special(&mut self, place: &Path, entry: &Entry) -> Result<(), Trouble> {
        let (kind, device) = match entry.kind {
            EntryKind::CharDevice { major, minor } => {
                (FileType::CharacterDevice, makedev(major, minor))
            }
            EntryKind::BlockDevice { major, minor } => {
                (FileType::BlockDevice, makedev(major, minor))
            }
            _ => (FileType::Fifo, 0),
        };
        let spot = self.spot(place)?;
        let way = self.way(&spot, entry)?;
        let temp = self.temp_name();
        mknodat(&spot.folder, &temp, kind, Mode::from_raw_mode(0o600), device)
            .map_err(|error| self.trouble(error, place))?;
        let temp = Temp::new(&spot, temp);
        self.dress_by_name(&temp, entry);
        self.install(temp, &spot, way, place)
    }

    /// Makes a hard link to what this run has made at `first`; returns whether there is such a thing.
    pub(super) fn hard_link(
        &mut self,
        place: &Path,
        first: &Path,
        entry: &Entry,
    ) -> Result<bool, Trouble> {
        let Some(name) = first.file_name() else { return Ok(false) };
        let above = first.parent().unwrap_or(Path::new(""));
        let Ok(folder) = self.beneath.folder(above, None) else { return Ok(false) };
        let first = Spot { folder, name };
        let meta = match first.look() {
            Ok(Some(meta)) if self.made.contains(&meta.id) => meta,
            _ => return Ok(false),
        };
        if meta.kind == FileType::Directory {
            return Ok(false);
        }
        let spot = self.spot(place)?;
        let way = self.way(&spot, entry)?;
        let temp = self.temp_name();
        linkat(&first.folder, first.name, &spot.folder, &temp, AtFlags::empty())
            .map_err(|error| self.trouble(error, place))?;
        let temp = Temp::new(&spot, temp);
        let linked = Spot { folder: Rc::clone(&temp.folder), name: temp.name.as_ref() };
        if self.look(&linked, place)?.is_none_or(|linked| linked.id != meta.id) {
            return Err(Trouble::refused("its first name changed meanwhile"));
        }
        self.install(temp, &spot, way, place).map(|()| true)
    }

    /// Gives the folders their modes and times, the deepest first, and lets all reach the disk.
    pub(super) fn finish(&mut self) -> Vec<(PathBuf, Trouble)> {
        let mut folders = std::mem::take(&mut self.folders);
        folders.sort_by_key(|(place, _)| std::cmp::Reverse(place.components().count()));
        let mut troubles = Vec::new();
        for (place, entry) in folders {
            match self.beneath.folder(&place, None) {
                Ok(folder) => self.dress(folder.as_fd(), &entry),
                Err(error) => self.notes.push(error.to_string()),
            }
            let notes = self.take_notes();
            troubles
                .extend(notes.into_iter().map(|note| (entry.path.clone(), Trouble::refused(note))));
        }
        if let Err(error) = syncfs(self.beneath.root()) {
            troubles.push((PathBuf::from("."), self.trouble(error, Path::new(""))));
        }
        troubles
    }

    fn spot<'p>(&mut self, place: &'p Path) -> Result<Spot<'p>, Trouble> {
        let above = place.parent().unwrap_or(Path::new(""));
        let mut made = Vec::new();
        let folder = self.beneath.folder(above, Some(&mut made));
        self.made.extend(made);
        let folder = folder.map_err(|error| self.trouble(error, place))?;
        let name = place.file_name().ok_or_else(|| Trouble::refused("it is the folder itself"))?;
        Ok(Spot { folder, name })
    }

    /// Decides by the policy whether an entry may take its place.
    fn way(&self, spot: &Spot<'_>, entry: &Entry) -> Result<Way, Trouble> {
        let there = spot.look().map_err(|error| self.trouble(error, &entry.path))?;
        let Some(there) = there else { return Ok(Way::Free) };
        if there.kind == FileType::Directory {
            return Err(Trouble::refused("a folder is there already"));
        }
        if self.made.contains(&there.id) {
            // The archive has the path twice: the later one counts, if it is of the same sort.
            let is_file = matches!(entry.kind, EntryKind::File | EntryKind::HardLink { .. });
            return match there.kind {
                FileType::RegularFile if is_file => Ok(Way::Replace),
                _ => Err(Trouble::refused("the archive has another entry of this name")),
            };
        }
        match self.options.overwrite {
            OverwritePolicy::Always => Ok(Way::Replace),
            OverwritePolicy::IfNewer if there.mtime < entry.mtime => Ok(Way::Replace),
            OverwritePolicy::IfNewer => Err(Trouble::Entry {
                reason: "what is there is not older".to_owned(),
                is_fault: false,
            }),
            OverwritePolicy::Never => Err(Trouble::refused("it exists already")),
        }
    }

    /// Gives what was made its own name.
    fn install(
        &mut self,
        mut temp: Temp,
        spot: &Spot<'_>,
        way: Way,
        place: &Path,
    ) -> Result<(), Trouble> {
        let (from, to) = (&temp.folder, &spot.folder);
        let renamed = match way {
            Way::Replace => renameat(from, &temp.name, to, spot.name),
            Way::Free => {
                match renameat_with(from, &temp.name, to, spot.name, RenameFlags::NOREPLACE) {
                    // Some file systems do not know NOREPLACE; a hard link refuses as well.
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        linkat(from, &temp.name, to, spot.name, AtFlags::empty())
                            .and_then(|()| unlinkat(from, &temp.name, AtFlags::empty()))
                    }
                    other => other,
                }
            }
        };
        match renamed {
            Ok(()) => temp.is_there = false,
            Err(Errno::EXIST) => return Err(Trouble::refused("it exists already")),
            Err(error) => return Err(self.trouble(error, place)),
        }
        // Two names of one file: the rename did nothing, and the temporary name is left.
        if way == Way::Replace {
            let _gone = unlinkat(&temp.folder, &temp.name, AtFlags::empty());
        }
        if let Some(meta) = self.look(spot, place)? {
            self.made.insert(meta.id);
        }
        Ok(())
    }

    fn look(&self, spot: &Spot<'_>, place: &Path) -> Result<Option<Meta>, Trouble> {
        spot.look().map_err(|error| self.trouble(error, place))
    }

    /// Remembers a folder for [`finish`](Self::finish), unless it was there before and may not change.
    fn dress_later(&mut self, place: &Path, entry: &Entry, id: FileId) {
        if self.made.contains(&id) || self.options.overwrite == OverwritePolicy::Always {
            self.folders.push((place.to_owned(), entry.clone()));
        }
    }

    /// Sets owner, mode and time through an open descriptor; owner first, as it clears bits of the mode.
    fn dress(&mut self, fd: BorrowedFd<'_>, entry: &Entry) {
        if let Some((uid, gid)) = self.owner(entry) {
            self.noted("owner", fchown(fd, Some(uid), Some(gid)));
        }
        let mode = self.mode(entry);
        self.noted("mode", fchmod(fd, mode));
        self.noted("time", futimens(fd, &times(entry.mtime)));
    }

    /// The same for what must not be opened: links, FIFOs and devices, under their temporary name.
    fn dress_by_name(&mut self, temp: &Temp, entry: &Entry) {
        if let Some((uid, gid)) = self.owner(entry) {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            self.noted("owner", chownat(&temp.folder, &temp.name, Some(uid), Some(gid), flags));
        }
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            let mode = self.mode(entry);
            self.noted("mode", chmodat(&temp.folder, &temp.name, mode, AtFlags::empty()));
        }
        let times = times(entry.mtime);
        self.noted("time", utimensat(&temp.folder, &temp.name, &times, AtFlags::SYMLINK_NOFOLLOW));
    }

    /// Returns the owner to set: only root gives files away.
    fn owner(&mut self, entry: &Entry) -> Option<(Uid, Gid)> {
        if !self.is_root {
            return None;
        }
        // The largest number means "leave it" to the system.
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        let ids = id(entry.uid).zip(id(entry.gid));
        if ids.is_none() {
            self.notes.push("its owner has no number this system knows".to_owned());
        }
        ids.map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    fn mode(&mut self, entry: &Entry) -> Mode {
        if self.options.privileged {
            return Mode::from_raw_mode(entry.mode);
        }
        if entry.mode & 0o6000 != 0 {
            self.notes.push("its setuid and setgid bits were taken off".to_owned());
        }
        Mode::from_raw_mode(entry.mode & 0o1777)
    }

    fn noted(&mut self, what: &str, result: rustix::io::Result<()>) {
        if let Err(error) = result {
            self.notes.push(format!("its {what} could not be set: {error}"));
        }
    }

    fn trouble(&self, error: impl Into<io::Error>, place: &Path) -> Trouble {
        Trouble::of(error, &self.options.folder.join(place))
    }

    fn temp_name(&mut self) -> String {
        self.n_temps += 1;
        format!(".devops-restore-{:016x}-{}.partial", self.run_id, self.n_temps)
    }
}

fn times(mtime: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
    }
}

/// Something under its temporary name; removed unless it got its own.
struct Temp {
    folder: Rc<OwnedFd>,
    name: String,
    is_there: bool,
}

impl Temp {
    fn new(spot: &Spot<'_>, name: String) -> Self {
        Self { folder: Rc::clone(&spot.folder), name, is_there: true }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if self.is_there {
            // Nothing can be done about a failure here.
            let _gone = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}
