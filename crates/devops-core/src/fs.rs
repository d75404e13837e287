//! Files: errors that name the path, and writes that stay in their directory and leave no partial
//! file.
//!
//! `rooted_dir` reaches what is below an open directory, `destination` decides where a file is written, and
//! `atomic` puts it there as one step; `output` takes pipes as well.

use std::{fs::File, path::Path};

use rustix::fs::{fstat, lstat, statvfs};

mod atomic;
mod beneath;
mod destination;
mod folders;
mod if_exists;
mod input;
mod io_kind;
mod output;
mod path_error;
mod private;
mod refusal;
mod rooted_dir;
mod umask;
mod write_behind;

#[cfg(any(feature = "archive", test))]
pub(crate) use atomic::target_name;
pub use atomic::{AtomicFile, remove_stale, replace};
pub use beneath::real_path;
pub use destination::{Destination, OpenFolder, Resolved, Stream, resolve};
pub use folders::{create_folders, create_private_folders, parent, sync_folder};
pub use if_exists::IfExists;
pub use input::{Input, open_file, read_input, read_input_bytes};
pub use output::{Output, check_output, write_output};
pub use path_error::{IoResultExt, PathError};
pub use private::PrivateFolder;
#[cfg(feature = "archive")]
pub(crate) use rooted_dir::{DIRECTORY, FileId, Step};
pub use rooted_dir::{DirEntryPath, DirHandle, Lookup, RootedDir};
pub use umask::user_mode;

/// Returns whether `path` names the open `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (fstat(file), lstat(path)) {
        (Ok(open), Ok(named)) => (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

/// Reads a whole regular text file of at most `limit` bytes.
///
/// What a user names may be a pipe: [`read_input`] is for that.
pub fn read_text(path: &Path, limit: u64) -> Result<String, PathError> {
    input::read_limited(open_file(path)?, path, limit)
}

/// Returns how many bytes a user other than root can still write to the file system of `folder`; `None`
/// where it does not say, as some network file systems do.
pub fn free_bytes(folder: &Path) -> Result<Option<u64>, PathError> {
    let stat = statvfs(folder).at(folder, "read the free space of")?;
    Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(test)]
mod tests;
