//! An entry that waits to be read, and whether it is still the file that was seen.

use std::{ffi::OsString, os::fd::OwnedFd, rc::Rc};

use super::super::parent::is_unchanged;
use crate::archive::{
    format::{
        entry::Entry,
        index::{Identity, IndexEntry, Record},
        stat::Meta,
    },
    options::IgnoredChanges,
    scan::attributes::Attributes,
};

/// An entry that was found and not read yet.
pub(super) struct PendingEntry {
    pub(super) entry: Entry,
    pub(super) meta: Meta,
    pub(super) folder: Rc<OwnedFd>,
    pub(super) name: OsString,
    /// Is set if `folder` is a stream instead of a folder.
    pub(super) is_stream: bool,
    /// The record of the parent archive, if it is unchanged.
    pub(super) old: Option<IndexEntry>,
    /// Extended attributes; read later for files and for entries that may be reused.
    pub(super) attributes: Option<Attributes>,
}

pub(super) fn identity(meta: &Meta) -> Identity {
    Identity { ctime: meta.ctime, id: meta.id }
}

/// Returns whether nothing about a file says that it changed since `old` was recorded, whatever changes
/// may be ignored.
pub(super) fn is_same_state(old: &Record, identity: Option<Identity>) -> bool {
    let pair = old.identity.zip(identity);
    pair.is_some_and(|(old, new)| is_unchanged(&old, &new, IgnoredChanges::default()))
}
