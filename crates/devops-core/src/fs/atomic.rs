//! Replacing a file so that half of it is never seen.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Dir, FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat},
    io::Errno,
};

use super::{
    Destination, DirEntryPath, OpenFolder,
    folders::parent,
    if_exists::IfExists,
    path_error::{IoResultExt, PathError},
    write_behind::WriteBehind,
};
use crate::{cancel::hold_step, lock::is_unsupported};

/// Stands in every temporary name, so that leftovers can be recognized.
const PARTIAL: &str = ".partial";
/// The number of letters and digits that tell one temporary name from another.
const RANDOM_LENGTH: usize = 6;
/// File systems allow 255 bytes, of which a temporary name needs some more than the final one.
const LONGEST_NAME: usize = 200;

/// A file that appears under its final name whole and durable, or not at all.
///
/// It is written under a temporary name in the same folder, and locked until it is committed,
/// so that [`remove_stale`] can tell the leftover of a killed process from work in progress.
/// Dropping it without [`commit`](Self::commit) removes it.
#[derive(Debug)]
pub struct AtomicFile {
    target: Destination,
    temp: DirEntryPath,
    temp_path: PathBuf,
    file: Option<File>,
    behind: WriteBehind,
    kept_mode: Option<u32>,
}

impl AtomicFile {
    /// Creates the temporary file, readable by its owner alone until [`commit`](Self::commit).
    ///
    /// If a trusted link has the final name, its target is replaced, not the link; see
    /// [`Destination::open`].
    pub fn create(target: impl AsRef<Path>) -> Result<Self, PathError> {
        Self::create_at(&Destination::open(target.as_ref())?)
    }

    /// Creates the temporary file for a destination that is open already.
    pub fn create_at(target: &Destination) -> Result<Self, PathError> {
        loop {
            let (file, temp) = create_temp(&target.at).at(target.path(), "create")?;
            let atomic = Self::adopt(target.clone(), temp, file);
            match flock(atomic.file(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if atomic.temp.is(atomic.file()) => return Ok(atomic),
                // Before it was locked, `remove_stale` of another process took it for a leftover.
                Ok(()) | Err(Errno::WOULDBLOCK) => {}
                // Without locks no leftover can be told from work in progress, so none is ever removed.
                Err(error) if is_unsupported(error) => return Ok(atomic),
                Err(error) => return Err(error).at(&atomic.temp_path, "lock"),
            }
        }
    }

    /// Takes a locked file that was written beside `target`.
    pub(crate) fn adopt(target: Destination, temp: DirEntryPath, file: File) -> Self {
        let temp_path = parent(target.path()).join(&temp.name);
        let (file, behind) = (Some(file), WriteBehind::default());
        Self { target, temp, temp_path, file, behind, kept_mode: None }
    }

    /// Leaves the file under its temporary name.
    #[cfg(feature = "s3")]
    pub(crate) fn leave(mut self) {
        self.file = None;
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("the file is open until commit")
    }

    /// Returns the open file, for writing.
    pub fn file_mut(&mut self) -> &mut File {
        self.file.as_mut().expect("the file is open until commit")
    }

    /// Returns the temporary path.
    pub fn temp_path(&self) -> &Path {
        &self.temp_path
    }

    /// Empties the file, to begin again.
    pub fn restart(&mut self) -> Result<(), PathError> {
        let file = self.file();
        rustix::fs::ftruncate(file, 0).at(&self.temp_path, "empty")?;
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).at(&self.temp_path, "empty")?;
        Ok(())
    }

    /// Chooses `target` instead, which is in the same folder.
    pub fn retarget(&mut self, target: &Destination) {
        self.target = target.clone();
    }

    /// Returns the mode that the file has in place of the one given to [`commit`](Self::commit), on a file
    /// system that lets no mode be set.
    pub fn kept_mode(&self) -> Option<u32> {
        self.kept_mode
    }

