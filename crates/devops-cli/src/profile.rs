//! A profile of a tool, as config files have it.

use std::{
    env,
    fmt::Display,
    path::{Path, PathBuf, absolute},
};

use clap::{Command, FromArgMatches};
use devops_core::{
    fs::{IoResultExt, OpenFolder, parent},
    kind::Kind,
};

use crate::{
    clap_error::{summary, with_origin},
    failure::Failure,
    layers::{
        self,
        layer::{ConfigSource, Layer},
    },
    text,
    trust::Project,
};

/// One table `[<TABLE>.profile.NAME]`, with what stands for all profiles.
#[derive(Clone, Debug)]
pub struct ProfileTable {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The file it stands in.
    pub file: PathBuf,
    /// The line of its first key.
    pub line: usize,
    pub(crate) keys: fn() -> Command,
    pub(crate) layers: Vec<Layer>,
    /// The project whose file the profile stands in; such a profile works inside it alone.
    pub(crate) inside: Option<Project>,
    /// The keys whose values are paths that must lie inside the project.
    pub(crate) paths: Vec<String>,
}

impl ProfileTable {
    /// Reads the values as the flags of `P`, whose command the tool gave as its profile.
    pub fn read<P: FromArgMatches>(&self) -> Result<P, Failure> {
        let layers: Vec<Layer> =
            self.layers.iter().map(|layer| Layer { path: Vec::new(), ..layer.clone() }).collect();
        let command = layers::apply((self.keys)().no_binary_name(true), &layers);
        let nothing: [&str; 0] = [];
        let failed = |error: clap::Error| {
            with_origin(&error, &layers)
                .unwrap_or_else(|| Failure::new(Kind::Configuration, summary(&error)))
        };
        let matches = command.try_get_matches_from(nothing).map_err(failed)?;
        self.check_paths()?;
        P::from_arg_matches(&matches).map_err(failed)
    }

    /// Opens the folder of the project that the profile may not leave, if its file is a project's.
    ///
    /// A path that was checked is reached from there.
    pub fn project(&self) -> Result<Option<OpenFolder>, Failure> {
        Ok(self.inside.as_ref().map(Project::open).transpose()?)
    }

    /// Refuses a profile of a project that reads or writes outside of it.
    fn check_paths(&self) -> Result<(), Failure> {
        let Some(project) = &self.inside else { return Ok(()) };
        let layers = self.layers.iter().filter(|layer| self.paths.contains(&layer.long));
        for (layer, value) in layers.flat_map(|it| it.values.iter().map(move |value| (it, value))) {
            let key = layer.long.replace('-', "_");
            let path = self.path(&key, Path::new(value))?;
            if !project.holds(&path) {
                let (path, folder) = (text::quote(&path), text::quote(project.folder()));
                let what =
                    format!("`{key}` is `{path}`, which is outside of the project `{folder}`");
                return Err(self.invalid(&key, what).hint(
                    "put the profile into your own config file, or trust this one for one run with \
                     `--trust-project FILE`",
                ));
            }
        }
        Ok(())
    }

    /// Makes a path of a key absolute: from the home folder, or from where the file that names it is.
    pub fn path(&self, key: &str, path: &Path) -> Result<PathBuf, Failure> {
        if let Ok(below_home) = path.strip_prefix("~") {
            let home = env::var_os("HOME").filter(|home| Path::new(home).is_absolute());
            let home = home.ok_or_else(|| {
                self.invalid(key, format!("`{}` needs the variable HOME", text::quote(path)))
            })?;
            let home = Path::new(&home);
            if !home.is_dir() {
                let (path, home) = (text::quote(path), text::quote(home));
                let what = format!("`{path}` is in the home folder `{home}`, which does not exist");
                return Err(self.invalid(key, what));
            }
            return Ok(home.join(below_home));
        }
        if path.as_os_str().is_empty() {
            return Err(self.invalid(key, format!("`{key}` is empty")));
        }
        let (file, _) = self.place(key);
        Ok(absolute(parent(file).join(path)).at(path, "resolve")?)
    }

    /// Returns the file and line of a key; those of the table where the key is not set.
    pub fn place(&self, key: &str) -> (&Path, usize) {
        let long = key.replace('_', "-");
        let layer = self.layers.iter().find(|layer| layer.long == long);
        match layer.map(|layer| &layer.origin) {
            Some(ConfigSource::File { path, line }) => (path, *line),
            _ => (&self.file, self.line),
        }
    }

    /// Says what is wrong with a key.
    pub fn invalid(&self, key: &str, what: impl Display) -> Failure {
        let (file, line) = self.place(key);
        let message = format!("{}:{line}: profile `{}`: {what}", text::quote(file), self.name);
        Failure::new(Kind::Configuration, message)
    }
}
