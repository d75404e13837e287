//! Config files: their settings, and the check that a file may set them.

use std::{ffi::OsString, path::Path};

use clap::Command;
use devops_core::{fs::parent, kind::Kind};

use crate::{
    failure::{Failure, ResultExt},
    text,
    tool::Tool,
    trust::Project,
};

mod check;
pub(crate) mod entry;
mod file;
pub(crate) mod found;
mod profiles;
mod source;

use entry::Standing;
pub(crate) use found::{Config, LookedFor};
pub(crate) use profiles::profiles;
use source::{Location, Source, is_same_file, locations, stranger_at};

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