    /// Gives the file its final name, after its bytes are on the disk; syncs the folder too.
    ///
    /// With [`IfExists::Fail`] an existing name stays, the error says `AlreadyExists`,
    /// and the file can be retargeted and committed again.
    pub fn commit(&mut self, mode: u32, policy: IfExists) -> Result<(), PathError> {
        self.kept_mode = set_mode(self.file(), mode).at(&self.temp_path, "set the mode of")?;
        self.behind.finish().at(&self.temp_path, "sync")?;
        self.file().sync_all().at(&self.temp_path, "sync")?;
        if policy == IfExists::Replace {
            self.target.check_no_link()?;
        }
        let _step = hold_step();
        self.temp.rename(&self.target.at, policy).at(self.target.path(), "create")?;
        self.file = None;
        self.target.at.sync_dir().at(parent(self.target.path()), "sync")
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file_mut().write(bytes)?;
        self.behind.written(self.file.as_ref().expect("the file is open until commit"), n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file_mut().flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nothing can be done about a failure here; `remove_stale` will find the file.
            let _unlinked = self.temp.remove();
        }
    }
}

/// Gives a file a mode; returns the one it keeps where the file system (SMB, MTP, gvfs) lets none be set.
fn set_mode(file: &File, mode: u32) -> rustix::io::Result<Option<u32>> {
    let has = |file: &File| fstat(file).map(|stat| stat.st_mode & 0o7777);
    if has(file)? == mode {
        return Ok(None);
    }
    match fchmod(file, Mode::from_raw_mode(mode)) {
        Ok(()) => Ok(None),
        // It is ours, or we would not have it open: no other user has a say in its mode.
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => has(file).map(Some),
        Err(error) => Err(error),
    }
}

/// Creates a file beside `target` under a name that is free.
fn create_temp(target: &DirEntryPath) -> rustix::io::Result<(File, DirEntryPath)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    loop {
        let temp = target.sibling(temp_name(&target.name));
        match temp.open(flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            opened => return Ok((opened?, temp)),
        }
    }
}

fn temp_name(target: &OsStr) -> OsString {
    // Each is seeded anew, and cannot be foretold by others.
    let mut number = RandomState::new().hash_one(target);
    let mut name = OsString::from(".");
    name.push(beginning(target, LONGEST_NAME));
    name.push(".");
    for _ in 0..RANDOM_LENGTH {
        let digit = u32::try_from(number % 36).expect("a remainder of 36 is small");
        name.push(char::from_digit(digit, 36).expect("it is a digit of base 36").to_string());
        number /= 36;
    }
    name.push(PARTIAL);
    name
}

/// Returns at most so many bytes of a name, and no half of a letter: some file systems take UTF-8 only.
fn beginning(name: &OsStr, longest: usize) -> &OsStr {
    match name.to_str() {
        Some(text) => OsStr::new(&text[..text.floor_char_boundary(longest)]),
        None => OsStr::from_bytes(&name.as_bytes()[..name.len().min(longest)]),
    }
}

/// Returns the final name a temporary name of [`AtomicFile`] was made for.
pub(crate) fn target_name(temp: &OsStr) -> Option<OsString> {
    let text = temp.to_str()?;
    let inner = text.strip_prefix('.')?.strip_suffix(PARTIAL)?;
    let (name, random) = inner.rsplit_once('.')?;
    let is_random =
        random.len() == RANDOM_LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_random.then(|| name.into())
}

/// Replaces the file `target` with `bytes`, as one durable step.
pub fn replace(target: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes).at(target, "write")?;
    file.commit(mode, IfExists::Replace)
}

/// Removes temporary files of killed processes in `folder` and returns them.
///
/// Only names made by [`AtomicFile`] for targets that `is_ours` accepts are touched, and only if no
/// process holds their lock.
pub fn remove_stale(
    folder: &OpenFolder,
    is_ours: impl Fn(&OsStr) -> bool,
) -> Result<Vec<PathBuf>, PathError> {
    let mut removed = Vec::new();
    for entry in Dir::read_from(folder).at(folder.path(), "list")? {
        let entry = entry.at(folder.path(), "list")?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        let is_file = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
        if !is_file || target_name(&name).is_none_or(|target| !is_ours(&target)) {
            continue;
        }
        let path = folder.path().join(&name);
        if remove_if_stale(&folder.entry(name)).at(&path, "remove")? {
            removed.push(path);
        }
    }
    Ok(removed)
}

fn remove_if_stale(stale: &DirEntryPath) -> rustix::io::Result<bool> {
    let Ok(file) = stale.open(OFlags::RDONLY, Mode::empty()) else { return Ok(false) };
    let is_locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    if !is_locked || !stale.is(&file) || !file.metadata().is_ok_and(|found| found.is_file()) {
        return Ok(false);
    }
    match stale.remove() {
        Ok(()) => Ok(true),
        // Its maker saw the lock and gave it up.
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}
