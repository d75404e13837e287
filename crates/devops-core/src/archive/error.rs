//! Errors of archives.

use std::path::PathBuf;

use crate::{
    archive_index::Origin,
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    lock::LockError,
    retention::EmptyPolicy,
    units::count,
};

/// An error of an operation on an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A signal came.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The policy would keep nothing.
    #[error(transparent)]
    EmptyPolicy(#[from] EmptyPolicy),
    /// The folder of the archives could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An exclude pattern is not a glob.
    #[error("`{pattern}` is not a pattern")]
    BadPattern {
        /// The pattern as given.
        pattern: String,
        /// The fault of it; `None` when it is empty.
        source: Option<globset::Error>,
    },
    /// The newest archive of this name is of another series.
    #[error(
        "`{}` was made from `{}` on `{}`{}",
        .newest.display(), .found.source.display(), .found.host,
        if *.is_other_machine { ", another machine of that name" } else { "" }
    )]
    OtherOrigin {
        /// The newest archive of the name.
        newest: PathBuf,
        /// The origin.
        found: Box<Origin>,
        /// Is set if it came from another machine of the same name.
        is_other_machine: bool,
    },
    /// Only folders and regular files can be backed up, and only files have content to write out.
    #[error("`{}` is {what}", .path.display())]
    WrongKind {
        /// The path as given.
        path: PathBuf,
        /// The kind of thing.
        what: String,
    },
    /// The file holds no tar, compressed or not.
    #[error("`{}` is not a tar or tar.gz archive", .path.display())]
    NotAnArchive {
        /// The file.
        path: PathBuf,
    },
    /// The archive is cut off, or its bytes are not what was written.
    #[error("`{}` is damaged after {}: {reason}", .path.display(), count(*.n_entries, "entry"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of entries that were whole.
        n_entries: u64,
        /// The error.
        reason: String,
    },
    /// The archive is encrypted, and nothing at hand opens it.
    #[error("`{}` is encrypted, and {reason}", .path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// The reason it stays closed.
        reason: &'static str,
    },
    /// None of the paths or patterns given is in the archive.
    #[error("`{}` holds nothing named `{}`", .archive.display(), .wanted)]
    NothingMatches {
        /// The archive.
        archive: PathBuf,
        /// The first path or pattern without a match.
        wanted: String,
    },
}

impl HasKind for ArchiveError {
    fn kind(&self) -> Kind {
        match self {
            Self::Path(error) => error.kind(),
            Self::Cancelled(error) => error.kind(),
            Self::EmptyPolicy(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::BadPattern { .. }
            | Self::OtherOrigin { .. }
            | Self::WrongKind { .. }
            | Self::NotAnArchive { .. } => Kind::Usage,
            Self::Damaged { .. } => Kind::Mismatch,
            Self::Encrypted { .. } => Kind::Permission,
            Self::NothingMatches { .. } => Kind::NotFound,
        }
    }
}
