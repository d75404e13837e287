//! The files of a folder that are archives by their names.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::fs::{IoResultExt, PathError};

/// The endings that archives have.
const ENDINGS: [&str; 6] = [".tar.gz", ".tgz", ".tar", ".tar.gz.age", ".tgz.age", ".tar.age"];

/// The archives of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderPaths {
    /// The regular files with the name of an archive, by name.
    pub archives: Vec<PathBuf>,
    /// The number of other files that are not hidden: symbolic links, and files of other names.
    pub n_others: usize,
}

/// Finds the archives in `folder`, and not in folders below it.
pub fn archive_paths(folder: &Path) -> Result<FolderPaths, PathError> {
    let mut paths = FolderPaths::default();
    for entry in std::fs::read_dir(folder).at(folder, "list")? {
        let entry = entry.at(folder, "list")?;
        let (name, kind) = (entry.file_name(), entry.file_type().at(folder, "list")?);
        // What is hidden is unfinished, or a lock.
        if kind.is_dir() || name.as_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_file() && stem(&name).is_some() {
            paths.archives.push(entry.path());
        } else {
            paths.n_others += 1;
        }
    }
    paths.archives.sort();
    Ok(paths)
}

/// Returns the name of an archive without its ending; `None` for the name of something else.
pub(super) fn stem(name: &OsStr) -> Option<&OsStr> {
    let name = name.as_bytes();
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending.as_bytes()))?;
    (!stem.is_empty()).then(|| OsStr::from_bytes(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_an_archive() {
        let stem =
            |name: &str| stem(OsStr::new(name)).map(|stem| stem.to_string_lossy().into_owned());

        for (name, expected) in [
            ("backup-2026-11-22.tar.gz", Some("backup-2026-11-22")),
            ("photos.tgz", Some("photos")),
            ("photos.v2.tar", Some("photos.v2")),
            ("photos.tar.gz.age", Some("photos")),
            ("photos.tar.gz.sha256", None),
            ("photos.zip", None),
            ("photos", None),
            (".tar.gz", None),
        ] {
            assert_eq!(stem(name).as_deref(), expected, "{name}");
        }
    }
}
