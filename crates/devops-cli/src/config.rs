//! Config files: where they are, what they may say, and what they say.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use clap::Command;
use devops_core::{cancel::Cancel, fs, kind::Kind};

use crate::{
    failure::{Failure, ResultExt},
    folders::user_folder,
    layers::Origin,
    tool::Tool,
};

mod check;
mod file;
mod profiles;

use file::Entry;

/// A config file larger than this is a mistake.
const SIZE_LIMIT: u64 = 1 << 20;

/// The settings of all config files, the strongest file first.
#[derive(Debug, Default)]
pub(crate) struct Config {
    entries: Vec<Entry>,
}

/// How much a file is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// The user named it, or an administrator or the user wrote it.
    Full,
    /// It was found by walking up from the current folder: anybody may have put it there.
    Project,
}

impl Config {
    /// Reads the file that `--config` names, or else the project, user and system files.
    pub(crate) fn load(
        tool: &Tool,
        command: &Command,
        named: Option<OsString>,
    ) -> Result<Self, Failure> {
        let files = match named {
            Some(path) => vec![(PathBuf::from(path), Trust::Full)],
            None => standard_files(),
        };
        let mut entries = Vec::new();
        for (path, trust) in files {
            // Signals are not caught yet: they end a wait for a pipe by ending the process.
            let text = fs::read_input(&path, SIZE_LIMIT, &Cancel::new())
                .context("failed to load the config file");
            let text = text.map_err(|failure| Failure { kind: Kind::Configuration, ..failure })?;
            let found = file::parse(&path, trust, &text, tool)?;
            check::check(tool, command, &found, trust)?;
            entries.extend(found);
        }
        profiles::check_owners(&entries)?;
        Ok(Self { entries })
    }

    /// Returns the value of a flag of the command at `path`; its own table beats the tool's.
    pub(crate) fn value(&self, path: &[String], long: &str) -> Option<(Vec<OsString>, Origin)> {
        self.value_of(path, long, |_| true)
    }

    fn value_of(
        &self,
        path: &[String],
        long: &str,
        counts: impl Fn(&Entry) -> bool,
    ) -> Option<(Vec<OsString>, Origin)> {
        let key = long.replace('-', "_");
        let rank = |entry: &&Entry| entry.tables.len();
        let mut files: Vec<&Path> = self.entries.iter().map(|entry| entry.file.as_path()).collect();
        files.dedup();
        let in_file = |file: &Path| {
            let applies = |entry: &&Entry| {
                let is_meant = entry.key == key && path.starts_with(&entry.tables);
                entry.file == file && is_meant && counts(entry)
            };
            self.entries.iter().filter(applies).max_by_key(rank)
        };
        let entry = files.into_iter().find_map(in_file)?;
        let origin = Origin::File { path: entry.file.clone(), line: entry.line };
        Some((entry.values.iter().map(OsString::from).collect(), origin))
    }
}

/// Returns the files that exist, the strongest first.
fn standard_files() -> Vec<(PathBuf, Trust)> {
    let user = user_folder("XDG_CONFIG_HOME", ".config");
    let user = user.map(|folder| (folder.join("devops/config.toml"), Trust::Full));
    let project = env::current_dir().ok().and_then(|dir| project_file(&dir));
    let project = project.map(|file| (file, Trust::Project));
    let system = (PathBuf::from("/etc/devops/config.toml"), Trust::Full);
    project.into_iter().chain(user).chain([system]).filter(|(file, _)| file.exists()).collect()
}

/// Returns the nearest `devops.toml` between `dir` and the root of its repository.
///
/// Outside a repository only `dir` itself counts, so that nobody's file in `/tmp` or `/` is picked up.
fn project_file(dir: &Path) -> Option<PathBuf> {
    let root = dir.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(dir);
    dir.ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(|folder| folder.join(OsStr::new("devops.toml")))
        .find(|file| file.exists())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir_all};

    use super::*;

    #[test]
    fn the_project_file_is_the_nearest_one_inside_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("repo/a/b");
        create_dir_all(&inner).unwrap();
        create_dir_all(dir.path().join("repo/.git")).unwrap();
        File::create(dir.path().join("devops.toml")).unwrap();

        assert_eq!(project_file(&inner), None);

        File::create(dir.path().join("repo/devops.toml")).unwrap();
        assert_eq!(project_file(&inner), Some(dir.path().join("repo/devops.toml")));
    }

    #[test]
    fn outside_a_repository_only_the_current_folder_counts() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(dir.path().join("a")).unwrap();
        File::create(dir.path().join("devops.toml")).unwrap();

        assert_eq!(project_file(&dir.path().join("a")), None);
        assert_eq!(project_file(dir.path()), Some(dir.path().join("devops.toml")));
    }
}
