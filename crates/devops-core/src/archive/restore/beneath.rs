//! Reaches folders beneath one folder, component by component, never through a symbolic link.
//!
//! Without `..` in any path this is as safe as `openat2` with `RESOLVE_BENEATH`, and it also works on
//! older kernels, under filters that forbid that call, and past the longest path the system takes.

use std::{
    ffi::OsStr,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, statat},
    io::Errno,
};

use crate::archive::{
    meta::{FileId, Meta},
    walk::FOLDER,
};

/// A folder, and the one beneath it that was used last.
pub(super) struct Beneath {
    root: Rc<OwnedFd>,
    last: Option<(PathBuf, Rc<OwnedFd>)>,
}

/// A place in an open folder.
#[derive(Clone)]
pub(super) struct Spot<'a> {
    pub(super) folder: Rc<OwnedFd>,
    pub(super) name: &'a OsStr,
}

impl Beneath {
    /// Opens the root; a symbolic link the user names is followed.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty())?;
        Ok(Self { root: Rc::new(root), last: None })
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens the folder at `path`; with `made`, missing ones are made and reported there.
    pub(super) fn folder(
        &mut self,
        path: &Path,
        mut made: Option<&mut Vec<FileId>>,
    ) -> io::Result<Rc<OwnedFd>> {
        if path.as_os_str().is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((last, folder)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(folder));
        }
        let mut folder = Rc::clone(&self.root);
        for name in path {
            folder = Rc::new(match openat(&folder, name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) if made.is_some() => {
                    mkdirat(&folder, name, Mode::from_raw_mode(0o777))?;
                    if let Some(made) = made.as_deref_mut() {
                        made.push(Meta::from(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?).id);
                    }
                    openat(&folder, name, FOLDER, Mode::empty())?
                }
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let name = Path::new(name).display();
                    let reason = format!("`{name}` on its way is a link or a file, not a folder");
                    return Err(io::Error::other(reason));
                }
                other => other?,
            });
        }
        self.last = Some((path.to_owned(), Rc::clone(&folder)));
        Ok(folder)
    }
}

impl Spot<'_> {
    /// Looks at what is there, without following it.
    pub(super) fn look(&self) -> io::Result<Option<Meta>> {
        match statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
