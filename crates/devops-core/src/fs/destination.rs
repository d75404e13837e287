//! The destination of a file: an open directory and a name in it.
//!
//! The directory that a user names may be reached through links. It is opened once and held; from
//! then on all work goes by the directory handle. Later changes of the path redirect nothing.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        CWD, FileType, Mode, OFlags, Stat, fcntl_getfl, fcntl_setfl, fstat, fstatfs, openat,
        readlinkat,
    },
    io::Errno,
    process::geteuid,
};

use crate::owners::{Accounts, FileAccess};

use super::{
    DirEntryPath, DirHandle, Lookup, RootedDir,
    folders::{create_folders, parent},
    path_error::{IoResultExt, PathError},
    refusal::{NotRegular, RefusedPath},
};

/// The kernel follows no more links than this, either.
const MAX_LINKS: usize = 40;
/// The type of the file system that has `/proc/self/fd`, from `linux/magic.h`.
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// The destination of a file.
#[derive(Clone, Debug)]
pub struct Destination {
    pub(crate) at: DirEntryPath,
    path: PathBuf,
}

/// The target of a path that is to be written.
pub enum Resolved {
    /// A file, or a name that is free.
    File(Destination),
    /// A pipe, a terminal or a descriptor of this process.
    Stream(Stream),
}

/// Something that takes bytes as they come. It is not open yet: a reader would take that for a writer.
#[derive(Clone, Debug)]
pub struct Stream {
    at: DirEntryPath,
    path: PathBuf,
    /// Is set if the path leads to a descriptor of this process, as `/dev/stdout` does.
    is_descriptor: bool,
}

impl Stream {
    /// Opens it for writing; a pipe that no process reads fails.
    pub fn open(&self) -> Result<File, PathError> {
        let opened =
            if self.is_descriptor { open_descriptor(&self.at) } else { open_stream(&self.at) };
        opened.at(&self.path, "write")
    }
}

