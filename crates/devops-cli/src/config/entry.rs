//! One setting of a config file.

use std::path::{Path, PathBuf};

use devops_core::kind::Kind;

use crate::{failure::Failure, layers::layer::ConfigSource, text};

/// The trust in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The user named it, or an administrator or the user wrote it.
    Full,
    /// It was found by walking up from the current folder: its author is unknown.
    Project,
}

/// One `key = value` of the tool's table or of a table in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub file: PathBuf,
    pub line: usize,
    pub standing: Standing,
    /// The tables below the tool's own: `["create"]` for `[backup.create]`.
    pub tables: Vec<String>,
    pub key: String,
    pub values: Vec<String>,
}

impl Entry {
    pub(crate) fn origin(&self) -> ConfigSource {
        ConfigSource::File { path: self.file.clone(), line: self.line }
    }

    pub(crate) fn is_of_project(&self) -> bool {
        self.standing == Standing::Project
    }

    /// Says what is wrong with it.
    pub(crate) fn invalid(&self, what: &str) -> Failure {
        invalid(&self.file, self.line, what)
    }
}

/// Says what is wrong in a line of a file.
pub(super) fn invalid(path: &Path, line: usize, what: &str) -> Failure {
    let (path, what) = (text::quote(path), text::escaped(what));
    Failure::new(Kind::Configuration, format!("{path}:{line}: {what}"))
}

/// Says that a name is not known, with the nearest one that is.
pub(super) fn unknown<'a>(
    path: &Path,
    line: usize,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Failure {
    let failure = invalid(path, line, &format!("unknown key `{name}`"));
    let nearest = known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((similarity, candidate)) if similarity > 0.7 => {
            failure.hint(format!("did you mean `{candidate}`?"))
        }
        _ => failure.hint("keys are the long flags in snake_case; see `config show`"),
    }
}
