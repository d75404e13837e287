//! A folder for secrets that goes with its process, or, if that was killed, with the next one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat},
    io::Errno,
    process::geteuid,
};
use tempfile::TempDir;

use super::{
    is_at,
    path_error::{IoResultExt, PathError},
};

/// What `tempfile` puts behind a prefix.
const RANDOM_LENGTH: usize = 6;

/// A folder that only its owner can enter; it is removed with this value.
///
/// It is locked meanwhile, so that [`remove_stale`](Self::remove_stale) can tell the leftover of a killed
/// process from one in use.
#[derive(Debug)]
pub struct PrivateFolder {
    folder: TempDir,
    /// `None` where the file system has no locks; then nothing there is ever taken for a leftover.
    _lock: Option<File>,
}

impl PrivateFolder {
    /// Makes a folder below `parent` whose name begins with `prefix`.
    pub fn create(parent: &Path, prefix: &str) -> Result<Self, PathError> {
        loop {
            let folder = tempfile::Builder::new()
                .prefix(prefix)
                // Without it the umask would decide.
                .permissions(fs::Permissions::from_mode(0o700))
                .rand_bytes(RANDOM_LENGTH)
                .tempdir_in(parent)
                .at(parent, "create a folder in")?;
            let lock = match open_folder(folder.path()) {
                // It was taken for a leftover before it was locked.
                Err(Errno::NOENT) => continue,
                opened => opened.at(folder.path(), "open")?,
            };
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&lock, folder.path()) => {
                    return Ok(Self { folder, _lock: Some(lock) });
                }
                Ok(()) | Err(Errno::WOULDBLOCK) => {}
                Err(_) => return Ok(Self { folder, _lock: None }),
            }
        }
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the folders that killed processes of this user left below `parent`, and returns them.
    ///
    /// What cannot be removed stays: a leftover must not stop the work.
    pub fn remove_stale(parent: &Path, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let ours = entries.filter(|entry| is_name(&entry.file_name(), prefix));
        ours.map(|entry| entry.path()).filter(|path| remove_if_stale(path)).collect()
    }
}

fn is_name(name: &OsStr, prefix: &str) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
    random.is_some_and(|random| {
        random.len() == RANDOM_LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn remove_if_stale(path: &Path) -> bool {
    let Ok(folder) = open_folder(path) else { return false };
    let is_ours = fstat(&folder).is_ok_and(|stat| {
        let is_private = Mode::from_raw_mode(stat.st_mode) == Mode::RWXU;
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            && stat.st_uid == geteuid().as_raw()
            && is_private
    });
    is_ours
        && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
        && is_at(&folder, path)
        && remove_all(path).is_ok()
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What cannot be removed is tried again by the next run.
        let _removed = remove_all(self.path());
    }
}

/// Removes a folder with all in it, folders that may not be changed included.
fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            unlock(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Lets the owner of a folder change it, and those in it.
fn unlock(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unlock(&entry.path())?;
        }
    }
    Ok(())
}

/// Opens the folder itself, never what a link of that name leads to.
fn open_folder(path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map(File::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn make(path: &Path, mode: u32) {
        fs::create_dir(path).unwrap();
        File::create(path.join("plan")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_leftover_is_removed_and_a_folder_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let used = PrivateFolder::create(dir.path(), "x-").unwrap();
        make(&dir.path().join("x-Ab12Cd"), 0o700);

        let removed = PrivateFolder::remove_stale(dir.path(), "x-");

        assert_eq!(fs::metadata(used.path()).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(removed, [dir.path().join("x-Ab12Cd")]);
        assert!(used.path().exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_surely_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        make(&dir.path().join("x-readme"), 0o755);
        make(&dir.path().join("x-my-own-folder"), 0o700);
        make(&dir.path().join("y-Ab12Cd"), 0o700);
        make(&dir.path().join("elsewhere"), 0o700);
        symlink("elsewhere", dir.path().join("x-Li12nk")).unwrap();
        File::create(dir.path().join("x-Fi12le")).unwrap();

        assert_eq!(PrivateFolder::remove_stale(dir.path(), "x-"), [""; 0].map(PathBuf::from));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
        assert_eq!(PrivateFolder::remove_stale(&dir.path().join("missing"), "x-").len(), 0);
    }

    #[test]
    fn folders_made_while_leftovers_are_removed_stay() {
        let dir = tempfile::tempdir().unwrap();
        let is_done = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;

        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(order) {
                    PrivateFolder::remove_stale(dir.path(), "x-");
                }
            });
            let made = std::panic::catch_unwind(|| {
                for _ in 0..500 {
                    let folder = PrivateFolder::create(dir.path(), "x-").unwrap();
                    File::create(folder.path().join("plan")).unwrap();
                }
            });
            is_done.store(true, order);
            made.unwrap();
        });
    }
}