impl Destination {
    /// Opens the directory of `path`.
    ///
    /// A link under the final name is followed if it is ours or root's and no other can replace it.
    /// A device, a pipe or a directory there is refused: it cannot be replaced by a file.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        match resolve(path)? {
            Resolved::File(destination) => Ok(destination),
            Resolved::Stream(_) => Err(refused(NotRegular)).at(path, "replace"),
        }
    }

    /// Returns the path as the user knows it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how large the file is that is there, if any.
    pub fn size(&self) -> Result<Option<u64>, PathError> {
        let stat = self.at.look().at(&self.path, "read")?;
        Ok(stat.map(|stat| u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// Returns the permission bits of the file that is there, if any.
    #[cfg(feature = "s3")]
    pub(crate) fn mode(&self) -> Result<Option<u32>, PathError> {
        let stat = self.at.look().at(&self.path, "read")?;
        let file = stat.filter(|stat| kind(stat) == FileType::RegularFile);
        Ok(file.map(|stat| stat.st_mode & 0o777))
    }

    /// Opens the file that is there for reading; anything else is refused.
    pub(crate) fn open_file(&self) -> Result<File, PathError> {
        let file = self.at.open(OFlags::RDONLY, Mode::empty()).at(&self.path, "read")?;
        if !file.metadata().at(&self.path, "read")?.is_file() {
            return Err(refused(NotRegular)).at(&self.path, "read");
        }
        Ok(file)
    }

    /// Reads the text of the file that is there, of at most `limit` bytes.
    #[cfg(feature = "profile")]
    pub(crate) fn read_text(&self, limit: u64) -> Result<String, PathError> {
        super::input::read_limited(self.open_file()?, &self.path, limit)
    }

    /// Fails if the final name has become a link.
    pub(super) fn check_no_link(&self) -> Result<(), PathError> {
        let stat = self.at.look().at(&self.path, "replace")?;
        if stat.is_some_and(|stat| kind(&stat) == FileType::Symlink) {
            return Err(refused(RefusedPath::Below)).at(&self.path, "replace");
        }
        Ok(())
    }
}

/// A folder that was opened once; files below it are reached without following a link.
#[derive(Clone, Debug)]
pub struct OpenFolder {
    pub(super) root: Arc<RootedDir>,
    pub(super) path: PathBuf,
}

impl OpenFolder {
    /// Opens a folder; one that is missing is made.
    pub fn create(path: &Path) -> Result<Self, PathError> {
        create_folders(path)?;
        Self::open(path)
    }

    /// Opens a folder that exists.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let root = RootedDir::open(path, Lookup::Kernel).at(path, "open")?;
        Ok(Self { root: Arc::new(root), path: path.to_owned() })
    }

    /// Returns the path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a name right in the folder.
    pub(crate) fn entry(&self, name: impl Into<OsString>) -> DirEntryPath {
        DirEntryPath { dir: Arc::clone(self.root.root()), name: name.into() }
    }

    /// Returns the destination of a file that is not there yet; `None` if anything has its name, a link too.
    #[cfg(feature = "archive")]
    pub(crate) fn free(&self, name: &str) -> Result<Option<Destination>, PathError> {
        let (at, path) = (self.entry(name), self.path.join(name));
        let is_free = at.look().at(&path, "read")?.is_none();
        Ok(is_free.then_some(Destination { at, path }))
    }

    /// Returns the destination of the file `relative`, and makes its folders; no link is followed.
    pub fn make(&self, relative: &Path) -> Result<Destination, PathError> {
        let above = relative.parent().unwrap_or(Path::new(""));
        let dir = self.root.make(above);
        self.destination(dir.at(self.path.join(above), "enter")?, relative)
    }

    /// Makes the folder `relative` and those above it; no link is followed.
    pub fn make_folder(&self, relative: &Path) -> Result<(), PathError> {
        self.root.make(relative).at(self.path.join(relative), "make").map(drop)
    }

    /// Returns the place of the file `relative`, if its folder exists.
    pub fn find(&self, relative: &Path) -> Result<Option<Destination>, PathError> {
        let above = relative.parent().unwrap_or(Path::new(""));
        match self.root.folder(above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            dir => self.destination(dir.at(self.path.join(above), "enter")?, relative).map(Some),
        }
    }

    /// Opens the file `relative` for reading; anything else is refused, and a pipe never waited for.
    pub fn open_file(&self, relative: &Path) -> Result<File, PathError> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let found = self.find(relative)?.ok_or_else(missing);
        found.at(self.path.join(relative), "read")?.open_file()
    }

    /// Looks at the file `relative`, without following a link.
    #[cfg(feature = "s3")]
    pub(crate) fn look(&self, relative: &Path) -> Result<Option<Stat>, PathError> {
        let Some(found) = self.find(relative)? else { return Ok(None) };
        found.at.look().at(&found.path, "read")
    }

    /// Removes the file `relative`; one that is gone is no error, and a link or a folder is refused.
    #[cfg(feature = "s3")]
    pub(crate) fn remove_file(&self, relative: &Path) -> Result<(), PathError> {
        match self.find(relative)? {
            Some(found) if found.size()?.is_some() => {
                Ok(found.at.remove().at(&found.path, "remove")?)
            }
            _ => Ok(()),
        }
    }

    fn destination(&self, dir: Arc<DirHandle>, relative: &Path) -> Result<Destination, PathError> {
        let path = self.path.join(relative);
        let name = name_of(&path)?.to_owned();
        let at = DirEntryPath { dir, name };
        match at.look().at(&path, "read")?.map(|stat| kind(&stat)) {
            None | Some(FileType::RegularFile) => Ok(Destination { at, path }),
            Some(FileType::Symlink) => Err(refused(RefusedPath::Below)).at(path, "replace"),
            Some(_) => Err(refused(NotRegular)).at(path, "replace"),
        }
    }
}

impl AsFd for OpenFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.root().as_fd()
    }
}

