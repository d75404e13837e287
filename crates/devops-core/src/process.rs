//! Child processes: started, drained, signalled and reaped in one place.
//!
//! A child runs in its own process group, so that Ctrl-C on the terminal reaches us alone and we decide
//! what the child gets. Both of its streams are drained at all times, whatever the consumer does:
//! a child that meets a full pipe stops working, and one that meets a closed pipe dies. [`produce()`] alone
//! lets a child wait: what it writes is somebody's input. A child that reads the terminal gets it, as a
//! shell gives it to the job in its foreground.

mod drain;
mod group;
mod heir;
mod init;
mod listen;
mod produce;
mod replay;
mod spool;
mod start;
mod supervise;
mod terminal;

use std::{ffi::OsString, fmt, io, path::PathBuf, time::Duration};

use crate::{
    cancel::{Cancel, Cancelled, signal_name},
    kind::{HasKind, Kind},
    limits::Limit,
};

pub use init::{Work, adopts_orphans};
pub use produce::{Produced, Producer, ProducerError, produce};
pub use replay::Replay;
pub use start::find_program;

/// What to run, and how it is stopped.
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
    /// What the child reads.
    pub stdin: StdinPolicy,
    /// How long the child may run before it is stopped.
    pub timeout: Option<Duration>,
    /// The time without output after which the child is stopped.
    pub silence: Option<Duration>,
    /// How long a stopped group has before it is killed.
    pub grace: Duration,
    /// How the child is stopped.
    pub stop: StopPolicy,
    /// What happens to the child when we are killed.
    pub orphan: OrphanPolicy,
    /// Programs that the child may launch instead of being them, by the names of their files: an interrupt
    /// goes to the one that runs in the child's group.
    pub launched: &'static [&'static str],
    /// The `PATH` in which a program that failed to start is searched, to say why it failed.
    pub search_path: Option<OsString>,
}

/// What a child reads.
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

/// How a child is stopped after a signal to us or a timeout.
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

/// What happens to a child when we die without warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// It runs on, and dies when it writes to a pipe nobody reads.
    Leave,
    /// It gets one SIGINT, and its pipes are read to their end so that it can stop cleanly.
    ///
    /// This takes a `/bin/sh`; where there is none the child is left.
    Interrupt,
}

/// Which stream bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What happens while a child runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The child runs.
    Started {
        /// Its process id, and that of its group.
        pid: u32,
    },
    /// The child wrote a line.
    Line {
        /// The stream it came from.
        stream: Stream,
        /// The line without its newline; lines past 256 KiB come in pieces.
        bytes: Vec<u8>,
    },
    /// The child, or its group, was sent a signal.
    Signalled {
        /// The signal that was sent.
        signal: i32,
        /// What led to it.
        reason: SignalReason,
    },
}

/// Why a child was sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalReason {
    /// This signal came to us.
    Received(i32),
    /// The child ran longer than its timeout.
    Timeout,
    /// The child wrote nothing for too long.
    Silence,
    /// The grace after the first signal has passed.
    GraceOver,
    /// Nobody wants what the child writes any more.
    Unwanted,
    /// The child wants the terminal, which we do not have.
    NoTerminal,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEnd {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was killed by {}", signal_name(*signal)),
        }
    }
}

/// How a child ended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildExit {
    /// Its exit code, or the signal that killed it.
    pub end: ChildEnd,
    /// Is set if it was stopped because of the timeout.
    pub timed_out: bool,
    /// Is set if it was stopped because it wrote nothing for too long.
    pub was_silent: bool,
    /// From start to exit.
    pub duration: Duration,
}

impl ChildExit {
    /// Returns whether the child exited with 0.
    pub fn is_success(&self) -> bool {
        self.end == ChildEnd::Code(0)
    }
}

/// A child's whole output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub exit: ChildExit,
    /// What it wrote to stdout, up to the limit.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, up to the limit.
    pub stderr: Vec<u8>,
    /// Whether a stream was longer than the limit.
    pub truncated: bool,
}

/// Why a child could not be run.
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
        /// What the system said.
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
        /// What the system said.
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
        /// What the system said.
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
            grace: Duration::from_secs(10),
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

/// Runs a command and reports what it does, line by line.
///
/// Lines of one stream keep their order. Slow handling of an event never holds the child up: what is
/// not taken yet waits in memory, and past 4 MiB in an unnamed temporary file. After the child's exit,
/// output that a surviving grandchild still holds open is waited for only briefly.
///
/// Signals arrive through `cancel` and are passed on as the spec's [`StopPolicy`] says; that the work was
/// cancelled is then for the caller to see in `cancel`, for the child's own exit is returned.
pub fn run(
    spec: &CommandSpec,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProcessEvent),
) -> Result<ChildExit, ProcessError> {
    let running = supervise::start(spec, cancel, drain::Sink::lines())?;
    on_event(ProcessEvent::Started { pid: running.pid });
    while let Some(event) = running.output.next_event() {
        on_event(event);
    }
    running.exit(&spec.program)
}

/// Runs a command and hands on what it writes, byte for byte, as it comes; otherwise like [`run`].
pub fn relay(
    spec: &CommandSpec,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(Stream, &[u8]),
) -> Result<ChildExit, ProcessError> {
    let running = supervise::start(spec, cancel, drain::Sink::chunks())?;
    while let Some(event) = running.output.next_event() {
        if let ProcessEvent::Line { stream, bytes } = event {
            on_bytes(stream, &bytes);
        }
    }
    running.exit(&spec.program)
}

/// Runs a command and returns its output, at most `limit` bytes of each stream.
///
/// What comes after the limit is read and dropped, so that the child can finish.
pub fn capture(
    spec: &CommandSpec,
    cancel: &Cancel,
    limit: usize,
) -> Result<Captured, ProcessError> {
    let running = supervise::start(spec, cancel, drain::Sink::capture(limit))?;
    let output = running.output.clone();
    let exit = running.exit(&spec.program)?;
    let (stdout, stderr, truncated) = output.take_captured();
    Ok(Captured { exit, stdout, stderr, truncated })
}
