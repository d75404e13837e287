//! The value of one flag from outside the command line, and where it came from.

use std::{ffi::OsString, fmt, path::PathBuf};

use crate::text;

/// The value of one flag of one command, from outside the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The subcommands that lead to the flag.
    pub path: Vec<String>,
    /// The flag without its dashes.
    pub long: String,
    /// Its values; a boolean is `true` or `false`.
    pub values: Vec<OsString>,
    /// Their source.
    pub origin: ConfigSource,
    /// Is set if there is a value: there may be remarks alone.
    pub is_set: bool,
    /// Remarks that `config show --origin` prints beside the origin.
    pub notes: Vec<String>,
    /// Warnings that a run prints.
    pub warnings: Vec<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            path: Vec::new(),
            long: String::new(),
            values: Vec::new(),
            origin: ConfigSource::Default,
            is_set: true,
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigSource {
    Default,
    Environment(String),
    File {
        path: PathBuf,
        line: usize,
    },
    /// Several places, each with a part of the value.
    Several(Vec<Self>),
}

impl ConfigSource {
    pub(crate) fn is_file(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Several(all) => all.iter().all(Self::is_file),
            Self::Default | Self::Environment(_) => false,
        }
    }
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", text::quote(path)),
            Self::Several(all) => {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}
