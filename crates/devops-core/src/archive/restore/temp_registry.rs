//! Finds what a killed restore has left behind.
//!
//! While a restore runs, a locked file in the target folder says in which folders temporary names were
//! made. A kill leaves it there unlocked, and the next restore into the folder removes what it names.

use std::{
    ffi::OsStr,
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufReader, Write},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, openat, unlinkat};

use super::place::normalize;
use crate::fs::{DirHandle, RootedDir};

const PREFIX: &str = ".devops-restore-";
const SUFFIX: &str = ".partial";
const MARK: &[u8] = b"devops-backup restore, unfinished\n";

/// Makes temporary names, and writes down where.
pub(super) struct TempRegistry {
    root: Arc<DirHandle>,
    /// Tells the names of this run from those of another.
    run: String,
    n_names: AtomicU64,
    written: Mutex<Written>,
}

enum Written {
    NotYet,
    To(File, PathBuf),
    /// The folder takes no such file, or no lock: a kill may leave something.
    Nowhere,
}

impl TempRegistry {
    pub(super) fn new(root: &Arc<DirHandle>) -> Self {
        Self {
            root: Arc::clone(root),
            run: format!("{:016x}", RandomState::new().hash_one(0)),
            n_names: AtomicU64::new(0),
            written: Mutex::new(Written::NotYet),
        }
    }

    /// Returns a new name for the folder at the place `folder`.
    pub(super) fn temp_name(&self, folder: &Path) -> String {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*written, Written::NotYet) {
            *written =
                self.begin().map_or(Written::Nowhere, |file| Written::To(file, PathBuf::from("/")));
        }
        if let Written::To(file, last) = &mut *written
            && last != folder
        {
            let line = [folder.as_os_str().as_bytes(), b"\0"].concat();
            match file.write_all(&line) {
                Ok(()) => folder.clone_into(last),
                Err(_) => *written = Written::Nowhere,
            }
        }
        drop(written);
        let number = self.n_names.fetch_add(1, Ordering::Relaxed);
        format!("{PREFIX}{}-{number}{SUFFIX}", self.run)
    }

    fn begin(&self) -> io::Result<File> {
        let name = self.name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        let mut file = File::from(openat(self.root.as_fd(), &name, flags | OFlags::CLOEXEC, mode)?);
        let begun = flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(MARK));
        if begun.is_err() {
            unlinkat(self.root.as_fd(), &name, AtFlags::empty())?;
        }
        begun.map(|()| file)
    }

    fn name(&self) -> String {
        format!("{PREFIX}{}{SUFFIX}", self.run)
    }

    /// Ends the run: nothing temporary is left.
    pub(super) fn finish(&self) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Written::To(..) = *written {
            // A failure leaves a file that the next restore removes.
            let _gone = unlinkat(self.root.as_fd(), self.name(), AtFlags::empty());
        }
        *written = Written::Nowhere;
    }
}

impl Drop for TempRegistry {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Removes what killed restores have left; one that still runs keeps its own.
pub(super) fn remove_leftovers(root: &RootedDir) -> io::Result<()> {
    let dir = root.root();
    for name in names_in(dir, PREFIX.as_bytes())? {
        let Some(run) = run_of(&name) else { continue };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(fd) = openat(dir.as_fd(), name.as_slice(), flags, Mode::empty()) else { continue };
        let is_dead = flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok();
        let mut lines = BufReader::new(File::from(fd));
        let mut mark = Vec::new();
        // Something of that name may be anybody's.
        let is_journal = lines.read_until(b'\n', &mut mark).is_ok() && mark == MARK;
        if !is_dead || !is_journal {
            continue;
        }
        remove_named(root, run, lines)?;
        unlinkat(dir.as_fd(), name.as_slice(), AtFlags::empty())?;
    }
    Ok(())
}

/// Removes the temporary names of a run in the folders it wrote down.
fn remove_named(root: &RootedDir, run: &str, lines: impl BufRead) -> io::Result<()> {
    let prefix = format!("{PREFIX}{run}-");
    for line in lines.split(0) {
        let line = line?;
        let Ok(place) = normalize(Path::new(OsStr::from_bytes(&line))) else { continue };
        // It may be gone, or something else by now.
        let Ok(folder) = root.folder(&place) else { continue };
        for name in names_in(&folder, prefix.as_bytes())? {
            unlinkat(folder.as_fd(), name.as_slice(), AtFlags::empty())?;
        }
    }
    Ok(())
}

/// Returns the run whose journal has this name.
fn run_of(name: &[u8]) -> Option<&str> {
    let run = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let is_run = run.len() == 16 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_run.then_some(run)
}

/// Returns the temporary names in a folder that begin with `prefix`.
fn names_in(folder: &DirHandle, prefix: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(prefix) && name.ends_with(SUFFIX.as_bytes()) {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::Lookup;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_killed_run_leaves_nothing_and_a_running_one_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let root = RootedDir::open(dir.path(), Lookup::Kernel).unwrap();
        let running = TempRegistry::new(root.root());
        File::create(dir.path().join(running.temp_name(Path::new("")))).unwrap();
        let killed = TempRegistry::new(root.root());
        for folder in ["a/b", "", "a/b", "gone"] {
            let name = killed.temp_name(Path::new(folder));
            let _there = File::create(dir.path().join(folder).join(name));
        }
        File::create(dir.path().join("a/.devops-restore-mine.partial")).unwrap();
        File::create(dir.path().join(".devops-restore-0123456789abcdef.partial")).unwrap();
        // As a kill does: the lock goes, the file stays.
        *killed.written.lock().unwrap() = Written::Nowhere;

        remove_leftovers(&root).unwrap();

        assert_eq!(names(&dir.path().join("a/b")), [""; 0]);
        assert_eq!(names(&dir.path().join("a")), [".devops-restore-mine.partial", "b"]);
        let mut expected = [
            ".devops-restore-0123456789abcdef.partial".to_owned(),
            running.name(),
            format!("{PREFIX}{}-0{SUFFIX}", running.run),
            "a".to_owned(),
        ];
        expected.sort();
        assert_eq!(names(dir.path()), expected);
        running.finish();
        assert_eq!(names(dir.path()).len(), 3);
    }
}
