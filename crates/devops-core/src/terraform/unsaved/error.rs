//! The reasons an unsaved state blocks a command, or cannot be saved.

use std::path::PathBuf;

use crate::kind::{HasKind, Kind};

/// An unsaved state that blocks a command, or that cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum UnsavedError {
    /// It waits to be saved, and another run would go over it.
    #[error("`{}` holds a state that could not be saved", .path.display())]
    Waiting {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no `{}`", .path.display())]
    None {
        /// The file that is not there.
        path: PathBuf,
    },
    /// It is not the JSON of a state.
    #[error("`{}` is not a state", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// The saved state is that of another stack.
    #[error("the saved state has the lineage `{saved}`, and `{}` has `{unsaved}`", .path.display())]
    Lineage {
        /// The file.
        path: PathBuf,
        /// Its lineage.
        unsaved: String,
        /// The lineage of the state that is saved.
        saved: String,
    },
    /// The state was saved by another run since.
    #[error("the saved state has the serial {saved}, and `{}` has {unsaved}", .path.display())]
    Serial {
        /// The file.
        path: PathBuf,
        /// Its serial.
        unsaved: u64,
        /// The serial of the state that is saved.
        saved: u64,
    },
    /// Another state was saved with the same serial.
    #[error("the saved state has the serial {serial}, too, and differs from `{}`", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The serial of both.
        serial: u64,
    },
}

impl HasKind for UnsavedError {
    fn kind(&self) -> Kind {
        match self {
            Self::None { .. } => Kind::NotFound,
            Self::Unreadable { .. } => Kind::Failed,
            Self::Waiting { .. }
            | Self::Lineage { .. }
            | Self::Serial { .. }
            | Self::Content { .. } => Kind::Unsaved,
        }
    }
}
