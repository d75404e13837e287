//! A profile of a tool, as config files have it.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use clap::{Command, FromArgMatches};
use devops_core::kind::Kind;

use crate::{
    arguments,
    failure::Failure,
    layers::{self, Layer, Origin},
    text,
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
}

impl ProfileTable {
    /// Reads the values as the flags of `P`, whose command the tool gave as its profile.
    pub fn read<P: FromArgMatches>(&self) -> Result<P, Failure> {
        let layers: Vec<Layer> =
            self.layers.iter().map(|layer| Layer { path: Vec::new(), ..layer.clone() }).collect();
        let command = layers::apply((self.keys)().no_binary_name(true), &layers);
        let nothing: [&str; 0] = [];
        let failed = |error: clap::Error| {
            arguments::blame(&error, &layers)
                .unwrap_or_else(|| Failure::new(Kind::Configuration, arguments::summary(&error)))
        };
        let matches = command.try_get_matches_from(nothing).map_err(failed)?;
        P::from_arg_matches(&matches).map_err(failed)
    }

    /// Returns the file and line of a key; those of the table where the key is not set.
    pub fn place(&self, key: &str) -> (&Path, usize) {
        let long = key.replace('_', "-");
        let layer = self.layers.iter().find(|layer| layer.long == long);
        match layer.map(|layer| &layer.origin) {
            Some(Origin::File { path, line }) => (path, *line),
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
