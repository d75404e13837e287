//! Dated `tar.gz` archives: create, list, verify, restore and prune them.
//!
//! Writing: `source` opens a folder, a file or a `stream`; `walk` finds entries that `selection` and `marks`
//! let in, where `mount` tells other file systems and `gitignore` knows what ignore files mean; `group` says
//! which of them share a segment, `reuse` finds the segments the parent archive has already, `pack` reads the
//! others, `attributes` what hangs on them, `owner_names` knows their owners, `header` turns each entry into
//! tar blocks, with a `sparse_map` where huge holes stay out, `pipeline` compresses or copies the segments in parallel and writes them in order, with as much under way as `window` allows,
//! `deflate` joins them into one gzip member after `inflate` has proved each, and `index` describes
//! them behind it. `archive_index::container` documents the format. `sink` takes the bytes, to encrypt them where
//! `encryption` says so; `cache` then keeps a copy in plain for the next archive. `newest` finds the archive
//! before, and `machine` tells hosts of one name apart.
//!
//! Reading: `stored` opens a file and decrypts it, `reader` turns any tar or tar.gz, first into bytes
//! and then into entries, and stops at the first damage: `verify` and `prune` stand on it. `salvage` reads
//! past damage, with what `reader` finds in the archives beside it: `restore`, `list`, `diff` and `cat` stand
//! on it, and `survey`, which names what is lost. `versions` finds the content behind a path. `folder` takes all archives
//! of a folder together: which there are, which belong together, every version of a path.

use std::path::PathBuf;

use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    lock::LockError,
    retention::EmptyPolicy,
    units::count,
};

mod archive_file;
mod archive_writer;
mod archiver;
mod attributes;
mod block;
mod bounded_queue;
mod cat;
mod changed_file_retry;
mod chunker;
mod compare;
mod content;
mod create;
mod deflate;
mod destination;
mod encryption;
mod entry;
mod entry_filter;
mod entry_listing;
mod estimate;
mod event;
mod exclude;
mod file_hash;
mod file_io;
mod folder;
mod gitignore;
mod header;
mod holes;
mod ignore_files;
mod index;
mod list;
mod machine;
mod measure;
mod meta;
mod mount;
mod name;
mod newest;
mod options;
mod owner_names;
mod ownership;
mod parent;
mod pipeline;
mod preview;
mod prune;
mod reader;
mod rehearse;
mod restore;
mod reuse_cache;
mod salvage;
mod selection;
mod source;
mod sparse_map;
mod stream;
mod survey;
mod verify;
mod verify_deflate;
mod versions;
mod walk;
mod xattr;

pub use crate::archive_index::{ArchiveName, BackupName, BadName, Origin, Series};
pub use crate::fs::Lookup;
pub use crate::retention::Decision;
pub use archive_file::Archive;
pub use cat::cat;
pub use compare::{Comparison, Difference, against, diff};
pub use create::{create_in_folder, create_to_writer};
pub use deflate::{BadLevel, Level};
pub use encryption::{InvalidKey, Keys, Recipients};
pub use entry::{Entry, EntryKind, OwnerName, Timestamp, Xattr};
pub use event::{CreateEvent, CreateSummary, Created, Skipped};
pub use exclude::Excludes;
pub use file_io::{FileIo, RealFiles};
pub use folder::{
    ArchiveChoice, ArchiveFacts, ArchiveState, ChoiceError, FileMark, FindEvent, FolderOptions,
    FolderPaths, Found, History, NamedSeries, Proven, Version, archive_paths, find, look_into,
    matching_names, new_bytes, newest, origin,
};
pub use ignore_files::ExcludeMarkers;
pub use list::{ListEvent, list};
pub use machine::machine_id;
pub use measure::measure;
pub use options::{CreateOptions, IgnoredChanges, Reproducible, ReuseCache};
pub use preview::preview;
pub use prune::{Candidate, PruneOptions, PrunePlan, plan_before_next, plan_prune, remove_pruned};
pub use reader::Healed;
pub use rehearse::{RehearsalRequest, Rehearsed, rehearse};
pub use restore::{OverwritePolicy, RestoreEvent, RestoreOptions, RestoreSummary, restore};
pub use stream::{Stream, spool};
pub use survey::{Damage, survey};
pub use verify::{Sampled, Verified, verify, verify_sample};

/// An error of an operation on an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A signal came.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The policy would keep nothing.
    #[error(transparent)]
    EmptyPolicy(#[from] EmptyPolicy),
    /// The folder of the archives could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An exclude pattern is not a glob.
    #[error("`{pattern}` is not a pattern")]
    BadPattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it; `None` when it is empty.
        source: Option<globset::Error>,
    },
    /// The newest archive of this name is of another series.
    #[error(
        "`{}` was made from `{}` on `{}`{}",
        .newest.display(), .found.source.display(), .found.host,
        if *.is_other_machine { ", another machine of that name" } else { "" }
    )]
    OtherOrigin {
        /// The newest archive of the name.
        newest: PathBuf,
        /// The origin.
        found: Box<Origin>,
        /// Is set if it came from another machine of the same name.
        is_other_machine: bool,
    },
    /// Only folders and regular files can be backed up, and only files have content to write out.
    #[error("`{}` is {what}", .path.display())]
    WrongKind {
        /// The path as given.
        path: PathBuf,
        /// The kind of thing.
        what: String,
    },
    /// The file holds no tar, compressed or not.
    #[error("`{}` is not a tar or tar.gz archive", .path.display())]
    NotAnArchive {
        /// The file.
        path: PathBuf,
    },
    /// The archive is cut off, or its bytes are not what was written.
    #[error("`{}` is damaged after {}: {reason}", .path.display(), count(*.n_entries, "entry"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of entries that were whole.
        n_entries: u64,
        /// The error.
        reason: String,
    },
    /// The archive is encrypted, and nothing at hand opens it.
    #[error("`{}` is encrypted, and {reason}", .path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// The reason it stays closed.
        reason: &'static str,
    },
    /// None of the paths or patterns given is in the archive.
    #[error("`{}` holds nothing named `{}`", .archive.display(), .wanted)]
    NothingMatches {
        /// The archive.
        archive: PathBuf,
        /// The first path or pattern without a match.
        wanted: String,
    },
}

impl HasKind for ArchiveError {
    fn kind(&self) -> Kind {
        match self {
            Self::Path(error) => error.kind(),
            Self::Cancelled(error) => error.kind(),
            Self::EmptyPolicy(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::BadPattern { .. }
            | Self::OtherOrigin { .. }
            | Self::WrongKind { .. }
            | Self::NotAnArchive { .. } => Kind::Usage,
            Self::Damaged { .. } => Kind::Mismatch,
            Self::Encrypted { .. } => Kind::Permission,
            Self::NothingMatches { .. } => Kind::NotFound,
        }
    }
}
