//! The archives of a folder, and where the next one goes.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::{
    archive_index::{ArchiveName, BackupName},
    fs::{Destination, IoResultExt, OpenFolder, PathError},
};

impl BackupName {
    /// Returns the destinations in `folder` to try, without end.
    ///
    /// A name is left out if anything has it, a symbolic link too; and if an archive of the other sort has
    /// it, so that decrypting one would replace the other.
    pub(in crate::archive) fn free_in(
        &self,
        folder: &OpenFolder,
        started: OffsetDateTime,
        is_encrypted: bool,
    ) -> impl Iterator<Item = Result<Destination, PathError>> {
        let others = self.candidates(started, !is_encrypted);
        let names = self.candidates(started, is_encrypted).zip(others);
        let free = |name: &str, other: &str| {
            let is_lone = folder.free(other)?.is_some();
            if is_lone { folder.free(name) } else { Ok(None) }
        };
        names.filter_map(move |(name, other)| free(&name, &other).transpose())
    }

    /// Returns the archives of this name in `folder`, oldest first by name; symbolic links are none.
    pub fn archives_in(&self, folder: &Path) -> Result<Vec<(ArchiveName, PathBuf)>, PathError> {
        let mut archives = Vec::new();
        for entry in std::fs::read_dir(folder).at(folder, "list")? {
            let entry = entry.at(folder, "list")?;
            let name = ArchiveName::parse(&entry.file_name()).filter(|name| name.name == *self);
            if let Some(name) = name
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                archives.push((name, entry.path()));
            }
        }
        archives.sort();
        Ok(archives)
    }
}
