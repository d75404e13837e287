//! The folder of the archives of one name, and the verdicts of this host about them.

use std::{ffi::OsStr, fs::File, os::unix::fs::FileExt, path::Path};

use rustix::fs::{AtFlags, CWD, statat};
use time::OffsetDateTime;

use super::{
    newest::{Dated, NewestFirst},
    parent::{ParentArchive, Trust},
};
use crate::archive::{
    ArchiveError,
    format::{
        compress::Level,
        stat::{FileId, Meta},
    },
    read::ownership::{FolderOwners, Named, is_counted, mark, verdicts},
};
use crate::{
    archive_index::{
        BackupName, Origin,
        container::{FOOTER, Footer},
    },
    cancel::Cancel,
    fs::{PathError, open_file, parent},
    verdicts::Verdicts,
};

/// The reason for which an encrypted archive is not a base for the next one.
const SEALED: &str = "an encrypted archive cannot be copied from, and no plain copy was kept";

/// The folder and name of the archives.
pub(in crate::archive) struct Destination<'a> {
    folder: &'a Path,
    name: &'a BackupName,
    verdicts: Verdicts,
}

/// The conditions for an archive that the next one is copied from.
pub(in crate::archive) struct BaseRequest<'a> {
    /// The compression level of the next archive.
    pub(in crate::archive) level: Level,
    /// Is set to copy also from archives that others could have written.
    pub(in crate::archive) is_blind: bool,
    /// Is set if the next archive is encrypted.
    pub(in crate::archive) encrypts: bool,
    /// The root of the host, for its lists of users and groups.
    pub(in crate::archive) root: &'a Path,
    /// The time at which the work began.
    pub(in crate::archive) now: OffsetDateTime,
    /// The owner that files of ours get in the folder.
    pub(in crate::archive) uid: u32,
}

impl<'a> Destination<'a> {
    pub(in crate::archive) fn open(
        folder: &'a Path,
        name: &'a BackupName,
        state: Option<&Path>,
    ) -> Self {
        Self { folder, name, verdicts: verdicts(state, folder, name) }
    }

    /// Refuses a name whose newest archive that counts is of another series: two of one name would count
    /// against each other's retention.
    pub(in crate::archive) fn refuse_other_origin(
        &self,
        ours: &Origin,
        any_owner: bool,
        cancel: &Cancel,
    ) -> Result<(), ArchiveError> {
        let mut owners = FolderOwners::of(self.folder)?.or_any(any_owner);
        for Dated { path, origin, .. } in self.newest_first(ours.started, cancel)? {
            let Ok(stat) = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let meta = Meta::from(stat);
            let index = || index_hash(&open_file(&path).ok()?);
            let archive = Named { path: &path, meta: &meta };
            if !is_counted(&mut owners, &self.verdicts, &archive, index) {
                continue;
            }
            match origin {
                Ok(Some(found)) if !ours.continues(&found) => {
                    let is_other_machine = ours.is_of_another_machine(&found);
                    let found = Box::new(found);
                    return Err(ArchiveError::OtherOrigin {
                        newest: path,
                        found,
                        is_other_machine,
                    });
                }
                Ok(_) | Err(ArchiveError::Encrypted { .. }) => return Ok(()),
                Err(ArchiveError::Cancelled(error)) => return Err(error.into()),
                // One that cannot be read says nothing; `verify` and `prune` deal with it.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Returns the newest archive that can be copied from, or tells the reason if there is none.
    pub(in crate::archive) fn base(
        &self,
        request: &BaseRequest<'_>,
        cancel: &Cancel,
        on_refused: &mut dyn FnMut(&Path, &str),
    ) -> Result<Option<ParentArchive>, ArchiveError> {
        let owners = FolderOwners::of(self.folder)?.with_made(request.uid);
        let is_blind = request.is_blind;
        let mut trust = Trust { is_blind, owners, verdicts: &self.verdicts, root: request.root };
        let mut newest = None;
        let mut is_told = false;
        let archives = self.newest_first(request.now, cancel)?.map(|archive| archive.path);
        let archives = archives.inspect(|path| _ = newest.get_or_insert_with(|| path.clone()));
        let parent =
            ParentArchive::newest(archives, request.level, &mut trust, &mut |path, reason| {
                is_told = true;
                on_refused(path, reason);
            });
        if let Some(newest) = newest
            && parent.is_none()
            && !is_told
            && request.encrypts
            && newest.extension() == Some(OsStr::new("age"))
        {
            on_refused(&newest, SEALED);
        }
        Ok(parent)
    }

    fn newest_first<'b>(
        &self,
        now: OffsetDateTime,
        cancel: &'b Cancel,
    ) -> Result<NewestFirst<'b>, PathError> {
        NewestFirst::of(self.folder, self.name, now, cancel)
    }

    /// Remembers that this host made an archive, if the file is still the same.
    ///
    /// A failure only costs time.
    pub(in crate::archive) fn remember(
        &mut self,
        path: &Path,
        id: FileId,
        index: Option<[u8; 32]>,
    ) {
        let Ok(stat) = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let meta = Meta::from(stat);
        if meta.id == id
            && let Some(name) = path.file_name()
        {
            let folder = parent(path);
            self.verdicts.retain(|name| folder.join(name).exists());
            self.verdicts.made(&name.to_string_lossy(), &mark(&meta), index.as_ref());
            let _saved = self.verdicts.save();
        }
    }
}

/// Returns the hash of the index that a new archive ends with; an encrypted one shows none.
pub(in crate::archive) fn index_hash(file: &File) -> Option<[u8; 32]> {
    let n_bytes = file.metadata().ok()?.len();
    let mut member = [0; FOOTER];
    file.read_exact_at(&mut member, n_bytes.checked_sub(FOOTER as u64)?).ok()?;
    Some(Footer::read(&member, n_bytes)?.index_hash)
}
