//! The options and the result of a restore.

use std::path::{Path, PathBuf};

use super::super::event::Skipped;
use crate::archive::{
    format::{archive_file::Archive, entry::Entry},
    read::reader::Healed,
};
use crate::fs::Lookup;

/// The most bytes the list of what was left out takes: an archive may hold millions of such entries.
const MAX_LIST: usize = 8 << 20;

/// The policy for a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverwritePolicy {
    /// It stays, and is named.
    #[default]
    Never,
    /// It is replaced if it is older than the entry.
    IfNewer,
    /// It is replaced.
    Always,
}

/// The settings of a restore.
#[derive(Clone, Debug)]
pub struct RestoreOptions<'a> {
    /// The archive.
    pub archive: Archive<'a>,
    /// The entries wanted, with all below them; everything when empty.
    pub paths: &'a [PathBuf],
    /// Is set if `paths` are those of single entries: nothing below them is wanted, and none is a pattern.
    pub is_exact: bool,
    /// The folder to restore into, made if missing.
    pub folder: &'a Path,
    /// The policy for a file that is there already.
    pub overwrite: OverwritePolicy,
    /// The number of components to take off the front of every path.
    pub strip_components: usize,
    /// Is set if setuid and setgid bits, capabilities, devices, and attributes of `trusted.*` and
    /// `security.*` are restored.
    pub privileged: bool,
    /// Is set if owners are restored by their numbers, whatever their names are here.
    pub numeric_owner: bool,
    /// The root of this host, for its lists of users and groups.
    pub root: &'a Path,
    /// The folder of archives that stand in for what is damaged.
    pub heal: Option<&'a Path>,
    /// The way in which folders are reached.
    pub lookup: Lookup,
}

/// An event during a restore.
#[derive(Debug)]
pub enum RestoreEvent<'a> {
    /// This many bytes of the archive were read so far.
    Bytes(u64),
    /// An entry was restored.
    Restored(&'a Entry),
    /// Something was refused, or is not as it was.
    Skipped(&'a Skipped),
    /// Something is odd about the archive and no damage, such as garbage behind its end.
    Note(&'static str),
}

/// The result of a restore.
#[derive(Debug, Default)]
pub struct RestoreSummary {
    /// The number of entries restored.
    pub n_entries: u64,
    /// The bytes of content restored, holes included.
    pub n_bytes: u64,
    /// The things that were refused, were there already, or are not as they were: the first 8 MiB of them.
    pub skipped: Vec<Skipped>,
    /// The number of them in all; each was an event.
    pub n_left_out: usize,
    /// The oddities of the archive that are not damage.
    pub notes: Vec<&'static str>,
    /// The damage, if there is any; nothing if other archives had all that was lost by it.
    pub damage: Option<String>,
    /// The number of entries that are lost by damage, or stretches of the archive with unknown ones.
    pub n_lost: u64,
    /// The other archives that had what was damaged.
    pub healed: Vec<Healed>,
    n_faults: usize,
    list_size: usize,
}

impl RestoreSummary {
    /// Returns how many things are missing or not as they were.
    pub fn n_faults(&self) -> usize {
        self.n_faults
    }

    pub(super) fn push(&mut self, skipped: Skipped) {
        self.n_left_out += 1;
        self.n_faults += usize::from(skipped.is_fault);
        let text = skipped.path.as_os_str().len() + skipped.reason.len();
        self.list_size = self.list_size.saturating_add(text + size_of::<Skipped>());
        if self.list_size <= MAX_LIST {
            self.skipped.push(skipped);
        }
    }
}
