//! What is backed up: a folder, or one file.

use std::{
    ffi::OsString,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
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
        folder: OwnedFd,
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
            return Err(ArchiveError::SourceKind { path: path.to_owned() });
        }
        // An archive of nothing but an unreadable file is no backup.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&folder, &name, flags, Mode::empty()).at(path, "read")?;
        let shown = path.file_name().unwrap_or(&name).to_owned();
        Ok(Self { real, device: meta.id.0, what: What::File { folder, name, shown } })
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
        self,
        selection: &Selection,
        visitor: &mut V,
        cancel: &Cancel,
    ) -> Result<(), V::Stop> {
        let (folder, name, shown) = match self.what {
            What::Folder(folder) => return walk(folder, selection, visitor, cancel),
            What::File { folder, name, shown } => (folder, name, shown),
        };
        let path = Path::new(&shown);
        match statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let meta = Meta::from(stat);
                let folder = folder.as_fd();
                visitor.found(&Found { path, folder, name: &name, opened: None, meta })
            }
            Err(error) => {
                visitor.unreadable(path, error.into());
                Ok(())
            }
        }
    }
}
