//! Walks a folder: sorted by bytes, parents first, never through a symbolic link, at any depth.
//!
//! Everything is reached from the descriptor of its folder, so paths may be longer than the system
//! takes, and nobody can redirect the walk. At most [`MAX_OPEN`] folders are open at a time:
//! one that was closed is opened again from its child's `..`, and must still be the same folder.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, RawDir, fstat, openat, statat},
    io::Errno,
};

use super::{
    ignore_files::{CACHE_TAG, IgnoreFiles, is_cache, is_ignored},
    selection::{ELSEWHERE, Selection, Verdict},
};
use crate::archive::format::stat::{FileId, Meta};
use crate::cancel::{Cancel, Cancelled};
/// The flags with which every folder is opened.
pub(in crate::archive) use crate::fs::DIRECTORY as FOLDER;

const MAX_OPEN: usize = 64;

/// Something found, and how to reach it.
pub(in crate::archive) struct Found<'a> {
    /// The path from the source on; `.` for the source itself.
    pub(in crate::archive) path: &'a Path,
    /// The folder that holds it, to be kept by who wants to come back.
    pub(in crate::archive) folder: &'a Rc<OwnedFd>,
    /// Its name there.
    pub(in crate::archive) name: &'a OsStr,
    /// The thing itself, if it is a folder that could be opened, or a stream.
    pub(in crate::archive) opened: Option<BorrowedFd<'a>>,
    pub(in crate::archive) meta: Meta,
}

/// The visitor of a walk.
pub(in crate::archive) trait Visitor {
    type Error: From<Cancelled>;

