//! Reaches directories beneath one directory, never through a symbolic link.
//!
//! The kernel resolves a path beneath the directory in one step where it can (`openat2`, Linux 5.6). Where
//! it cannot, for an older kernel, a filter that forbids the call or a path longer than the system takes,
//! the path is walked one component at a time, none of them followed. Without `..` in any path that is
//! as safe.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
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
        AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, fstat, fsync, linkat,
        mkdirat, openat, openat2, renameat, renameat_with, statat, unlinkat,
    },
    io::Errno,
};

use super::if_exists::IfExists;
#[cfg(feature = "s3")]
use super::path_error::{IoResultExt, PathError};

/// The flags with which every directory beneath another is opened.
pub(crate) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Device and inode: what makes two paths the same file.
pub(crate) type FileId = (u64, u64);

/// The way in which directories beneath the root are reached; both ways are equally safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// The kernel resolves whole paths, if it can.
    #[default]
    Kernel,
    /// Every component is opened by itself, as on kernels that cannot.
    Components,
}

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A directory below which paths are resolved, and the one beneath it that was used last.
#[derive(Debug)]
pub struct RootedDir {
    root: Arc<DirHandle>,
    by_kernel: AtomicBool,
    last: Mutex<Option<(PathBuf, Arc<DirHandle>)>>,
}

/// An open directory.
#[derive(Debug)]
pub struct DirHandle {
    fd: OwnedFd,
    pub(crate) id: FileId,
}

/// A directory on the way to another.
#[cfg_attr(not(feature = "archive"), allow(dead_code, reason = "only restore looks at each step"))]
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// Its path, from the root on.
    pub(crate) path: &'a Path,
    /// The directory that holds it.
    pub(crate) above: &'a Arc<DirHandle>,
    pub(crate) id: FileId,
    /// Is set if it was missing.
    pub(crate) is_made: bool,
}

/// A name in an open directory.
#[derive(Clone, Debug)]
pub struct DirEntryPath {
    pub(crate) dir: Arc<DirHandle>,
    pub(crate) name: OsString,
}

impl RootedDir {
    /// Opens the root; a symbolic link the user names is followed.
    pub(crate) fn open(root: &Path, lookup: Lookup) -> io::Result<Self> {
        let rooted = Self::new(Arc::new(DirHandle::reach(root)?));
        rooted.by_kernel.store(lookup == Lookup::Kernel, Ordering::Relaxed);
        Ok(rooted)
    }

    /// Takes a directory that is open already.
    pub(super) fn new(root: Arc<DirHandle>) -> Self {
        Self { root, by_kernel: AtomicBool::new(true), last: Mutex::new(None) }
    }

    /// Returns the directory itself.
    pub fn root(&self) -> &Arc<DirHandle> {
        &self.root
    }

    /// Opens the folder at `path`.
    pub(crate) fn folder(&self, path: &Path) -> io::Result<Arc<DirHandle>> {
        if path.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        if let Some((last, folder)) = &*self.last()
            && last == path
        {
            return Ok(Arc::clone(folder));
        }
        let folder = DirHandle::new(self.resolve(path)?)?;
        Ok(self.remember(path, folder))
    }

