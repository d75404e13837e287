//! A command to run, and how it is stopped.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::replay::Replay;

/// A command and how it is stopped.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// The program: a path, or a name that is searched in the child's `PATH`.
    pub program: OsString,
    /// The arguments, handed over as they are: no shell reads them.
    pub args: Vec<OsString>,
    /// The child's working folder; ours when absent.
    pub dir: Option<PathBuf>,
    /// Changes to the environment: a value sets a variable, its absence removes it.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Starts from an empty environment instead of ours.
    pub clear_env: bool,
    /// The stdin of the child.
    pub stdin: StdinPolicy,
    /// The timeout of the child.
    pub timeout: Option<Duration>,
    /// The time without output after which the child is stopped.
    pub silence: Option<Duration>,
    /// The grace period of a stopped group before it is killed.
    pub grace_period: Duration,
    /// The way the child is stopped.
    pub stop: StopPolicy,
    /// The policy for the child when we are killed.
    pub orphan: OrphanPolicy,
    /// Programs that the child may launch instead of being them, by the names of their files: an interrupt
    /// goes to the one that runs in the child's group.
    pub launched: &'static [&'static str],
    /// The `PATH` in which a program that failed to start is searched, to say why it failed.
    pub search_path: Option<OsString>,
}

/// The stdin of a child.
#[derive(Clone, Debug)]
pub enum StdinPolicy {
    /// Nothing: end of input at once.
    Null,
    /// Our own stdin; of a terminal, a child that reads it gets its turn.
    Inherit,
    /// These bytes, then end of input.
    Bytes(Vec<u8>),
    /// An input that every run of the command reads from its beginning.
    Replay(Replay),
}

/// The way a child is stopped after a signal to us or a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopPolicy {
    /// One SIGINT to the child's pid alone, whichever signal came to us; to the program that it launched,
    /// if [`CommandSpec::launched`] knows it. If the child dies of it and its group lives, then what it left
    /// gets the one SIGINT, and is waited for.
    ///
    /// A further INT or TERM from the user sends a second SIGINT, and each one after that SIGKILL.
    /// A further HUP sends nothing: a closing terminal sends it twice. Time alone never escalates.
    InterruptOnce,
    /// SIGTERM to the child's group, and SIGKILL when the grace has passed or a second signal comes.
    TerminateGroup,
}

/// The policy for a child when we die without warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// It runs on, and dies when it writes to a closed pipe.
    Leave,
    /// It gets one SIGINT, and its pipes are read to their end so that it can stop cleanly.
    ///
    /// This takes a `/bin/sh`; where there is none the child is left.
    Interrupt,
}

impl CommandSpec {
    /// Runs `program` without arguments, input or timeout, and stops its group with a grace of 10 s.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            dir: None,
            env: Vec::new(),
            clear_env: false,
            stdin: StdinPolicy::Null,
            timeout: None,
            silence: None,
            grace_period: Duration::from_secs(10),
            stop: StopPolicy::TerminateGroup,
            orphan: OrphanPolicy::Leave,
            launched: &[],
            search_path: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the child.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Some(value.into())));
        self
    }

    /// Removes an environment variable of the child.
    #[must_use]
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.env.push((name.into(), None));
        self
    }
}
