//! I/O errors with the path they concern.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::kind::{HasKind, Kind};

/// An I/O error with what was tried and where.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", .path.display())]
pub struct PathError {
    /// The verb: `read`, `create`, `sync`.
    pub action: &'static str,
    /// The path it was tried on.
    pub path: PathBuf,
    /// The system's message.
    pub source: io::Error,
}

impl HasKind for PathError {
    fn kind(&self) -> Kind {
        Kind::of_io(&self.source)
    }
}

/// Gives an I/O error its place.
pub trait IoResultExt<T> {
    /// Says that `action` failed at `path`.
    fn at(self, path: impl AsRef<Path>, action: &'static str) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> IoResultExt<T> for Result<T, E> {
    fn at(self, path: impl AsRef<Path>, action: &'static str) -> Result<T, PathError> {
        self.map_err(|error| PathError {
            action,
            path: path.as_ref().to_owned(),
            source: error.into(),
        })
    }
}
