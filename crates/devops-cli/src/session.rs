//! One run of a tool: where its results and messages go, its clock and its cancellation.

use std::{
    fmt::Display,
    fs::{File, Metadata},
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    os::fd::AsFd,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use devops_core::{
    cancel::Cancel,
    clock::SystemClock,
    fs::{Input, IoResultExt, PathError},
    kind::Kind,
    secret::Secret,
    terminal,
};
use serde::Serialize;
use time::UtcOffset;

use crate::{
    arguments::is_wanted,
    failure::Failure,
    json, line,
    live::Live,
    owners,
    profile::ProfileTable,
    progress::{Progress, ProgressPolicy},
    settings::Settings,
    stderr::{stderr_line, suspend_progress},
    stdout::stdout_failure,
    text,
};

/// One run of a tool.
pub struct Session {
    settings: Settings,
    cancel: Cancel,
    clock: SystemClock,
    stdout: Mutex<Output>,
}

struct Output {
    writer: BufWriter<Stdout>,
    closed: bool,
}

impl Session {
    pub(crate) fn new(settings: Settings, cancel: Cancel, offset: UtcOffset) -> Self {
        let writer = BufWriter::with_capacity(1 << 16, io::stdout());
        let stdout = Mutex::new(Output { writer, closed: false });
        Self { settings, cancel, clock: SystemClock::new(offset), stdout }
    }

    /// Returns the flag that signals set.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Returns the host's clock at its local offset.
    pub fn clock(&self) -> SystemClock {
        self.clock
    }

    /// Returns whether results are wanted as JSON.
    pub fn json(&self) -> bool {
        self.settings.json
    }

    /// Returns whether only errors are wanted.
    pub fn quiet(&self) -> bool {
        self.settings.quiet
    }

    /// Returns whether a flag stands on the command line itself, rather than in the environment or a file.
    pub fn is_given(&self, long: &str) -> bool {
        self.settings.given.iter().any(|given| given == long)
    }

    /// Returns the profiles of the config files, in the order they stand there.
    pub fn profiles(&self) -> &[ProfileTable] {
        &self.settings.profiles
    }

    /// Warns of settings that do not count, and of rules that this run loosens.
    pub(crate) fn warn_of_config(&self) {
        for warning in &self.settings.warnings {
            self.warn(warning);
        }
    }

    /// Prints one line of results on stdout, at once; on a terminal without what would steer it.
    ///
    /// A pipe that nobody reads any more is remembered and not an error: the work decides the outcome.
    pub fn line(&self, line: impl Display) -> Result<(), Failure> {
        let mut line = line.to_string();
        if self.stdout_is_terminal() {
            line = terminal::lines(&line);
        }
        suspend_progress(|| {
            self.print(|output| {
                writeln!(output, "{line}")?;
                output.flush()
            })
        })
    }

    /// Writes bytes of results to stdout, buffered until the end or the next line.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.print(|output| output.write_all(bytes))
    }

    /// Prints one JSON object as a line on stdout.
    pub fn emit(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = json::line(object).map_err(|error| {
            Failure::new(Kind::Bug, format!("a result cannot be shown as JSON: {error}"))
        })?;
        self.line(text)
    }

    /// Prints one JSON object as a line on stderr, where stdout has the bytes it tells of.
    #[allow(clippy::unused_self, reason = "asked of the run, as the other streams are")]
    pub fn emit_to_stderr(&self, object: &impl Serialize) {
        if let Ok(text) = json::line(object) {
            // The bytes are on their way; a summary nobody can read does not change that.
            stderr_line(&text);
        }
    }

    /// Returns stdout as a file for bytes that nobody buffers or splits into lines.
    #[allow(clippy::unused_self, reason = "asked of the run, as the other streams are")]
    pub fn stdout_file(&self) -> Result<File, Failure> {
        let fd = io::stdout().as_fd().try_clone_to_owned().at("standard output", "open")?;
        Ok(File::from(fd))
    }

    /// Returns whether the reader of stdout has gone, so that a tool that only prints may stop.
    pub fn stdout_closed(&self) -> bool {
        self.output().closed
    }

    /// Tells the person what is being done, on stderr; silent with `-q` and `--json`.
    pub fn status(&self, message: impl Display) {
        if !self.settings.quiet && !self.settings.json {
            stderr_line(&message.to_string());
        }
    }

    /// Prints a line on stderr that a program wrote for people, without what would steer a terminal.
    #[allow(clippy::unused_self, reason = "a message belongs to the run, wherever it goes")]
    pub fn beside(&self, line: impl Display) {
        stderr_line(&line.to_string());
    }

    /// Writes to stderr what a program that was started for this run wrote there.
    ///
    /// A function of its own, for the thread that listens to the program; a closed stderr changes nothing.
    pub fn write_stderr(bytes: &[u8]) {
        suspend_progress(|| {
            let _written = io::stderr().lock().write_all(bytes);
        });
    }

    /// Warns on stderr, in the log format chosen.
    #[allow(clippy::unused_self, reason = "a message belongs to the run, though logging is global")]
    pub fn warn(&self, message: impl Display) {
        tracing::warn!("{message}");
    }

    /// Warns of a file with a secret that others than its owner can read.
    pub fn warn_of_readers(&self, path: &Path, file: &Metadata) {
        if let Some(readers) = owners::other_reader(file) {
            self.warn(format!("{readers} can read {}", text::quote(path)));
        }
    }

    /// Reads a text that is secret, and warns when others than its owner can read it.
    pub fn read_secret(&self, path: &Path, limit: u64) -> Result<Secret, PathError> {
        let input = Input::open(path, &self.cancel)?;
        self.warn_of_readers(path, &input.metadata().at(path, "read")?);
        Ok(Secret::new(input.read_text(path, limit)?))
    }

    /// Starts to show progress in bytes.
    pub fn progress(&self, label: &str, total: Option<u64>) -> Progress {
        Progress::new(label, total, self.progress_policy())
    }

    /// Starts to show one line about work as it goes on; `text` is asked for it now and then.
    pub fn live(&self, text: impl Fn() -> Option<String> + Send + 'static) -> Live {
        Live::start(self.progress_policy(), text)
    }

    /// Returns whether progress moves on a terminal, where lines of the past would only be in the way.
    pub fn progress_moves(&self) -> bool {
        self.progress_policy() == ProgressPolicy::Bar
    }

    fn progress_policy(&self) -> ProgressPolicy {
        let hidden = self.settings.json || self.settings.quiet || self.settings.no_progress;
        match (hidden, self.stderr_is_terminal() && !self.settings.ci) {
            (true, _) => ProgressPolicy::Hidden,
            (false, true) => ProgressPolicy::Bar,
            (false, false) => ProgressPolicy::Lines,
        }
    }

    /// Asks on stderr and returns one line of stdin without its end, or nothing at the end of input.
    ///
    /// Leaves the rest of stdin unread. Fails when a signal comes instead of an answer.
    pub fn ask(&self, prompt: &str) -> Result<Option<String>, Failure> {
        suspend_progress(|| {
            let mut stderr = io::stderr().lock();
            let _shown = write!(stderr, "{prompt}").and_then(|()| stderr.flush());
        });
        let answer = line::read(&self.cancel);
        if !matches!(answer, Ok(Some(_))) || !self.stdin_is_terminal() {
            // No line break was typed: what comes next would stand behind the question.
            stderr_line("");
        }
        answer
    }

    /// Returns whether a person can answer.
    #[allow(clippy::unused_self, reason = "asked of the run, as the other streams are")]
    pub fn stdin_is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Returns whether a person sees the results.
    #[allow(clippy::unused_self, reason = "asked of the run, as the other streams are")]
    pub fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Returns whether a person sees the messages.
    #[allow(clippy::unused_self, reason = "asked of the run, as the other streams are")]
    pub fn stderr_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Returns whether results may be colored.
    pub fn color(&self) -> bool {
        is_wanted(self.settings.color, self.stdout_is_terminal())
    }

    /// Writes what is buffered, for output that has to be seen as it comes.
    pub fn flush(&self) -> Result<(), Failure> {
        self.print(BufWriter::flush)
    }

    fn print(
        &self,
        write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut output = self.output();
        if output.closed {
            return Ok(());
        }
        match write(&mut output.writer) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                output.closed = true;
                Ok(())
            }
            Err(error) => Err(stdout_failure(&error)),
            Ok(()) => Ok(()),
        }
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
