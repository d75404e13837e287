//! Makes hard links to what the run has made, and copies where the file system takes none.

use std::{os::fd::AsFd, path::Path};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, fstat, linkat, readlinkat, symlinkat},
    io::Errno,
};

use super::{
    content,
    entry_error::{EntryError, EntryWarning, RestoreResult},
    target::Target,
    temp_entry::{EntryDestination, TempEntry},
};
use crate::{
    archive::{
        format::{
            entry::{Entry, EntryKind, OwnerName},
            holes::data_ranges,
            stat::Meta,
        },
        scan::attributes::AttributeReader,
    },
    fs::DirEntryPath,
};

impl Target<'_> {
    /// Makes a hard link to what this run has made at `first`; `None` if there is no such thing.
    pub(super) fn hard_link(
        &self,
        place: &Path,
        first: &Path,
        entry: &Entry,
    ) -> Result<Option<Vec<EntryWarning>>, EntryError> {
        let Some(name) = first.file_name().filter(|_| self.names().has(first)) else {
            return Ok(None);
        };
        let Ok(folder) = self.root.folder(first.parent().unwrap_or(Path::new(""))) else {
            return Ok(None);
        };
        let first = DirEntryPath { dir: folder, name: name.to_owned() };
        let meta = match first.look() {
            Ok(Some(stat)) if self.names().is_made((stat.st_dev, stat.st_ino)) => Meta::from(stat),
            _ => return Ok(None),
        };
        if meta.kind == FileType::Directory {
            return Ok(None);
        }
        let destination = self.destination(place, meta.kind, entry)?;
        let temp = self.temp_name(place);
        let linked =
            linkat(first.dir.as_fd(), name, destination.at.dir.as_fd(), &temp, AtFlags::empty());
        match linked {
            Ok(()) => {}
            Err(error) if is_no_link(error) => {
                return self.copy(&destination, &first, &meta, error).map(Some);
            }
            Err(error) => return Err(self.error(error, place)),
        }
        let temp = TempEntry::new(destination.at.sibling(temp));
        if self.look(temp.at(), place)?.is_none_or(|linked| linked.id != meta.id) {
            return Err(changed());
        }
        self.install(temp, &destination)?;
        Ok(Some(Vec::new()))
    }

    /// Makes the like of what is at `first`, which has no further name since `error`.
    fn copy(
        &self,
        destination: &EntryDestination<'_>,
        first: &DirEntryPath,
        meta: &Meta,
        error: Errno,
    ) -> RestoreResult {
        let mut notes = match meta.kind {
            FileType::RegularFile => self.copy_file(destination, first, meta)?,
            FileType::Symlink => {
                let target = readlinkat(first.dir.as_fd(), &first.name, Vec::new())
                    .map_err(|error| self.error(error, destination.place))?;
                let kind = EntryKind::Symlink { target: destination.place.to_owned() };
                self.fill_name(
                    destination,
                    &like(destination.place, meta, kind),
                    &|folder, name| symlinkat(&target, folder.as_fd(), name),
                )?
            }
            _ => return Err(EntryError::refused(format!("a hard link cannot be made: {error}"))),
        };
        notes.extend(self.metadata_restorer.once_of_links(error));
        Ok(notes)
    }

    fn copy_file(
        &self,
        destination: &EntryDestination<'_>,
        first: &DirEntryPath,
        meta: &Meta,
    ) -> RestoreResult {
        let place = destination.place;
        let from = first.open(OFlags::RDONLY, Mode::empty());
        let from = from.map_err(|error| self.error(error, place))?;
        if fstat(&from).map(Meta::from).is_ok_and(|now| now.id != meta.id) {
            return Err(changed());
        }
        let attributes = AttributeReader::new(false).of_open(from.as_fd(), meta.id.0);
        let mut entry = like(place, meta, EntryKind::File);
        entry.xattrs = attributes.xattrs;
        entry.xattrs.retain(|xattr| self.metadata_restorer.sets(&xattr.name));
        let (file, temp) = self.create(destination)?;
        let data = data_ranges(from.as_fd(), meta.size);
        content::copy_ranges(&from, &file, meta.size, &data)
            .map_err(|error| self.error(error, place))?;
        let mut notes = self.metadata_restorer.open(file.as_fd(), &entry);
        notes.extend(attributes.faults.into_iter().map(EntryWarning::fault));
        self.install_file(file, temp, destination)?;
        Ok(notes)
    }
}

/// Returns an entry with the properties of what is there.
fn like(place: &Path, meta: &Meta, kind: EntryKind) -> Entry {
    Entry {
        path: place.to_owned(),
        kind,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        uname: OwnerName::default(),
        gname: OwnerName::default(),
        size: meta.size,
        mtime: meta.mtime,
        xattrs: Vec::new(),
        extents: None,
        holes: Vec::new(),
    }
}

/// Returns whether a file system takes no hard link, or no further one, or not there.
fn is_no_link(error: Errno) -> bool {
    matches!(
        error,
        Errno::PERM
            | Errno::ACCESS
            | Errno::NOTSUP
            | Errno::NOSYS
            | Errno::INVAL
            | Errno::MLINK
            | Errno::XDEV
    )
}

fn changed() -> EntryError {
    EntryError::refused("its first name changed during the restore")
}
