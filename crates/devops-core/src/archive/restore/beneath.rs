//! Reaches folders beneath one folder, never through a symbolic link.
//!
//! The kernel resolves a path beneath the folder in one step where it can (`openat2`, Linux 5.6). Where it
//! cannot, for an older kernel, a filter that forbids the call or a path longer than the system takes,
//! the path is walked one component at a time, none of them followed. Without `..` in any path that is
//! as safe.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, statat,
    },
    io::Errno,
};

use super::Lookup;
use crate::archive::{
    meta::{FileId, Meta},
    walk::FOLDER,
};

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A folder, and the one beneath it that was used last.
pub(super) struct Beneath {
    root: Arc<Folder>,
    by_kernel: AtomicBool,
    last: Mutex<Option<(PathBuf, Arc<Folder>)>>,
}

/// An open folder.
pub(super) struct Folder {
    fd: OwnedFd,
    pub(super) id: FileId,
}

/// A place in an open folder.
#[derive(Clone)]
pub(super) struct Spot<'a> {
    pub(super) folder: Arc<Folder>,
    pub(super) name: &'a OsStr,
}

impl Beneath {
    /// Opens the root; a symbolic link the user names is followed.
    pub(super) fn open(root: &Path, lookup: Lookup) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Folder::new(openat(CWD, root, flags, Mode::empty())?)?;
        let by_kernel = AtomicBool::new(lookup == Lookup::Kernel);
        Ok(Self { root: Arc::new(root), by_kernel, last: Mutex::new(None) })
    }

    pub(super) fn root(&self) -> &Arc<Folder> {
        &self.root
    }

    /// Opens the folder at `path`.
    pub(super) fn folder(&self, path: &Path) -> io::Result<Arc<Folder>> {
        if path.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        if let Some((last, folder)) = &*self.last()
            && last == path
        {
            return Ok(Arc::clone(folder));
        }
        let folder = Folder::new(self.resolve(path)?)?;
        Ok(self.remember(path, folder))
    }

    /// Opens the folder at `path`, and makes missing ones, which `on_made` hears of.
    pub(super) fn make(
        &self,
        path: &Path,
        on_made: &mut dyn FnMut(FileId),
    ) -> io::Result<Arc<Folder>> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let mut folder = Arc::clone(&self.root);
        for name in path {
            folder = Arc::new(match openat(folder.as_fd(), name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => {
                    match mkdirat(folder.as_fd(), name, Mode::from_raw_mode(0o777)) {
                        // Another thread was quicker.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    let made = Folder::open(&folder, name)?;
                    on_made(made.id);
                    made
                }
                other => Folder::new(other.map_err(explained)?)?,
            });
        }
        *self.last() = Some((path.to_owned(), Arc::clone(&folder)));
        Ok(folder)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<(PathBuf, Arc<Folder>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, path: &Path, folder: Folder) -> Arc<Folder> {
        let folder = Arc::new(folder);
        *self.last() = Some((path.to_owned(), Arc::clone(&folder)));
        folder
    }

    fn resolve(&self, path: &Path) -> io::Result<OwnedFd> {
        if self.by_kernel.load(Ordering::Relaxed) {
            match openat2(self.root.as_fd(), path, FOLDER, Mode::empty(), RESOLVE) {
                // The kernel does not know the call, or a filter forbids it.
                Err(Errno::NOSYS | Errno::PERM) => self.by_kernel.store(false, Ordering::Relaxed),
                // For this one path it is not the way.
                Err(Errno::NAMETOOLONG | Errno::AGAIN) => {}
                other => return other.map_err(explained),
            }
        }
        let mut folder: Option<OwnedFd> = None;
        for name in path {
            let above = folder.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            folder = Some(openat(above, name, FOLDER, Mode::empty()).map_err(explained)?);
        }
        folder.ok_or_else(|| Errno::NOENT.into())
    }
}

fn explained(error: Errno) -> io::Error {
    match error {
        Errno::NOTDIR | Errno::LOOP | Errno::XDEV => {
            io::Error::other("a link or a file is on its way, not a folder")
        }
        error => error.into(),
    }
}

impl Folder {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let id = Meta::from(fstat(&fd)?).id;
        Ok(Self { fd, id })
    }

    /// Opens the folder `name` right in `folder`.
    fn open(folder: &Self, name: &OsStr) -> io::Result<Self> {
        Self::new(openat(folder.as_fd(), name, FOLDER, Mode::empty()).map_err(explained)?)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Spot<'_> {
    /// Looks at what is there, without following it.
    pub(super) fn look(&self) -> io::Result<Option<Meta>> {
        match statat(self.folder.as_fd(), self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens what is there for nothing but its metadata, if it is of the sort expected and has no other
    /// name: only then it cannot be somebody else's file in the place of ours.
    pub(super) fn handle(&self, kind: FileType) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(self.folder.as_fd(), self.name, flags, Mode::empty())?;
        let meta = Meta::from(fstat(&fd)?);
        if meta.kind != kind || meta.has_more_names {
            return Err(io::Error::other("something else took its place"));
        }
        Ok(fd)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn both(check: impl Fn(&Beneath, &Path)) {
        for lookup in [Lookup::Kernel, Lookup::Components] {
            let dir = tempfile::tempdir().unwrap();
            check(&Beneath::open(dir.path(), lookup).unwrap(), dir.path());
        }
    }

    #[test]
    fn folders_are_made_where_they_are_missing_and_only_there() {
        both(|beneath, root| {
            fs::create_dir(root.join("a")).unwrap();
            let mut made = Vec::new();

            let folder = beneath.make(Path::new("a/b/c"), &mut |id| made.push(id)).unwrap();
            beneath.make(Path::new("a/b"), &mut |id| made.push(id)).unwrap();

            assert!(root.join("a/b/c").is_dir());
            assert_eq!(made.len(), 2);
            assert_eq!(made[1], folder.id);
        });
    }

    #[test]
    fn no_link_is_followed_wherever_it_stands() {
        both(|beneath, root| {
            let outside = tempfile::tempdir().unwrap();
            fs::create_dir(root.join("real")).unwrap();
            fs::create_dir(outside.path().join("x")).unwrap();
            symlink(outside.path(), root.join("out")).unwrap();
            symlink("real", root.join("in")).unwrap();
            symlink("..", root.join("real/up")).unwrap();
            symlink("/proc/self/cwd", root.join("magic")).unwrap();

            for path in ["out", "out/x", "out/new", "in", "in/new", "real/up/new", "magic/new"] {
                let path = Path::new(path);
                assert!(beneath.folder(path).is_err(), "{path:?}");
                assert!(beneath.make(path, &mut |_| {}).is_err(), "{path:?}");
            }

            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
            assert_eq!(fs::read_dir(root.join("real")).unwrap().count(), 1);
        });
    }

    #[test]
    fn paths_longer_than_the_system_takes_are_reached() {
        both(|beneath, _| {
            let long = format!("{}/", "d".repeat(250)).repeat(30);

            let made = beneath.make(Path::new(&long), &mut |_| {}).unwrap().id;
            *beneath.last() = None;

            assert_eq!(beneath.folder(Path::new(&long)).unwrap().id, made);
        });
    }
}
