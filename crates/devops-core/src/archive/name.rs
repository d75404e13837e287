//! The archives of a folder, and where the next one goes.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::{
    archive_index::{ArchiveName, BackupName},
    fs::{At, PathError},
};

impl BackupName {
    /// Returns the paths in `folder` to try, without end; where a name is taken by an archive of the other
    /// sort, so that decrypting one would replace the other, it is left out.
    pub(super) fn free_paths(
        &self,
        folder: &Path,
        started: OffsetDateTime,
        is_encrypted: bool,
    ) -> impl Iterator<Item = PathBuf> {
        let others = self.candidates(started, !is_encrypted);
        let names = self.candidates(started, is_encrypted).zip(others);
        let free = names.filter(|(_, other)| !folder.join(other).exists());
        free.map(|(name, _)| folder.join(name))
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
