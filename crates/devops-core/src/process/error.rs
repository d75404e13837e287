//! Errors of starting and supervising a child.

use std::{ffi::OsString, io, path::PathBuf};

use crate::{
    cancel::Cancelled,
    kind::{HasKind, Kind},
    limits::Limit,
};

/// An error of running a child.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No such program.
    #[error("command `{}` was not found", .program.display())]
    NotFound {
        /// The program as given.
        program: OsString,
    },
    /// The program exists, and the system refuses to execute it.
    #[error("command `{}` cannot be executed", .program.display())]
    NotExecutable {
        /// The program as given.
        program: OsString,
        /// The system's message.
        source: io::Error,
    },
    /// The program is a script, and what should read it does not exist.
    #[error("command `{}` cannot be executed: its interpreter `{interpreter}` was not found", .program.display())]
    InterpreterMissing {
        /// The program as given.
        program: OsString,
        /// The interpreter its first line names.
        interpreter: String,
    },
    /// The working folder does not exist or cannot be entered.
    #[error("cannot run `{}` in `{}`", .program.display(), .dir.display())]
    Dir {
        /// The program as given.
        program: OsString,
        /// The working folder.
        dir: PathBuf,
        /// The system's message.
        source: io::Error,
    },
    /// The program or an argument holds a NUL byte.
    #[error("the command line of `{}` holds a NUL byte", .program.display())]
    NulByte {
        /// The program as given.
        program: OsString,
    },
    /// The system has no room for one more process, thread or pipe.
    #[error("command `{}` could not be supervised", .program.display())]
    NotSupervised {
        /// The program as given.
        program: OsString,
        /// The system's message.
        source: io::Error,
    },
    /// The command wanted the terminal, which we did not have, and was stopped.
    #[error(
        "command `{}` wants the terminal, which it cannot have in the background: run it in the foreground, or \
         so that it asks nothing (as `ssh -o BatchMode=yes` and `sudo -n` do)",
        .program.display()
    )]
    NoTerminal {
        /// The program as given.
        program: OsString,
    },
    /// The work was cancelled before the child was started.
    #[error(transparent)]
    Interrupted(#[from] Cancelled),
}

impl HasKind for ProcessError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::CommandNotFound,
            Self::NotExecutable { .. } | Self::InterpreterMissing { .. } => Kind::NotExecutable,
            Self::Dir { source, .. } => Kind::of_io(source),
            Self::NulByte { .. } => Kind::Usage,
            Self::NotSupervised { source, .. } => match Limit::of(source) {
                Some(_) => Kind::Temporary,
                None => Kind::NotSupervised,
            },
            Self::NoTerminal { .. } => Kind::NotSupervised,
            Self::Interrupted(cancelled) => cancelled.kind(),
        }
    }
}
