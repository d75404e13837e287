//! Dated `tar.gz` archives: create, list, verify, restore and prune them.
//!
//! Rooms stand on each other in this order:
//!
//! - `format` is what is on the disk: tar headers, segments, hashes, the index, encryption; `archive_index::container`
//!   documents it to the byte.
//! - `scan` walks over a source: `selection`, `ignore_files` and `gitignore` say what is let in.
//! - `read` is strict in `reader`, which stops at the first damage (`verify` and `prune` stand on it), and lenient in
//!   `salvage`, which reads past it (`restore`, `list`, `diff` and `cat` stand on it).
//! - `write` groups entries, takes what is unchanged from the parent archive, reads the rest, compresses segments in
//!   parallel and joins them into one gzip member with the index behind it.
//! - `restore`, `folder` and `prune` act on archives and folders of archives.

mod format;
mod read;
mod scan;
mod write;

mod error;
mod event;
mod folder;
mod options;
mod prune;
mod restore;

pub use crate::archive_index::{ArchiveName, BackupName, BadName, Origin, Series};
pub use crate::fs::Lookup;
pub use crate::retention::Decision;
pub use error::ArchiveError;
pub use event::{CreateEvent, CreateSummary, Created, Skipped};
pub use folder::{
    ArchiveChoice, ArchiveFacts, ArchiveState, ChoiceError, FileMark, FindEvent, FolderOptions,
    FolderPaths, Found, History, NamedSeries, Proven, Version, archive_paths, find, look_into,
    matching_names, new_bytes, newest, origin,
};
pub use format::archive_file::Archive;
pub use format::compress::{BadLevel, Level};
pub use format::encryption::{InvalidKey, Keys, Recipients};
pub use format::entry::{Entry, EntryKind, OwnerName, Timestamp, Xattr};
pub use options::{CreateOptions, IgnoredChanges, Reproducible, ReuseCache};
pub use prune::{Candidate, PruneOptions, PrunePlan, plan_before_next, plan_prune, remove_pruned};
pub use read::cat::cat;
pub use read::diff::{Comparison, Difference, against, diff};
pub use read::list::{ListEvent, list};
pub use read::reader::Healed;
pub use read::survey::{Damage, survey};
pub use read::verify::{Sampled, Verified, verify, verify_sample};
pub use restore::rehearse::{RehearsalRequest, Rehearsed, rehearse};
pub use restore::{OverwritePolicy, RestoreEvent, RestoreOptions, RestoreSummary, restore};
pub use scan::exclude::Excludes;
pub use scan::file_io::{FileIo, RealFiles};
pub use scan::ignore_files::ExcludeMarkers;
pub use scan::machine::machine_id;
pub use scan::stream::{Stream, spool};
pub use write::create::{create_in_folder, create_to_writer};
pub use write::dry_run::preview;
pub use write::measure::measure;