/// Resolves a path that a user wants written; follows the links that may be followed, one at a
/// time.
pub fn resolve(named: &Path) -> Result<Resolved, PathError> {
    let mut path = named.to_owned();
    for _ in 0..=MAX_LINKS {
        let at = DirEntryPath {
            dir: DirHandle::reach(parent(&path)).map(Arc::new).at(named, "create")?,
            name: name_of(&path)?.to_owned(),
        };
        let Some(stat) = at.look().at(named, "create")? else {
            return Ok(Resolved::File(Destination { at, path }));
        };
        match kind(&stat) {
            FileType::RegularFile => return Ok(Resolved::File(Destination { at, path })),
            FileType::Symlink if !is_trusted(&at, &stat).at(named, "read")? => {
                return Err(refused(RefusedPath::Untrusted)).at(path, "follow");
            }
            // The text of the link is for people: only the kernel can follow it.
            FileType::Symlink if is_in_proc(&at) => {
                return Ok(stream(at, named, true));
            }
            FileType::Symlink => {
                let target = readlinkat(at.dir.as_fd(), &at.name, Vec::new()).at(&path, "read")?;
                path = parent(&path).join(OsStr::from_bytes(target.as_bytes()));
            }
            FileType::Fifo | FileType::CharacterDevice
                if is_trusted(&at, &stat).at(named, "read")?
                    || is_kept_by_sticky(&at, &stat).at(named, "read")? =>
            {
                return Ok(stream(at, named, false));
            }
            FileType::Fifo | FileType::CharacterDevice => {
                return Err(refused(RefusedPath::Stream)).at(named, "write to");
            }
            _ => return Err(refused(NotRegular)).at(named, "replace"),
        }
    }
    Err(Errno::LOOP).at(named, "follow")
}

fn stream(at: DirEntryPath, named: &Path, is_descriptor: bool) -> Resolved {
    Resolved::Stream(Stream { at, path: named.to_owned(), is_descriptor })
}

fn name_of(path: &Path) -> Result<&OsStr, PathError> {
    match path.file_name() {
        Some(name) => Ok(name),
        None => Err(refused(NotRegular)).at(path, "replace"),
    }
}

pub(super) fn refused(why: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Returns whether only we or root can have put there the file of this `stat`.
fn is_trusted(at: &DirEntryPath, stat: &Stat) -> io::Result<bool> {
    let dir = FileAccess::from(&fstat(at.dir.as_fd())?);
    let is_closed = || Accounts::read(Path::new("/")).other_writers(dir).is_none();
    Ok(is_ours(stat.st_uid) && is_ours(dir.uid) && is_closed())
}

/// Returns whether a file of ours or root's lies in a sticky folder, such as `/tmp`: others may write
/// there, but not put another file in its place.
fn is_kept_by_sticky(at: &DirEntryPath, stat: &Stat) -> io::Result<bool> {
    let dir = fstat(at.dir.as_fd())?;
    let is_sticky = Mode::from_raw_mode(dir.st_mode).contains(Mode::SVTX);
    Ok(is_sticky && is_ours(dir.st_uid) && is_ours(stat.st_uid) && stat.st_nlink == 1)
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

fn is_in_proc(at: &DirEntryPath) -> bool {
    fstatfs(at.dir.as_fd()).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(PROC_SUPER_MAGIC))
}

/// Opens the target of `/dev/fd/N`; a file is appended to.
fn open_descriptor(at: &DirEntryPath) -> rustix::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(at.dir.as_fd(), &at.name, flags, Mode::empty()).map(File::from)
}

/// Opens a pipe or a character device; a pipe without a reader is not waited for.
fn open_stream(at: &DirEntryPath) -> rustix::io::Result<File> {
    let file = at.open(OFlags::WRONLY, Mode::empty())?;
    if !matches!(kind(&fstat(&file)?), FileType::Fifo | FileType::CharacterDevice) {
        return Err(Errno::INVAL);
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

impl DirHandle {
    /// Opens a directory that a user named; links on the way are followed.
    pub(crate) fn reach(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::new(openat(CWD, path, flags, Mode::empty())?)
    }
}
