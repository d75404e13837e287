//! The source of a backup: a folder, one file, or a stream.

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf, absolute},
    rc::Rc,
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat},
    io::Errno,
};

use super::{
    mount::FileSystem,
    selection::Selection,
    stream::Stream,
    walk::{FOLDER, Found, Visitor, walk},
};
use crate::archive::{ArchiveError, format::stat::Meta};
use crate::{
    cancel::Cancel,
    fs::{IoResultExt, OpenFolder, parent},
};

/// An open source.
pub(in crate::archive) struct Source {
    given: PathBuf,
    real: PathBuf,
    file_system: FileSystem,
    what: What,
}

enum What {
    Folder(OwnedFd),
    File {
        folder: Rc<OwnedFd>,
        /// Its name in the folder.
        name: OsString,
        /// Its name in the archive: the one the user gave, be it that of a symbolic link.
        shown: OsString,
    },
    Stream {
        content: Rc<OwnedFd>,
        shown: OsString,
    },
}

impl Source {
    /// Opens what is to be backed up.
    pub(in crate::archive) fn of(
        source: &Path,
        within: Option<&OpenFolder>,
        stream: Option<Stream<'_>>,
    ) -> Result<Self, ArchiveError> {
        let Some(Stream { name, content }) = stream else {
            return Self::open_within(source, within);
        };
        let path = PathBuf::from(format!("stdin:{name}"));
        let content: OwnedFd = content.try_clone().at(&path, "read")?.into();
        Ok(Self {
            given: path.clone(),
            file_system: FileSystem::of(content.as_fd()).at(&path, "read")?,
            real: path,
            what: What::Stream { content: Rc::new(content), shown: name.into() },
        })
    }

    /// Opens the source; a symbolic link given by name is followed, as nothing below it is.
    pub(in crate::archive) fn open(path: &Path) -> Result<Self, ArchiveError> {
        Self::open_within(path, None)
    }

    /// Opens the source; if `outer` is given, only one that lies in it.
    pub(in crate::archive) fn open_within(
        path: &Path,
        outer: Option<&OpenFolder>,
    ) -> Result<Self, ArchiveError> {
        let real = std::fs::canonicalize(path).at(path, "read")?;
        let given = as_given(path).at(path, "resolve")?;
        let opened = match outer {
            None => openat(CWD, &real, FOLDER, Mode::empty()),
            Some(outer) => {
                let at = outer.entry_within(&real).at(path, "read")?;
                openat(at.dir.as_fd(), &at.name, FOLDER, Mode::empty())
            }
        };
        let (file_system, what) = match opened {
            Ok(folder) => {
                let file_system = FileSystem::of(folder.as_fd()).at(path, "read")?;
                (file_system, What::Folder(folder))
            }
            Err(Errno::NOTDIR) => Self::open_file(path, &real, outer)?,
            Err(error) => return Err(error).at(path, "read").map_err(Into::into),
        };
        Ok(Self { given, real, file_system, what })
    }

    /// Opens the file at `real`, which the user named `path`.
    fn open_file(
        path: &Path,
        real: &Path,
        outer: Option<&OpenFolder>,
    ) -> Result<(FileSystem, What), ArchiveError> {
        let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match outer {
            None => openat(CWD, parent(real), above, Mode::empty()),
            Some(outer) => {
                let at = outer.entry_within(real).at(path, "read")?;
                openat(at.dir.as_fd(), ".", above, Mode::empty())
            }
        };
        let folder = folder.at(path, "read")?;
        let name = real.file_name().unwrap_or_default().to_owned();
        let meta = Meta::from(statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW).at(path, "read")?);
        if meta.kind != FileType::RegularFile {
            return Err(ArchiveError::WrongKind {
                path: path.to_owned(),
                what: "neither a folder nor a regular file".to_owned(),
            });
        }
        // An archive of nothing but an unreadable file is no backup.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&folder, &name, flags, Mode::empty()).at(path, "read")?;
        let shown = path.file_name().unwrap_or(&name).to_owned();
        let file_system = FileSystem::of(folder.as_fd()).at(path, "read")?;
        Ok((file_system, What::File { folder: Rc::new(folder), name, shown }))
    }

    /// Returns the absolute path as it was given.
    pub(in crate::archive) fn given(&self) -> &Path {
        &self.given
    }

    /// Returns the absolute path without symbolic links.
    pub(in crate::archive) fn real_path(&self) -> &Path {
        &self.real
    }

    /// Returns the file system that it is on.
    pub(in crate::archive) fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// Shows `visitor` everything that belongs into the backup.
    pub(in crate::archive) fn visit<V: Visitor>(
        &self,
        selection: &Selection,
        visitor: &mut V,
        cancel: &Cancel,
    ) -> Result<(), V::Error> {
        match &self.what {
            // Opened anew, because a descriptor remembers how far it was read.
            What::Folder(folder) => match openat(folder, ".", FOLDER, Mode::empty()) {
                Ok(folder) => return walk(folder, selection, visitor, cancel),
                Err(error) => visitor.unreadable(Path::new("."), error.into()),
            },
            What::Stream { content, shown } => {
                let path = Path::new(shown);
                match fstat(content).map(Meta::from) {
                    Ok(meta) => {
                        let (name, opened) = (shown.as_os_str(), Some(content.as_fd()));
                        return visitor.found(&Found { path, folder: content, name, opened, meta });
                    }
                    Err(error) => visitor.unreadable(path, error.into()),
                }
            }
            What::File { folder, name, shown } => {
                let path = Path::new(shown);
                match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(Meta::from) {
                    Ok(meta) => {
                        let found = Found { path, folder, name, opened: None, meta };
                        return visitor.found(&found);
                    }
                    Err(error) => visitor.unreadable(path, error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Returns an absolute path as given, links not resolved but those before a `..`, which mean another
/// folder than their name.
fn as_given(path: &Path) -> io::Result<PathBuf> {
    let mut given = PathBuf::new();
    for component in absolute(path)?.components() {
        if component == Component::ParentDir {
            given = std::fs::canonicalize(&given)?;
            given.pop();
        } else {
            given.push(component);
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_stays_as_given_but_what_it_goes_back_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        symlink("real/deep", root.join("link")).unwrap();

        for (path, given) in [
            ("link", "link"),
            ("./link/", "link"),
            ("link/.", "link"),
            ("real/../link", "link"),
            ("link/..", "real"),
            ("link/../deep", "real/deep"),
        ] {
            assert_eq!(as_given(&root.join(path)).unwrap(), root.join(given), "{path}");
        }
        assert!(as_given(Path::new("a")).unwrap().is_absolute());
    }
}
