//! The events and the result of creating an archive.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{fs::PathError, lock::LockEvent, retention::SourceSize};

/// An event while an archive is made.
#[derive(Debug)]
pub enum CreateEvent<'a> {
    /// The source has about this many bytes of content.
    Total(u64),
    /// This many bytes of content were read so far.
    Bytes(u64),
    /// An entry went in.
    Packed(&'a Path),
    /// Something was left out, changed while being read, or is another without a sign of change.
    Skipped(&'a Skipped),
    /// This earlier archive is damaged, so everything is read again.
    Damaged(&'a Path),
    /// This earlier archive is not copied from, for this reason, so everything is read.
    NotReused(&'a Path, &'a str),
    /// Something of the source cannot be seen by this process, and is not in the archive.
    Unseen(&'static str),
    /// No plain copy could be kept for the next encrypted archive.
    Uncached(&'a PathError),
    /// The archive has this mode, since its file system lets none be set.
    ModeKept(&'a Path, u32),
    /// The folder is being locked.
    Lock(LockEvent<'a>),
}

/// Something that is not in the archive, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The path from the source on.
    pub path: PathBuf,
    /// The reason.
    pub reason: String,
    /// Is set if the archive is partial for it; for a socket, say, it is not.
    pub is_fault: bool,
}

/// The content of an archive, in figures.
#[derive(Debug, Default)]
pub struct CreateSummary {
    /// The bytes of content.
    pub bytes_in: u64,
    /// The bytes among them that an earlier archive had, and that were not read.
    pub bytes_reused: u64,
    /// The bytes of the archive.
    pub bytes_out: u64,
    /// The number of entries.
    pub n_entries: u64,
    /// The number of regular files among them, without further names of one.
    pub n_files: u64,
    /// The things that are not in the archive.
    pub skipped: Vec<Skipped>,
    /// The files that changed while being read, or are others than before without a sign of change.
    pub changed: Vec<Skipped>,
    /// The patterns that were to leave something out, and matched nothing.
    pub unmatched: Vec<String>,
    /// The SHA-256 of the archive in hexadecimal digits, if it was wanted.
    pub sha256: Option<String>,
    /// The time it took.
    pub elapsed: Duration,
}

impl CreateSummary {
    /// Returns whether nothing is in the archive but the folder that was to be backed up.
    pub fn is_empty(&self) -> bool {
        self.n_files == 0 && self.n_entries <= 1
    }

    /// Returns the size of the source.
    pub fn source_size(&self) -> SourceSize {
        source_size(self.n_entries, self.bytes_in)
    }

    /// Returns how many things are missing or not as they were.
    pub fn n_faults(&self) -> usize {
        self.skipped.iter().filter(|skipped| skipped.is_fault).count() + self.changed.len()
    }
}

/// Returns the size of a source whose archive has so many entries, one of them the source itself.
pub(super) fn source_size(n_entries: u64, n_bytes: u64) -> SourceSize {
    SourceSize { n_entries: n_entries.saturating_sub(1), n_bytes }
}

/// A new archive.
#[derive(Debug)]
pub struct Created {
    /// Its path.
    pub path: PathBuf,
    /// Its content, in figures.
    pub summary: CreateSummary,
}
