//! The size of the source of an archive, as its index tells it.

use crate::archive::{
    event::source_size,
    format::{
        archive_file::{Archive, ArchiveFile},
        index::Index,
    },
};
use crate::retention::SourceSize;

/// Returns the size of the source; `None` if the archive has no index that can be believed, or nothing at
/// hand opens it.
pub fn measure<'a>(archive: impl Into<Archive<'a>>) -> Option<SourceSize> {
    let index = Index::read(&ArchiveFile::open(archive.into()).ok()?)?;
    Some(source_size(index.n_entries, index.n_content))
}
