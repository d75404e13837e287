//! The facts about an archive that can be told without reading all of it.

use std::path::PathBuf;

use time::OffsetDateTime;

use crate::archive_index::{Origin, Series};

/// An archive of a folder, as its name, its two ends and this host's memory tell of it.
#[derive(Clone, Debug)]
pub struct ArchiveFacts {
    /// The archive.
    pub path: PathBuf,
    /// The NAME it was made under; of another tool's archive its file name without the ending.
    pub name: String,
    /// The host and source it says it came from, if it says so.
    pub origin: Option<Origin>,
    /// The host, machine and source that it belongs to among the archives of its NAME, if it says so.
    pub series: Option<Series>,
    /// The time it was made: its recorded start, else the date in its name, else when the file changed.
    pub time: OffsetDateTime,
    /// The bytes of the file.
    pub size: u64,
    /// The number of its entries, if its index says it.
    pub n_entries: Option<u64>,
    /// Is set if the file is encrypted, whether or not a key opens it.
    pub is_encrypted: bool,
    /// The state it shows.
    pub state: ArchiveState,
    /// The time when this host last found it whole.
    pub proven: Option<Proven>,
}

/// The state that an archive shows without being read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveState {
    /// It ends with an index of ours.
    Indexed,
    /// It has no index: another tool made it, or it is known that nothing else of it is missing.
    Foreign,
    /// It is ours, and its index is missing: it was cut off or damaged.
    Unindexed,
    /// It is encrypted, and none of the keys opens it.
    Encrypted,
    /// It is damaged, in these words.
    Damaged(String),
    /// It is not an archive, though it is named as one.
    NotAnArchive,
    /// It could not be read, for this reason.
    Unreadable(String),
}

/// A proof of an archive by this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The time at which it was proven.
    pub time: OffsetDateTime,
    /// Is set if every byte was read; else its index and a few segments were.
    pub is_whole: bool,
}

impl ArchiveState {
    /// Returns whether it shows damage, in what could be read of it.
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Unindexed | Self::Damaged(_) | Self::NotAnArchive)
    }
}
