//! Remembers the sizes of one series on this host, in its state folder.
//!
//! The index of an archive tells the size of its source, but not where the archive is encrypted to others;
//! and no archive tells that a person accepted a loss.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    archive::{Archive, BackupName, Candidate, Keys, measure},
    fs::PathError,
    retention::SourceSize,
    verdicts::StateFile,
};

/// The sizes of the sources of the archives of one name in a folder.
#[derive(Debug)]
pub(super) struct RememberedSizes {
    file: Option<StateFile>,
    known: Known,
    is_changed: bool,
}

/// The content of the file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// By the file names of the archives.
    #[serde(default)]
    archives: BTreeMap<String, RememberedSize>,
    /// The time of the archive with which a loss was accepted last, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedSize {
    /// The bytes of the archive: another one of its name rarely has as many.
    archive: u64,
    entries: u64,
    bytes: u64,
}

impl RememberedSizes {
    /// Reads what is known; without a folder nothing is, and nothing is saved.
    pub(super) fn open(state: Option<&Path>, dest: &Path, name: &BackupName) -> Self {
        let real = std::fs::canonicalize(dest).unwrap_or_else(|_| dest.to_owned());
        let place = format!("{}/{name}", real.display());
        let file = state.map(|state| StateFile::of(state, "sources", &place));
        let known = file.as_ref().and_then(StateFile::read).unwrap_or_default();
        Self { file, known, is_changed: false }
    }

    /// Returns the size of the source of an archive, as remembered or else as its index tells it.
    pub(super) fn size(&mut self, candidate: &Candidate, keys: &Keys) -> Option<SourceSize> {
        let name = file_name(&candidate.path);
        if let Some(level) = self.known.archives.get(&name)
            && level.archive == candidate.size
        {
            return Some(SourceSize { n_entries: level.entries, n_bytes: level.bytes });
        }
        let size = measure(Archive { path: &candidate.path, keys })?;
        self.remember(&candidate.path, candidate.size, size);
        Some(size)
    }

    /// Remembers the size of the source of an archive that has `n_bytes` itself.
    pub(super) fn remember(&mut self, archive: &Path, n_bytes: u64, source: SourceSize) {
        let SourceSize { n_entries: entries, n_bytes: bytes } = source;
        let level = RememberedSize { archive: n_bytes, entries, bytes };
        self.known.archives.insert(file_name(archive), level);
        self.is_changed = true;
    }

    /// Returns the time of the archive with which a loss was accepted last.
    pub(super) fn accepted(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.known.accepted?).ok()
    }

    /// Remembers that what is lost with the archive made at `time` may be lost.
    pub(super) fn accept(&mut self, time: OffsetDateTime) {
        self.known.accepted = Some(time.unix_timestamp());
        self.is_changed = true;
    }

    /// Forgets the archives that are not there any more.
    pub(super) fn retain(&mut self, candidates: &[Candidate]) {
        let n = self.known.archives.len();
        let mut known = std::mem::take(&mut self.known.archives);
        let names = candidates.iter().map(|candidate| file_name(&candidate.path));
        self.known.archives = names.filter_map(|name| known.remove_entry(&name)).collect();
        self.is_changed |= self.known.archives.len() != n;
    }

    /// Writes the file, if something is new; returns whether it is remembered.
    pub(super) fn save(&self) -> Result<bool, PathError> {
        let Some(file) = &self.file else { return Ok(false) };
        if self.is_changed {
            file.write(&self.known)?;
        }
        Ok(true)
    }
}

fn file_name(path: &Path) -> String {
    let name: PathBuf = path.file_name().map(PathBuf::from).unwrap_or_default();
    name.to_string_lossy().into_owned()
}
