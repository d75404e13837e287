//! A folder of archives as one thing: which it holds, which of them belong together, and every version
//! of a path over all of them.
//!
//! `paths` finds the archives by their names, `look` reads the two ends of each, `series` puts those
//! together that continue each other and chooses the one to restore, `growth` counts what each has that
//! the one before has not, `find` searches the indexes, `history` keeps what it found, and `verdict` what
//! reading an archive to its end has shown.

mod facts;
mod find;
mod growth;
mod history;
mod look;
mod paths;
mod series;
mod turns;
mod verdict;

pub use facts::{ArchiveFacts, ArchiveState, Proven};
pub use find::{FindEvent, Found, find};
pub use growth::new_bytes;
pub use history::{History, Version};
pub use look::{FolderOptions, look_into, matching_names, origin};
pub use paths::{FolderPaths, archive_paths};
pub use series::{ArchiveChoice, ChoiceError, NamedSeries, newest};
pub use verdict::FileMark;
