//! The work on one segment, and what ends it.

use std::path::PathBuf;

use super::super::parent::ParentArchive;
use crate::archive::{
    ArchiveError,
    format::index::{BuildParams, Hash},
};
use crate::cancel::Cancelled;

pub(super) const MIB: usize = 1 << 20;

/// The settings of compression.
#[derive(Clone, Copy)]
pub(in crate::archive) struct Compression<'a> {
    pub(in crate::archive) build_params: BuildParams,
    pub(in crate::archive) n_threads: usize,
    /// The archive that segments may be copied from.
    pub(in crate::archive) parent: Option<&'a ParentArchive>,
}

/// An error of the producer.
#[derive(Debug)]
pub(in crate::archive) enum ProduceError {
    /// Their producer failed.
    Failed(ArchiveError),
    /// The writer failed; its own error tells why.
    WriterGone,
}

impl From<Cancelled> for ProduceError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Failed(cancelled.into())
    }
}

impl From<ArchiveError> for ProduceError {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

/// An error of the build.
#[derive(Debug)]
pub(in crate::archive) enum BuildError {
    Failed(ArchiveError),
    /// A segment of the parent archive is not what was written.
    ParentDamaged,
}

impl From<ArchiveError> for BuildError {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

/// A content that was read though nothing about its file had changed, and so must be what it was.
pub(in crate::archive) struct SilentChange {
    /// Its number among the contents of the archive, from 0.
    pub(in crate::archive) n: u64,
    pub(in crate::archive) expected: Hash,
    pub(in crate::archive) path: PathBuf,
}
