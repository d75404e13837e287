//! Files: errors that name the path, and replacing a file so that nobody ever sees half of it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FlockOperation, RenameFlags, flock, fstat, lstat, renameat_with},
    io::Errno,
};

use crate::{
    kind::{HasKind, Kind},
    lock::is_unsupported,
};

mod input;
mod private;
mod write_behind;

pub(crate) use input::NotRegular;
pub use input::{Input, open_file, read_input};
pub use private::PrivateFolder;
use write_behind::WriteBehind;

/// An I/O error with what was tried and where.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", .path.display())]
pub struct PathError {
    /// The verb: `read`, `create`, `sync`.
    pub action: &'static str,
    /// The path it was tried on.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl HasKind for PathError {
    fn kind(&self) -> Kind {
        Kind::of_io(&self.source)
    }
}

/// Gives an I/O error its place.
pub trait At<T> {
    /// Says that `action` failed at `path`.
    fn at(self, path: impl AsRef<Path>, action: &'static str) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, path: impl AsRef<Path>, action: &'static str) -> Result<T, PathError> {
        self.map_err(|error| PathError {
            action,
            path: path.as_ref().to_owned(),
            source: error.into(),
        })
    }
}

/// What happens when the final name exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacePolicy {
    /// The new file takes its place in one step.
    Replace,
    /// The new file is dropped and the error is `AlreadyExists`.
    Keep,
}

/// A file that appears under its final name whole and durable, or not at all.
///
/// It is written under a temporary name in the same folder and locked meanwhile,
/// so that [`remove_stale`] can tell the leftover of a killed process from work in progress.
/// Dropping it without [`commit`](Self::commit) removes it.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    temp: PathBuf,
    file: Option<File>,
    behind: WriteBehind,
}

/// Stands in every temporary name, so that leftovers can be recognized.
const PARTIAL: &str = ".partial";

impl AtomicFile {
    /// Creates the temporary file, readable by its owner alone until [`commit`](Self::commit).
    ///
    /// The target of a symbolic link is replaced, not the link.
    /// A device, a pipe or a folder under the final name is refused: it cannot be replaced by a file.
    pub fn create(target: impl Into<PathBuf>) -> Result<Self, PathError> {
        let target = replaceable(target.into())?;
        let name = target.file_name().unwrap_or_default().to_owned();
        let mut prefix = OsString::from(".");
        prefix.push(&name);
        prefix.push(".");
        loop {
            let (file, temp) = tempfile::Builder::new()
                .prefix(&prefix)
                .suffix(PARTIAL)
                .tempfile_in(parent(&target))
                .and_then(|temp| temp.keep().map_err(|error| error.error))
                .at(&target, "create")?;
            let atomic = Self {
                target: target.clone(),
                temp,
                file: Some(file),
                behind: WriteBehind::default(),
            };
            match flock(atomic.file(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(atomic.file(), &atomic.temp) => return Ok(atomic),
                // Before it was locked, `remove_stale` of another process took it for a leftover.
                Ok(()) | Err(Errno::WOULDBLOCK) => {}
                // Without locks no leftover can be told from work in progress, so none is ever removed.
                Err(error) if is_unsupported(error) => return Ok(atomic),
                Err(error) => return Err(error).at(&atomic.temp, "lock"),
            }
        }
    }

    /// Takes a locked file that was written beside `target`, which is what [`replaceable`] returned.
    #[cfg(feature = "s3")]
    pub(crate) fn adopt(target: PathBuf, temp: PathBuf, file: File) -> Self {
        Self { target, temp, file: Some(file), behind: WriteBehind::default() }
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
        &self.temp
    }

    /// Empties the file, to begin again.
    pub fn restart(&mut self) -> Result<(), PathError> {
        let file = self.file();
        rustix::fs::ftruncate(file, 0).at(&self.temp, "empty")?;
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).at(&self.temp, "empty")?;
        Ok(())
    }

    /// Chooses another final name in the same folder.
    pub fn retarget(&mut self, target: impl Into<PathBuf>) {
        self.target = target.into();
    }

    /// Gives the file its final name, after its bytes are on the disk; syncs the folder too.
    ///
    /// With [`ReplacePolicy::Keep`] an existing name stays, the error says `AlreadyExists`,
    /// and the file can be retargeted and committed again.
    pub fn commit(&mut self, mode: u32, policy: ReplacePolicy) -> Result<(), PathError> {
        let permissions = rustix::fs::Mode::from_raw_mode(mode);
        rustix::fs::fchmod(self.file(), permissions).at(&self.temp, "set the mode of")?;
        self.behind.finish().at(&self.temp, "sync")?;
        self.file().sync_all().at(&self.temp, "sync")?;
        rename(&self.temp, &self.target, policy).at(&self.target, "create")?;
        self.file = None;
        sync_folder(parent(&self.target))
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
            let _unlinked = fs::remove_file(&self.temp);
        }
    }
}

/// Returns the path whose name a new file will take.
pub(crate) fn replaceable(target: PathBuf) -> Result<PathBuf, PathError> {
    let Ok(metadata) = fs::metadata(&target) else { return Ok(target) };
    if !metadata.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, NotRegular);
        return Err(error).at(&target, "replace");
    }
    let is_link = fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_symlink());
    if is_link { fs::canonicalize(&target).at(&target, "resolve") } else { Ok(target) }
}

