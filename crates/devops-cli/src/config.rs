//! Config files: their settings, and the check that a file may set them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Command;
use devops_core::{fs::parent, kind::Kind};

use crate::{
    failure::{Failure, ResultExt},
    text,
    tool::Tool,
    trust::Project,
};

mod check;
mod file;
mod profiles;
mod source;

pub(crate) use file::Entry;
use source::{Location, Source, is_same_file, locations, stranger_at};

/// The settings of all config files, the strongest file first.
#[derive(Debug, Default)]
pub(crate) struct Config {
    entries: Vec<Entry>,
    /// The project of a file that was found by walking up.
    project: Option<Project>,
    /// Warnings of settings that do not count.
    warnings: Vec<String>,
    /// The files that were looked for, the strongest first.
    looked_for: Vec<LookedFor>,
}

/// A file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct LookedFor {
    pub path: PathBuf,
    pub is_there: bool,
}

/// How much a file is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The user named it, or an administrator or the user wrote it.
    Full,
    /// It was found by walking up from the current folder: anybody may have put it there.
    Project,
}

/// The config files that the command line names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// The only file that is read.
    pub config: Option<OsString>,
    /// The project file that is trusted as if it were the user's.
    pub trusted: Option<OsString>,
}

impl Config {
    /// Reads the file that `--config` names, or else the project, user and system files.
    pub(crate) fn load(tool: &Tool, command: &Command, named: Named) -> Result<Self, Failure> {
        let is_named = named.config.is_some();
        let mut locations = locations(named.config);
        let look = |location: &Location| {
            let path = location.path.clone();
            LookedFor { is_there: path.exists(), path }
        };
        let looked_for: Vec<_> = locations.iter().map(look).collect();
        if !is_named {
            locations.retain(|location| location.path.exists());
        }
        let trusted = named.trusted.as_deref().map(Path::new);
        let is_project = |location: &Location| {
            location.is_of_project && trusted.is_some_and(|path| is_same_file(path, &location.path))
        };
        if let Some(path) = trusted.filter(|_| !locations.iter().any(is_project)) {
            let path = text::quote(path);
            return Err(Failure::usage(format!(
                "`{path}` is not the project file that counts here"
            ))
            .hint("that is the nearest `devops.toml`, up to the root of the repository"));
        }
        let mut config = Self { looked_for, ..Self::default() };
        for location in &locations {
            let source = match read(&location.path, is_named) {
                Ok(source) => source,
                Err(failure) => {
                    let is_trusted = trusted.is_some_and(|path| is_same_file(path, &location.path));
                    let is_of_project = location.is_of_project && !is_trusted;
                    let owner = is_of_project.then(|| stranger_at(&location.path)).flatten();
                    config.pass_over(&location.path, owner, failure)?;
                    continue;
                }
            };
            // The file that was read counts, not the file that has the name now.
            let is_trusted = trusted.is_some_and(|path| source.is_at(path));
            let standing = if location.is_of_project && !is_trusted {
                Standing::Project
            } else {
                Standing::Full
            };
            config.add(tool, command, standing, &source)?;
        }
        profiles::check_owners(&config.entries)?;
        Ok(config)
    }

    /// Returns what files that are trusted say of a flag of a command, as far as they can be read: their other
    /// settings may be wrong.
    pub(crate) fn glance(
        tool: &Tool,
        named: Option<OsString>,
        command: &str,
        flag: &str,
    ) -> Option<String> {
        let locations = locations(named).into_iter().filter(|location| !location.is_of_project);
        let parsed = locations.filter_map(|location| {
            let source = Source::read(&location.path, false).ok()?;
            file::parse(&location.path, Standing::Full, &source.text, tool).ok()
        });
        let entries = parsed.flat_map(|found| found.entries).collect();
        let config = Self { entries, ..Self::default() };
        config.entries(&[command.to_owned()], flag).first()?.values.first().cloned()
    }

    /// Reads a file as if it had been found by walking up.
    #[cfg(test)]
    pub(crate) fn of_project(tool: &Tool, command: &Command, path: &Path) -> Result<Self, Failure> {
        let mut config = Self::default();
        config.add(tool, command, Standing::Project, &read(path, false)?)?;
        Ok(config)
    }

    /// Adds the settings of one file that it may set.
    fn add(
        &mut self,
        tool: &Tool,
        command: &Command,
        standing: Standing,
        source: &Source,
    ) -> Result<(), Failure> {
        let path = source.path.as_path();
        let is_of_project = standing == Standing::Project;
        let stranger = source.owners.stranger().filter(|_| is_of_project);
        let mut found = match file::parse(path, standing, &source.text, tool) {
            Ok(found) => found,
            Err(failure) => return self.pass_over(path, stranger, failure),
        };
        if let Some(owner) = stranger {
            let ignored = check::keep_rules(tool, command, &mut found);
            self.warnings.extend(ignored.map(|ignored| {
                let path = text::quote(path);
                format!(
                    "`{path}` belongs to the user {owner}: only what makes a rule stricter counts, \
                     and {ignored} is ignored"
                )
            }));
        } else {
            check::keys(tool, command, &mut found)?;
        }
        if !is_of_project {
            check::programs(tool, &found.entries, &source.owners)?;
        } else if stranger.is_none() {
            check::project(tool, command, &found.entries)?;
        }
        if is_of_project {
            self.project = Some(project_of(path, source)?);
        }
        self.entries.extend(found.entries);
        Ok(())
    }

    /// Warns of a file that says nothing and belongs to a stranger, who must not keep tools from working;
    /// fails for any other file.
    fn pass_over(
        &mut self,
        path: &Path,
        stranger: Option<u32>,
        failure: Failure,
    ) -> Result<(), Failure> {
        let Some(owner) = stranger.filter(|_| failure.kind == Kind::Configuration) else {
            return Err(failure);
        };
        let (path, why) = (text::quote(path), text::escaped(&failure.chain().join(": ")));
        let warning = format!("`{path}` belongs to the user {owner} and is ignored: {why}");
        self.warnings.push(warning);
        Ok(())
    }

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

    fn entries_of(
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

fn read(path: &Path, is_named: bool) -> Result<Source, Failure> {
    let read = Source::read(path, is_named).context("failed to load the config file");
    read.map_err(|failure| match failure.kind {
        // Reaching a host limit, such as open files, does not make the file invalid.
        Kind::Temporary => failure,
        _ => Failure { kind: Kind::Configuration, ..failure },
    })
}

fn project_of(file: &Path, source: &Source) -> Result<Project, Failure> {
    Project::new(parent(file), source.folder).map_err(|error| {
        Failure::new(Kind::of_io(&error), format!("`{}`: {error}", text::quote(file)))
    })
}
