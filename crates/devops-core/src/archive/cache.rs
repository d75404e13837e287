//! The plain form of the last encrypted archive of each source, for the next one to copy from.
//!
//! A host that encrypts to others cannot read its archives, and no ciphertext can be used twice. What
//! it has in plain already, in the source, it keeps compressed in a folder only its owner can enter.
//! A copy that is lost or damaged costs time and nothing else.

use std::{
    fs::DirBuilder,
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, statat};

use super::{
    deflate::Level,
    meta::{FileId, Meta},
    name::BackupName,
    reuse::Previous,
};
use crate::fs::{At, AtomicFile, PathError, ReplacePolicy, remove_stale};

/// How many hexadecimal digits tell sources of one name apart.
const DIGITS: usize = 16;

/// Where the copy for one source is.
pub(super) struct Cache<'a> {
    folder: &'a Path,
    path: PathBuf,
}

impl<'a> Cache<'a> {
    pub(super) fn new(folder: &'a Path, name: &BackupName, source: &Path) -> Self {
        let hash = blake3::hash(source.as_os_str().as_encoded_bytes()).to_hex();
        let path = folder.join(format!("{name}-{}.tar.gz", &hash[..DIGITS]));
        Self { folder, path }
    }

    /// Returns the copy, if segments can be copied from it.
    pub(super) fn previous(&self, level: Level) -> Option<Previous> {
        Previous::open(&self.path, level)
    }

    /// Begins the copy of a new archive.
    pub(super) fn begin(&self) -> Result<Copy, PathError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(self.folder).at(self.folder, "create")?;
        remove_stale(self.folder, |target| Some(target) == self.path.file_name())?;
        let file = Some(AtomicFile::create(&self.path)?);
        Ok(Copy { path: self.path.clone(), file, failure: None })
    }

    /// Returns the files in the folder: nothing of it belongs into a backup.
    pub(super) fn files(&self) -> impl Iterator<Item = FileId> {
        let entries = std::fs::read_dir(self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let stat = statat(CWD, entry.path(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
            Some(Meta::from(stat).id)
        })
    }
}

/// A copy being written. Nothing that fails here stops the backup.
pub(super) struct Copy {
    path: PathBuf,
    file: Option<AtomicFile>,
    failure: Option<PathError>,
}

impl Copy {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.attempt(|file, path| file.write_all(bytes).at(path, "write"));
    }

    /// Begins again.
    pub(super) fn restart(&mut self) {
        self.attempt(|file, _| file.restart());
    }

    /// Puts the copy in its place, or says why there is none.
    pub(super) fn commit(mut self) -> Result<(), PathError> {
        self.attempt(|file, _| file.commit(0o600, ReplacePolicy::Replace));
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
