//! Folders: made, synced, and the parent of a path.

use std::{
    fs::{self, File},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use super::path_error::{IoResultExt, PathError};

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

/// Returns the folder that holds `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
