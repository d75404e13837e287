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

/// How a service is.
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
    /// How it is.
    pub status: Status,
    /// Who says so: `systemd`, `tcp`, `http`, `proc`, `file`.
    pub via: &'static str,
    /// What was seen.
    pub detail: String,
    /// How long the check took.
    pub seconds: f64,
}

/// How checks are done.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// How long one check may take.
    pub timeout: Duration,
    /// Where the host's file system begins.
    pub root: PathBuf,
}

/// What one check has seen.
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
