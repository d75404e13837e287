//! The commands of a tool that a command line may run.

use std::{ffi::OsString, iter};

use clap::Command;

/// The commands that are decorated. Of the others only name, summary and own flags are seen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach<'a> {
    /// Every command, for completion scripts.
    All,
    /// The commands that these words name: a usage error suggests flags of no others either.
    Words(&'a [OsString]),
}

impl Reach<'_> {
    /// Returns whether a command is decorated. A word that names a command by chance costs time alone.
    pub(super) fn covers(self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Words(words) => {
                let mut names = iter::once(command.get_name()).chain(command.get_all_aliases());
                names.any(|name| words.iter().any(|word| word == name))
            }
        }
    }
}