/// Replaces the file `target` with `bytes`, as one durable step.
pub fn replace(target: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes).at(target, "write")?;
    file.commit(mode, ReplacePolicy::Replace)
}

/// Removes temporary files of killed processes in `folder` and returns them.
///
/// Only names made by [`AtomicFile`] for targets that `is_ours` accepts are touched, and only if no
/// process holds their lock.
pub fn remove_stale(
    folder: &Path,
    is_ours: impl Fn(&OsStr) -> bool,
) -> Result<Vec<PathBuf>, PathError> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(folder).at(folder, "list")? {
        let entry = entry.at(folder, "list")?;
        let Some(target) = target_name(&entry.file_name()) else { continue };
        if !is_ours(&target) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        let is_locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !is_locked || !is_at(&file, &path) {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => removed.push(path),
            // Its maker saw the lock and gave it up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at(&path, "remove"),
        }
    }
    Ok(removed)
}

/// Returns whether `path` names the open `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (fstat(file), lstat(path)) {
        (Ok(open), Ok(named)) => (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

/// Returns the final name a temporary name of [`AtomicFile`] was made for.
pub(crate) fn target_name(temp: &OsStr) -> Option<OsString> {
    let text = temp.to_str()?;
    let inner = text.strip_prefix('.')?.strip_suffix(PARTIAL)?;
    let (name, random) = inner.rsplit_once('.')?;
    // What `tempfile` puts there.
    let is_random = random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_random.then(|| name.into())
}

fn rename(from: &Path, to: &Path, policy: ReplacePolicy) -> io::Result<()> {
    let flags = match policy {
        ReplacePolicy::Replace => RenameFlags::empty(),
        ReplacePolicy::Keep => RenameFlags::NOREPLACE,
    };
    match renameat_with(CWD, from, CWD, to, flags) {
        // Some file systems (NFS, older FUSE) have no RENAME_NOREPLACE; a hard link refuses as well.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => Ok(other?),
    }
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<(), PathError> {
    File::open(folder).and_then(|folder| folder.sync_all()).at(folder, "sync")
}

/// Creates `folder` and its parents where missing.
pub fn create_folders(folder: &Path) -> Result<(), PathError> {
    fs::create_dir_all(folder).at(folder, "create the folder")
}

/// Reads a whole regular text file of at most `limit` bytes.
///
/// What a user names may be a pipe: [`read_input`] is for that.
pub fn read_text(path: &Path, limit: u64) -> Result<String, PathError> {
    input::read_limited(open_file(path)?, path, limit)
}

/// Returns the folder that holds `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();

        let mut file = AtomicFile::create(dir.path().join("a.txt")).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);

        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn commit_keeps_an_existing_file_and_can_be_retargeted() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.txt");
        replace(&target, b"old", 0o644).unwrap();

        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        let refused = file.commit(0o644, ReplacePolicy::Keep).unwrap_err();
        file.retarget(dir.path().join("b.txt"));
        file.commit(0o600, ReplacePolicy::Keep).unwrap();

        assert_eq!(refused.kind(), Kind::Exists);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.txt", "b.txt"]);
    }

    #[test]
    fn removes_the_leftover_of_a_killed_process_but_not_work_in_progress() {
        let dir = tempfile::tempdir().unwrap();
        let working = AtomicFile::create(dir.path().join("a.txt")).unwrap();
        File::create(dir.path().join(".a.txt.Xy12zz.partial")).unwrap();
        File::create(dir.path().join(".other.Xy12zz.partial")).unwrap();
        File::create(dir.path().join(".a.txt.my-own.partial")).unwrap();

        let removed = remove_stale(dir.path(), |name| name == "a.txt").unwrap();

        assert_eq!(removed, [dir.path().join(".a.txt.Xy12zz.partial")]);
        assert!(working.temp_path().exists());
        assert_eq!(names(dir.path()).len(), 3);
    }

    #[test]
    fn work_begun_while_leftovers_are_removed_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.txt");
        let is_done = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;

        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(order) {
                    remove_stale(dir.path(), |_| true).unwrap();
                }
            });
            let made = std::panic::catch_unwind(|| {
                for _ in 0..500 {
                    replace(&target, b"x", 0o600).unwrap();
                }
            });
            is_done.store(true, order);
            made.unwrap();
        });

        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[test]
    fn refuses_to_replace_what_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();

        let refused = replace(&pipe, b"text", 0o644).unwrap_err();

        assert_eq!(refused.to_string(), format!("failed to replace `{}`", pipe.display()));
        assert!(!fs::metadata(&pipe).unwrap().is_file());
        assert_eq!(names(dir.path()), ["pipe"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        replace(&dir.path().join("file"), b"old", 0o644).unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();

        replace(&dir.path().join("link"), b"new", 0o644).unwrap();

        assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"new");
    }

    #[test]
    fn errors_name_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");

        let error = read_text(&missing, 10).unwrap_err();

        assert_eq!(error.to_string(), format!("failed to read `{}`", missing.display()));
        assert_eq!(error.kind(), Kind::NotFound);
    }

    #[test]
    fn refuses_a_text_past_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        replace(&path, b"12345", 0o644).unwrap();

        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
    }
}
