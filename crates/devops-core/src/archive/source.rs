//! What is backed up: a folder, or one file.

use std::{
    ffi::OsString,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat},
    io::Errno,
};

use super::{
    ArchiveError,
    meta::Meta,
    selection::Selection,
    walk::{FOLDER, Found, Visitor, walk},
};
use crate::{
    cancel::Cancel,
    fs::{At, parent},
};

/// An open source.
pub(super) struct Source {
    real: PathBuf,
    device: u64,
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
}

impl Source {
    /// Opens the source; a symbolic link given by name is followed, as nothing below it is.
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let real = std::fs::canonicalize(path).at(path, "read")?;
        match openat(CWD, &real, FOLDER, Mode::empty()) {
            Ok(folder) => {
                let device = Meta::from(fstat(&folder).at(path, "read")?).id.0;
                Ok(Self { real, device, what: What::Folder(folder) })
            }
            Err(Errno::NOTDIR) => Self::open_file(path, real),
            Err(error) => Err(error).at(path, "read").map_err(Into::into),
        }
    }

    fn open_file(path: &Path, real: PathBuf) -> Result<Self, ArchiveError> {
        let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, parent(&real), above, Mode::empty()).at(path, "read")?;
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
        Ok(Self {
            real,
            device: meta.id.0,
            what: What::File { folder: Rc::new(folder), name, shown },
        })
    }

    /// Returns the absolute path without symbolic links.
    pub(super) fn real_path(&self) -> &Path {
        &self.real
    }

    /// Returns the number of the file system.
    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// Shows `visitor` everything that belongs into the backup.
    pub(super) fn visit<V: Visitor>(
        &self,
        selection: &Selection,
        visitor: &mut V,
        cancel: &Cancel,
    ) -> Result<(), V::Stop> {
        match &self.what {
            // Opened anew, because a descriptor remembers how far it was read.
            What::Folder(folder) => match openat(folder, ".", FOLDER, Mode::empty()) {
                Ok(folder) => return walk(folder, selection, visitor, cancel),
                Err(error) => visitor.unreadable(Path::new("."), error.into()),
            },
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
