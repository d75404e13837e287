//! The events of a run of a profile.

use std::path::Path;

use super::{
    options::ProfileSource,
    report::{Problem, Shrinkage},
};
use crate::{
    archive::{CreateEvent, Created, PrunePlan, Rehearsed},
    lock::LockEvent,
};

/// An event while a profile runs.
pub enum ProfileEvent<'a> {
    /// A source is about to be backed up.
    Begun(&'a ProfileSource),
    /// Something happened in the making of its archive.
    Create(CreateEvent<'a>),
    /// Its archive is there.
    Created(&'a ProfileSource, &'a Created),
    /// An archive is read again: it is verified, or rehearsed.
    Checking(&'static str, &'a Path),
    /// Of the archives of a source it was decided what is kept, and what is not is gone.
    Pruned(&'a ProfileSource, &'a PrunePlan),
    /// A source shrank.
    Shrunk(&'a ProfileSource, Shrinkage),
    /// A part of an archive was restored and compared.
    Rehearsed(&'a ProfileSource, &'a Rehearsed),
    /// A hook starts: which ones, and its number among them.
    Hook(&'static str, usize),
    /// A hook wrote a line.
    HookLine(&'a [u8]),
    /// The destination is being locked.
    Lock(LockEvent<'a>),
    /// Something failed.
    Problem(&'a Problem),
    /// Something failed that does not make the backup worse.
    Warning(&'a str),
}
