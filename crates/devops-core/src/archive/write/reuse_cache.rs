//! The plain form of the last encrypted archive of each source, for the next one to copy from.
//!
//! A host that encrypts to others cannot read its archives, and no ciphertext can be used twice. What
//! it has in plain already, in the source, it keeps compressed in a folder only its owner can enter.
//! A copy that is lost or damaged costs time and nothing else; one that somebody else could have put
//! there is not used.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use super::parent::ParentArchive;
use crate::archive::format::compress::Level;
use crate::{
    archive_index::BackupName,
    fs::{
        AtomicFile, IfExists, IoResultExt, OpenFolder, PathError, create_private_folders,
        remove_stale,
    },
};

/// How many hexadecimal digits tell sources of one name apart.
const DIGITS: usize = 16;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The place of the copy for one source.
pub(in crate::archive) struct SourceCache<'a> {
    folder: &'a Path,
    path: PathBuf,
}

impl<'a> SourceCache<'a> {
    /// Makes the folder if it is missing, and demands that nobody else could have put anything there.
    pub(in crate::archive) fn open(
        folder: &'a Path,
        name: &BackupName,
        source: &Path,
    ) -> Result<Self, PathError> {
        // Before anything is made or changed there: a link on the way may lead anywhere.
        folder
            .ancestors()
            .filter(|above| above.exists())
            .try_for_each(trusted)
            .at(folder, "trust")?;
        create_private_folders(folder)?;
        let real = fs::canonicalize(folder).at(folder, "resolve")?;
        real.ancestors().try_for_each(trusted).at(folder, "trust")?;
        fs::set_permissions(&real, Permissions::from_mode(0o700)).at(folder, "close")?;
        let hash = blake3::hash(source.as_os_str().as_encoded_bytes()).to_hex();
        let path = folder.join(format!("{name}-{}.tar.gz", &hash[..DIGITS]));
        Ok(Self { folder, path })
    }

    /// Returns the copy, if segments can be copied from it.
    pub(in crate::archive) fn parent(&self, level: Level) -> Option<ParentArchive> {
        ParentArchive::open(&self.path, level)
    }

    /// Begins the copy of a new archive.
    pub(in crate::archive) fn begin(&self) -> Result<CachedCopy, PathError> {
        let folder = OpenFolder::open(self.folder)?;
        remove_stale(&folder, |target| Some(target) == self.path.file_name())?;
        let file = Some(AtomicFile::create(&self.path)?);
        Ok(CachedCopy { path: self.path.clone(), file, failure: None })
    }

    /// Removes the copy, if there is one.
    pub(in crate::archive) fn remove(&self) -> Result<(), PathError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).at(&self.path, "remove")
            }
            _ => Ok(()),
        }
    }
}

/// Demands that only this user and root decide what stands in a folder.
fn trusted(folder: &Path) -> io::Result<()> {
    let metadata = fs::metadata(folder)?;
    let is_ours = [0, geteuid().as_raw()].contains(&metadata.uid());
    let is_open = metadata.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE;
    if is_ours && !is_open {
        return Ok(());
    }
    let reason = format!("`{}` is in the hands of others", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

/// A copy being written. Nothing that fails here stops the backup.
pub(in crate::archive) struct CachedCopy {
    path: PathBuf,
    file: Option<AtomicFile>,
    failure: Option<PathError>,
}

impl CachedCopy {
    pub(in crate::archive) fn push(&mut self, bytes: &[u8]) {
        self.attempt(|file, path| file.write_all(bytes).at(path, "write"));
    }

    /// Begins again.
    pub(in crate::archive) fn restart(&mut self) {
        self.attempt(|file, _| file.restart());
    }

    /// Puts the copy in its place, or says why there is none.
    pub(in crate::archive) fn commit(mut self) -> Result<(), PathError> {
        self.attempt(|file, _| file.commit(0o600, IfExists::Replace));
        self.failure.map_or(Ok(()), Err)
    }

    fn attempt(&mut self, work: impl FnOnce(&mut AtomicFile, &Path) -> Result<(), PathError>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = work(file, &self.path) {
            self.failure = Some(error);
            self.file = None;
        }
    }
}
