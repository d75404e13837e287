//! Files: errors that name the path, and writes that stay in their directory and leave no partial
//! file.
//!
//! `rooted_dir` reaches what is below an open directory, `destination` decides where a file is written, and
//! `atomic` puts it there as one step; `output` takes pipes as well.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::fs::{fstat, lstat, statvfs};

use crate::kind::{HasKind, Kind};

mod atomic;
mod beneath;
mod destination;
mod input;
mod output;
mod private;
mod rooted_dir;
mod umask;
mod write_behind;

#[cfg(feature = "archive")]
pub(crate) use atomic::target_name;
pub use atomic::{AtomicFile, remove_stale, replace};
pub use beneath::real_path;
pub(crate) use destination::RefusedPath;
pub use destination::{Destination, OpenFolder, Resolved, Stream, resolve};
pub(crate) use input::NotRegular;
pub use input::{Input, open_file, read_input, read_input_bytes};
pub use output::{Output, check_output, write_output};
pub use private::PrivateFolder;
#[cfg(feature = "archive")]
pub(crate) use rooted_dir::{DIRECTORY, FileId, Step};
pub use rooted_dir::{DirEntryPath, DirHandle, Lookup, RootedDir};
pub use umask::user_mode;

/// An I/O error with what was tried and where.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", .path.display())]
pub struct PathError {
    /// The verb: `read`, `create`, `sync`.
    pub action: &'static str,
    /// The path it was tried on.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl HasKind for PathError {
    fn kind(&self) -> Kind {
        Kind::of_io(&self.source)
    }
}

/// Gives an I/O error its place.
pub trait At<T> {
    /// Says that `action` failed at `path`.
    fn at(self, path: impl AsRef<Path>, action: &'static str) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, path: impl AsRef<Path>, action: &'static str) -> Result<T, PathError> {
        self.map_err(|error| PathError {
            action,
            path: path.as_ref().to_owned(),
            source: error.into(),
        })
    }
}

/// What happens when the final name exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacePolicy {
    /// The new file takes its place in one step.
    Replace,
    /// The new file is dropped and the error is `AlreadyExists`.
    Keep,
}

/// Returns whether `path` names the open `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (fstat(file), lstat(path)) {
        (Ok(open), Ok(named)) => (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<(), PathError> {
    File::open(folder).and_then(|folder| folder.sync_all()).at(folder, "sync")
}

/// Creates `folder` and its parents where missing.
pub fn create_folders(folder: &Path) -> Result<(), PathError> {
    fs::create_dir_all(folder).at(folder, "create the folder")
}

/// Creates `folder` and its parents where missing, for this user alone.
pub fn create_private_folders(folder: &Path) -> Result<(), PathError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).at(folder, "create the folder")
}

/// Reads a whole regular text file of at most `limit` bytes.
///
/// What a user names may be a pipe: [`read_input`] is for that.
pub fn read_text(path: &Path, limit: u64) -> Result<String, PathError> {
    input::read_limited(open_file(path)?, path, limit)
}

/// Returns the folder that holds `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Returns how many bytes a user other than root can still write to the file system of `folder`; `None`
/// where it does not say, as some network file systems do.
pub fn free_bytes(folder: &Path) -> Result<Option<u64>, PathError> {
    let stat = statvfs(folder).at(folder, "read the free space of")?;
    Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(test)]
mod tests;
