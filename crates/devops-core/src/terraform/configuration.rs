//! The files of a configuration.

use std::path::{Path, PathBuf};

use crate::fs::{IoResultExt, PathError};

/// A file of configuration is written by people; what is longer is not read.
pub(super) const SIZE_LIMIT: u64 = 16 << 20;

/// A file that terraform or tofu reads as configuration.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) is_json: bool,
}

/// Returns the files of a folder in the order in which they count: a later one wins, and those that override
/// others come last.
pub(super) fn files(dir: &Path) -> Result<Vec<ConfigFile>, PathError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).at(dir, "list")? {
        let path = entry.at(dir, "list")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_json = name.ends_with(".tf.json") || name.ends_with(".tofu.json");
        if is_json || path.extension().is_some_and(|end| end == "tf" || end == "tofu") {
            files.push(ConfigFile { path, is_json });
        }
    }
    files.sort_by_key(|file| (is_override(&file.path), file.path.clone()));
    Ok(files)
}

fn is_override(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    stem == "override" || stem.ends_with("_override")
}
