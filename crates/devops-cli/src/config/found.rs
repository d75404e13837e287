//! The settings of the config files.

use std::path::{Path, PathBuf};

use super::entry::Entry;
use crate::trust::Project;

/// The settings of all config files, the strongest file first.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(super) entries: Vec<Entry>,
    /// The project of a file that was found by walking up.
    pub(super) project: Option<Project>,
    /// Warnings of settings that do not count.
    pub(super) warnings: Vec<String>,
    /// The files that were looked for, the strongest first.
    pub(super) looked_for: Vec<LookedFor>,
}

/// A file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct LookedFor {
    pub path: PathBuf,
    pub is_there: bool,
}

impl Config {
    /// Returns the project of the file that was found by walking up.
    pub(crate) fn project(&self) -> Option<&Project> {
        self.project.as_ref()
    }

    /// Returns the files that were looked for, the strongest first.
    pub(crate) fn looked_for(&self) -> &[LookedFor] {
        &self.looked_for
    }

    /// Returns the warnings of settings that do not count.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns what each file says of a flag of the command at `path`, the strongest file first; in a file
    /// the command's own table beats the tool's.
    pub(crate) fn entries(&self, path: &[String], long: &str) -> Vec<&Entry> {
        self.entries_of(path, long, |_| true)
    }

    pub(super) fn entries_of(
        &self,
        path: &[String],
        long: &str,
        counts: impl Fn(&Entry) -> bool,
    ) -> Vec<&Entry> {
        let key = long.replace('-', "_");
        let mut files: Vec<&Path> = self.entries.iter().map(|entry| entry.file.as_path()).collect();
        files.dedup();
        let in_file = |file: &Path| {
            let applies = |entry: &&Entry| {
                let is_meant = entry.key == key && path.starts_with(&entry.tables);
                entry.file == file && is_meant && counts(entry)
            };
            self.entries.iter().filter(applies).max_by_key(|entry| entry.tables.len())
        };
        files.into_iter().filter_map(in_file).collect()
    }
}