    /// Opens the folder at `path`, and makes missing ones.
    pub(crate) fn make(&self, path: &Path) -> io::Result<Arc<DirHandle>> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        self.walk(path, &mut |_| Ok(()))
    }

    /// Opens the folder at `path` one component after the other, and makes missing ones; `on_step` may
    /// refuse any of them.
    pub(crate) fn walk(
        &self,
        path: &Path,
        on_step: &mut dyn FnMut(&Step<'_>) -> io::Result<()>,
    ) -> io::Result<Arc<DirHandle>> {
        let mut above = Arc::clone(&self.root);
        let mut walked = PathBuf::new();
        for name in path {
            walked.push(name);
            let (folder, is_made) = match openat(above.as_fd(), name, DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT) => {
                    let made = mkdirat(above.as_fd(), name, Mode::from_raw_mode(0o777));
                    match made {
                        // Another thread was quicker.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    (DirHandle::open(&above, name)?, made.is_ok())
                }
                other => (DirHandle::new(other.map_err(explained)?)?, false),
            };
            on_step(&Step { path: &walked, above: &above, id: folder.id, is_made })?;
            above = Arc::new(folder);
        }
        *self.last() = Some((walked, Arc::clone(&above)));
        Ok(above)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<(PathBuf, Arc<DirHandle>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, path: &Path, folder: DirHandle) -> Arc<DirHandle> {
        let folder = Arc::new(folder);
        *self.last() = Some((path.to_owned(), Arc::clone(&folder)));
        folder
    }

    fn resolve(&self, path: &Path) -> io::Result<OwnedFd> {
        if self.by_kernel.load(Ordering::Relaxed) {
            match openat2(self.root.as_fd(), path, DIRECTORY, Mode::empty(), RESOLVE) {
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
            folder = Some(openat(above, name, DIRECTORY, Mode::empty()).map_err(explained)?);
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

impl DirHandle {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let stat = fstat(&fd)?;
        let id = (stat.st_dev, stat.st_ino);
        Ok(Self { fd, id })
    }

    /// Opens the folder `name` right in `folder`.
    fn open(folder: &Self, name: &OsStr) -> io::Result<Self> {
        Self::new(openat(folder.as_fd(), name, DIRECTORY, Mode::empty()).map_err(explained)?)
    }
}

impl AsFd for DirHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl DirEntryPath {
    /// Opens a folder that a user named, for one name in it.
    #[cfg(feature = "s3")]
    pub(crate) fn in_folder(folder: &Path, name: &OsStr) -> Result<Self, PathError> {
        let dir = DirHandle::reach(folder).map(Arc::new).at(folder, "open")?;
        Ok(Self { dir, name: name.to_owned() })
    }

    /// Makes the names in its directory durable.
    pub(crate) fn sync_dir(&self) -> rustix::io::Result<()> {
        fsync(self.dir.as_fd())
    }

    /// Returns another name in the same directory.
    pub(crate) fn sibling(&self, name: impl Into<OsString>) -> Self {
        Self { dir: Arc::clone(&self.dir), name: name.into() }
    }

    /// Looks at what is there, without following it.
    pub(crate) fn look(&self) -> io::Result<Option<Stat>> {
        match statat(self.dir.as_fd(), &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens what is there; a link is never followed, and a pipe never waited for.
    pub(crate) fn open(&self, flags: OFlags, mode: Mode) -> rustix::io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(self.dir.as_fd(), &self.name, flags, mode).map(File::from)
    }

    /// Opens what is there for nothing but its metadata, if it is of the sort expected and has no other
    /// name: only then it cannot be a file of another in the place of ours.
    pub fn handle(&self, kind: FileType) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(self.dir.as_fd(), &self.name, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != kind || stat.st_nlink > 1 {
            return Err(io::Error::other("something else took its place"));
        }
        Ok(fd)
    }

    /// Returns whether this names the open `file`.
    pub(crate) fn is(&self, file: impl AsFd) -> bool {
        match (fstat(file), self.look()) {
            (Ok(open), Ok(Some(named))) => {
                (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
            }
            _ => false,
        }
    }

    /// Gives what is there the name `to`; with [`IfExists::Fail`] an existing one fails with `EXIST`.
    pub(crate) fn rename(&self, to: &Self, policy: IfExists) -> rustix::io::Result<()> {
        let (from_dir, to_dir) = (self.dir.as_fd(), to.dir.as_fd());
        if policy == IfExists::Replace {
            renameat(from_dir, &self.name, to_dir, &to.name)?;
            // Of two names of one file, a rename leaves both.
            let _gone = self.remove();
            return Ok(());
        }
        match renameat_with(from_dir, &self.name, to_dir, &to.name, RenameFlags::NOREPLACE) {
            // Some file systems (NFS, FUSE, SMB) have no NOREPLACE; a hard link refuses as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link_or_claim(to),
            other => other,
        }
    }

    /// Gives what is there the name `to` by a hard link; where there are none, by an empty file that claims
    /// the name first.
    fn link_or_claim(&self, to: &Self) -> rustix::io::Result<()> {
        let (from_dir, to_dir) = (self.dir.as_fd(), to.dir.as_fd());
        match linkat(from_dir, &self.name, to_dir, &to.name, AtFlags::empty()) {
            Ok(()) => return self.remove(),
            Err(Errno::EXIST) => return Err(Errno::EXIST),
            Err(_) => {}
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        // Not open any longer: servers of SMB let no open file be replaced.
        let claim = fstat(to.open(flags, Mode::RUSR | Mode::WUSR)?)?;
        let renamed = renameat(from_dir, &self.name, to_dir, &to.name);
        if renamed.is_err()
            && let Ok(Some(there)) = to.look()
            && (there.st_dev, there.st_ino, there.st_size) == (claim.st_dev, claim.st_ino, 0)
        {
            let _released = to.remove();
        }
        renamed
    }

    /// Removes what is there, unless it is a directory.
    pub(crate) fn remove(&self) -> rustix::io::Result<()> {
        unlinkat(self.dir.as_fd(), &self.name, AtFlags::empty())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn both(check: impl Fn(&RootedDir, &Path)) {
        for lookup in [Lookup::Kernel, Lookup::Components] {
            let dir = tempfile::tempdir().unwrap();
            check(&RootedDir::open(dir.path(), lookup).unwrap(), dir.path());
        }
    }

    #[test]
    fn folders_are_made_where_they_are_missing_and_only_there() {
        both(|beneath, root| {
            fs::create_dir(root.join("a")).unwrap();
            let mut steps = Vec::new();
            let mut note = |step: &Step<'_>| {
                steps.push((step.path.to_owned(), step.is_made, step.id));
                Ok(())
            };

            let folder = beneath.walk(Path::new("a/b/c"), &mut note).unwrap();

            assert!(root.join("a/b/c").is_dir());
            let made: Vec<_> =
                steps.iter().map(|(path, made, _)| (path.as_path(), *made)).collect();
            let path = Path::new;
            assert_eq!(made, [(path("a"), false), (path("a/b"), true), (path("a/b/c"), true)]);
            assert_eq!(steps[2].2, folder.id);
            assert_eq!(beneath.make(Path::new("a/b/c")).unwrap().id, folder.id);
        });
    }

    #[test]
    fn a_refused_step_ends_the_way() {
        both(|beneath, root| {
            let mut refuse = |step: &Step<'_>| {
                if step.path.ends_with("b") { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
            };

            assert!(beneath.walk(Path::new("a/b/c"), &mut refuse).is_err());

            assert!(root.join("a").is_dir());
            assert!(!root.join("a/b/c").exists());
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
                assert!(beneath.make(path).is_err(), "{path:?}");
            }

            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
            assert_eq!(fs::read_dir(root.join("real")).unwrap().count(), 1);
        });
    }

    #[test]
    fn paths_longer_than_the_system_takes_are_reached() {
        both(|beneath, _| {
            let long = format!("{}/", "d".repeat(250)).repeat(30);

            let made = beneath.make(Path::new(&long)).unwrap().id;
            *beneath.last() = None;

            assert_eq!(beneath.folder(Path::new(&long)).unwrap().id, made);
        });
    }
}