    /// Takes in what belongs into the backup.
    fn found(&mut self, found: &Found<'_>) -> Result<(), Self::Error>;

    /// Hears of what does not, and why.
    fn skipped(&mut self, path: &Path, reason: &'static str);

    /// Hears of what could not be looked at.
    fn unreadable(&mut self, path: &Path, error: io::Error);
}

/// Walks the folder `root` and everything in it that belongs into the backup.
pub(in crate::archive) fn walk<V: Visitor>(
    root: OwnedFd,
    selection: &Selection,
    visitor: &mut V,
    cancel: &Cancel,
) -> Result<(), V::Error> {
    let dot = Path::new(".");
    let meta = match fstat(&root) {
        Ok(stat) => Meta::from(stat),
        Err(error) => {
            visitor.unreadable(dot, error.into());
            return Ok(());
        }
    };
    let id = meta.id;
    let root = Rc::new(root);
    let (folder, name, opened) = (&root, dot.as_os_str(), Some(root.as_fd()));
    visitor.found(&Found { path: dot, folder, name, opened, meta })?;
    let mut walk = Walk { stack: Vec::new(), path: PathBuf::new(), selection, visitor };
    walk.enter(root, id);
    while let Some(dir) = walk.stack.last_mut() {
        cancel.check()?;
        match dir.names.next() {
            Some(name) => walk.step(&name)?,
            None => walk.leave(),
        }
    }
    Ok(())
}

struct Walk<'a, V> {
    stack: Vec<OpenDir>,
    path: PathBuf,
    selection: &'a Selection,
    visitor: &'a mut V,
}

struct OpenDir {
    /// `None` while too many folders below are open, or when the way back was lost.
    folder: Option<Rc<OwnedFd>>,
    id: FileId,
    names: std::vec::IntoIter<OsString>,
    ignores: Option<Box<IgnoreFiles>>,
    /// How many bytes of a path stand before the names of this folder.
    n_above: usize,
}

impl<V: Visitor> Walk<'_, V> {
    /// Looks at one name of the folder on top of the stack.
    fn step(&mut self, name: &OsStr) -> Result<(), V::Error> {
        self.path.push(name);
        let dir = self.stack.last().expect("a name comes from a level");
        let folder = dir.folder.as_ref().expect("the top level is open");
        let meta = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Meta::from(stat),
            Err(error) => {
                self.visitor.unreadable(&self.path, error.into());
                self.path.pop();
                return Ok(());
            }
        };
        let verdict = self.judge(folder.as_fd(), &meta);
        if let Verdict::Leave(reason) | Verdict::TakeEmpty(reason) = verdict {
            self.visitor.skipped(&self.path, reason);
        }
        let id = meta.id;
        // Not what lies on another file system: opening it may mount it.
        let is_entered = meta.kind == FileType::Directory && verdict == Verdict::Take;
        let mut entered = is_entered.then(|| openat(folder, name, FOLDER, Mode::empty()));
        if let (Some(only), Some(Ok(opened))) = (self.selection.only, &entered)
            && only.is_left_by_open(opened.as_fd())
        {
            self.visitor.skipped(&self.path, ELSEWHERE);
            entered = None;
        }
        if matches!(verdict, Verdict::Take | Verdict::TakeEmpty(_)) {
            let path = self.path.as_path();
            let opened = entered.as_ref().and_then(|opened| opened.as_ref().ok()).map(AsFd::as_fd);
            self.visitor.found(&Found { path, folder, name, opened, meta })?;
        }
        match entered {
            Some(Ok(folder)) => {
                self.enter(Rc::new(folder), id);
                return Ok(());
            }
            Some(Err(error)) => self.visitor.unreadable(&self.path, error.into()),
            None => {}
        }
        self.path.pop();
        Ok(())
    }

    fn judge(&self, above: BorrowedFd<'_>, meta: &Meta) -> Verdict {
        self.selection.judge(above, &self.path, meta, |is_folder| {
            let path = self.path.as_os_str().as_bytes();
            let levels = self.stack.iter().rev().filter_map(|dir| {
                let from_here = Path::new(OsStr::from_bytes(&path[dir.n_above..]));
                Some((dir.ignores.as_deref()?, from_here))
            });
            self.selection.exclude_markers.ignore_files && is_ignored(&self.path, levels, is_folder)
        })
    }

    fn enter(&mut self, folder: Rc<OwnedFd>, id: FileId) {
        let (mut names, failure) = names_in(folder.as_fd());
        let is_source = self.stack.is_empty();
        if let Some(error) = failure {
            let path = if is_source { Path::new(".") } else { &self.path };
            self.visitor.unreadable(path, error.into());
        }
        // Not the source: somebody named it.
        if self.selection.exclude_markers.caches && !is_source && is_cache(folder.as_fd(), &names) {
            names.retain(|name| name == CACHE_TAG);
            self.visitor.skipped(&self.path, "the content of a cache");
        }
        let wants_ignores = self.selection.exclude_markers.ignore_files;
        let ignores = wants_ignores.then(|| IgnoreFiles::read(folder.as_fd(), &names)).flatten();
        self.stack.push(OpenDir {
            folder: Some(folder),
            id,
            names: names.into_iter(),
            ignores: ignores.map(Box::new),
            n_above: if is_source { 0 } else { self.path.as_os_str().len() + 1 },
        });
        if let Some(far) = self.stack.len().checked_sub(MAX_OPEN + 1) {
            self.stack[far].folder = None;
        }
    }

    fn leave(&mut self) {
        let done = self.stack.pop().expect("a level is left once");
        let Some(above) = self.stack.last_mut() else { return };
        if above.folder.is_none() {
            match reopened(done.folder.as_deref(), above.id) {
                Ok(folder) => above.folder = Some(Rc::new(folder)),
                Err(error) => {
                    above.names = Vec::new().into_iter();
                    let path = self.path.parent().unwrap_or(&self.path);
                    self.visitor.unreadable(path, error);
                }
            }
        }
        self.path.pop();
    }
}

/// Opens the folder above `child`, if it is still the one it was.
fn reopened(child: Option<&OwnedFd>, id: FileId) -> io::Result<OwnedFd> {
    let moved = || io::Error::other("it was moved while being read");
    let folder = openat(child.ok_or_else(moved)?, "..", FOLDER, Mode::empty())?;
    if Meta::from(fstat(&folder)?).id == id { Ok(folder) } else { Err(moved()) }
}

/// Returns the names in a folder, sorted by bytes; those read before a failure count.
fn names_in(folder: BorrowedFd<'_>) -> (Vec<OsString>, Option<Errno>) {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut names = Vec::new();
    let mut failure = None;
    let mut entries = RawDir::new(folder, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) => match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(OsStr::from_bytes(name).to_owned()),
            },
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    names.sort_unstable();
    (names, failure)
}
