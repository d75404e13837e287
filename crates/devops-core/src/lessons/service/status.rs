//! The result of a check of one target.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{
    cancel::Cancelled,
    kind::{HasKind, Kind},
    roots::NoRoots,
};

/// No check can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// No answer over TLS can be trusted here.
    #[error(transparent)]
    NoRoots(#[from] NoRoots),
    /// A signal came.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl HasKind for CheckError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRoots(error) => error.kind(),
            Self::Cancelled(error) => error.kind(),
        }
    }
}

/// The state of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// Nothing of that name is known.
    NotFound,
    /// It could not be determined.
    Unknown,
}

/// The answer about one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The target as given, passwords in it replaced by stars.
    pub target: String,
    /// Its state.
    pub status: Status,
    /// The source of the answer: `systemd`, `tcp`, `http`, `proc`, `file`.
    pub via: &'static str,
    /// The observation in words.
    pub detail: String,
    /// The time the check took.
    pub seconds: f64,
}

/// The settings of checks.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The time limit of one check.
    pub timeout: Duration,
    /// The root of the host's file system.
    pub root: PathBuf,
}

/// The observation of one check.
pub(super) struct Seen(pub(super) Status, pub(super) String);

impl Status {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::NotFound => "not found",
            Self::Unknown => "unknown",
        }
    }
}
