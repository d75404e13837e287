//! Hints for paths that match no entry of an archive.

use std::path::Path;

use devops_cli::{Failure, Session, quote};
use devops_core::archive::{Archive, ArchiveError, origin};

use super::failure::failure;

/// Adds to the error of a search in one archive how its paths begin.
pub(super) fn in_archive(error: ArchiveError, archive: Archive<'_>, session: &Session) -> Failure {
    if !matches!(error, ArchiveError::NothingMatches { .. }) {
        return failure(error);
    }
    let origin = origin(archive, session.cancel());
    below_source(error, origin.as_ref().map(|origin| origin.source.as_path()))
}

/// Adds to the error of a search how paths begin in an archive of this source.
pub(super) fn below_source(error: ArchiveError, source: Option<&Path>) -> Failure {
    let ArchiveError::NothingMatches { wanted, .. } = &error else { return failure(error) };
    let of = source.map_or_else(String::new, |source| format!(", `{}`", quote(source)));
    let hint = match relative(Path::new(wanted), source) {
        Some(path) => format!("paths are relative to the source{of}: try `{}`", quote(path)),
        None => format!("paths are relative to the source{of}; `devops-backup list` shows them"),
    };
    failure(error).hint(hint)
}

/// Returns the path from the source on, of one that begins above it; `None` for one that does not.
fn relative<'a>(wanted: &'a Path, source: Option<&Path>) -> Option<&'a Path> {
    let is_path = |path: &&Path| !path.as_os_str().is_empty();
    let below = source.and_then(|source| wanted.strip_prefix(source).ok());
    let plain = wanted.strip_prefix("/").unwrap_or(wanted);
    let name = source.and_then(Path::file_name);
    let without_name = name.and_then(|name| plain.strip_prefix(name).ok());
    let given = (plain != wanted).then_some(plain);
    below.filter(is_path).or(without_name.filter(is_path)).or(given.filter(is_path))
}
