//! The files of policies and of their data.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::error::PolicyError;
use crate::{
    cancel::Cancel,
    fs::{IoResultExt, PathError, read_input},
};

/// The largest file of a policy or of data that is read.
const SIZE_LIMIT: u64 = 16 << 20;

/// The text of one file.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "rego"), allow(dead_code, reason = "only an engine reads them"))]
pub(super) struct PolicyFile {
    pub(super) path: PathBuf,
    /// The folders between the folder that was named and the file: data stands below their names.
    pub(super) folders: Vec<String>,
    pub(super) text: String,
}

/// The files of policies, and those of data.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "rego"), allow(dead_code, reason = "only an engine reads them"))]
pub(super) struct Files {
    pub(super) policies: Vec<PolicyFile>,
    pub(super) data: Vec<PolicyFile>,
    seen: BTreeSet<PathBuf>,
}

/// Reads the files that are named, and those in the folders that are named.
pub(super) fn read(paths: &[PathBuf], cancel: &Cancel) -> Result<Files, PolicyError> {
    let mut files = Files::default();
    for path in paths {
        if path.metadata().at(path, "read")?.is_dir() {
            files.add_folder(path, &[], cancel)?;
        } else {
            files.add(path, &[], cancel)?;
        }
    }
    if files.policies.is_empty() {
        return Err(PolicyError::NoPolicy { paths: paths.to_owned() });
    }
    Ok(files)
}

impl Files {
    /// Adds what lies in a folder and below; tests of policies and hidden files stay out, and links to folders are
    /// not followed.
    fn add_folder(
        &mut self,
        folder: &Path,
        folders: &[String],
        cancel: &Cancel,
    ) -> Result<(), PathError> {
        let entries = fs::read_dir(folder).at(folder, "read")?;
        let mut names: Vec<_> = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()
            .at(folder, "read")?;
        names.sort();
        for name in names {
            let (path, text) = (folder.join(&name), name.to_string_lossy());
            if text.starts_with('.') {
                continue;
            }
            if path.symlink_metadata().at(&path, "read")?.is_dir() {
                self.add_folder(&path, &[folders, &[text.into_owned()]].concat(), cancel)?;
            } else if (is_policy(&path) && !text.ends_with("_test.rego")) || is_data(&path) {
                self.add(&path, folders, cancel)?;
            }
        }
        Ok(())
    }

    /// Adds a file once, however often it is named.
    fn add(&mut self, path: &Path, folders: &[String], cancel: &Cancel) -> Result<(), PathError> {
        if path.is_dir() || !self.seen.insert(path.canonicalize().at(path, "find")?) {
            return Ok(());
        }
        let text = read_input(path, SIZE_LIMIT, cancel)?;
        let file = PolicyFile { path: path.to_owned(), folders: folders.to_owned(), text };
        let files = if is_data(path) { &mut self.data } else { &mut self.policies };
        files.push(file);
        Ok(())
    }
}

fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rego")
}

fn is_data(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "json" || end == "yaml" || end == "yml")
}
