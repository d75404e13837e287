//! Errors and warnings of entries.

use std::{io, path::Path};

use crate::{archive::ArchiveError, fs::PathError, limits::Limit};

/// Something about an entry that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryWarning {
    pub(super) reason: String,
    /// Is set if the restore is partial for it.
    pub(super) is_fault: bool,
}

impl EntryWarning {
    pub(super) fn fault(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_fault: true }
    }

    pub(super) fn remark(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_fault: false }
    }
}

/// The reason an entry is not there.
#[derive(Debug)]
pub(super) enum EntryError {
    /// The others can go on.
    Entry(EntryWarning),
    /// Nothing can.
    Fatal(ArchiveError),
}

/// An entry was made, with what is not as it was about it, or it was not.
pub(super) type RestoreResult = Result<Vec<EntryWarning>, EntryError>;

impl EntryError {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Entry(EntryWarning::fault(reason))
    }

    /// Sorts an error of the system: a full disk or a limit of the host concerns everything, a name too long one entry.
    pub(super) fn of(error: impl Into<io::Error>, path: &Path) -> Self {
        use io::ErrorKind as Io;
        let error = error.into();
        let is_fatal = matches!(
            error.kind(),
            Io::StorageFull | Io::QuotaExceeded | Io::ReadOnlyFilesystem | Io::FileTooLarge
        );
        // EIO has no kind of its own.
        if is_fatal || error.raw_os_error() == Some(5) || Limit::of(&error).is_some() {
            return Self::at("write", path, error);
        }
        Self::refused(error.to_string())
    }

    /// Returns the error of content that could not be read.
    pub(super) fn of_content(error: io::Error, archive: &Path) -> Self {
        match error.downcast::<ArchiveError>() {
            Ok(error) => Self::Fatal(error),
            Err(error) => Self::at("read", archive, error),
        }
    }

    /// Returns the error of something everything depends on.
    pub(super) fn at(action: &'static str, path: &Path, error: impl Into<io::Error>) -> Self {
        let path = path.to_owned();
        Self::Fatal(PathError { action, path, source: error.into() }.into())
    }
}

impl From<ArchiveError> for EntryError {
    fn from(error: ArchiveError) -> Self {
        Self::Fatal(error)
    }
}
