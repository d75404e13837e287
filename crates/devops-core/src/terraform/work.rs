//! Runs one command of terraform and judges how it ended.

use std::{collections::VecDeque, time::Instant};

use serde_json::Value;

use super::{
    TerraformError, TerraformEvent,
    color::without_color,
    command_line::Arguments,
    events::{Piece, Reader, error_lines, structure},
    lock::StateLock,
    retry::is_transient,
    stack::{PROGRAMS, Stack},
    watch::Watch,
};
use crate::{
    cancel::Cancel,
    process::{
        self, Captured, ChildExit, CommandSpec, OrphanPolicy, ProcessEvent, StdStream, StopPolicy,
    },
};

/// The number of the last lines of errors that are kept to classify them.
const TAIL: usize = 200;

/// More than any plan that terraform can make; what is longer is not read.
const JSON_LIMIT: usize = 2 << 30;

/// The commands that a person asked for, and for which the environment may hold arguments.
const TAKES_ARGUMENTS: [&str; 4] = ["init", "plan", "apply", "test"];

/// Terraform's message about an unknown argument.
const UNKNOWN_FLAG: &str = "flag provided but not defined: -json";

/// The time at which the pieces of a stream are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Showing {
    /// As they come.
    AtOnce,
    /// From the first event on; what came before it may be about a flag that is not known.
    FromFirstEvent,
    /// Once all secrets are known; until then only the addresses that are read.
    Later,
}

/// A command at work, and what it said that is not shown yet.
pub(super) struct TerraformCommand<'a> {
    stack: &'a Stack,
    showing: Showing,
    held: Vec<(StdStream, Piece)>,
    reader: Reader,
    tail: VecDeque<String>,
}

impl<'a> TerraformCommand<'a> {
    pub(super) fn new(stack: &'a Stack, showing: Showing) -> Self {
        Self { stack, showing, held: Vec::new(), reader: Reader::default(), tail: VecDeque::new() }
    }

    /// Runs a command and passes on what it writes.
    pub(super) fn run(
        &mut self,
        arguments: &Arguments,
        watch: &mut Watch<'_>,
    ) -> Result<(), TerraformError> {
        let line = format!("{} {}", self.stack.program_name(), arguments.line());
        (watch.on_event)(TerraformEvent::Command { line });
        let (spec, cancel) = (spec(self.stack, arguments), watch.cancel);
        let exit = process::run(&spec, cancel, &mut |event| match event {
            ProcessEvent::Started { .. } => {}
            ProcessEvent::Line { stream, bytes } => self.take(stream, bytes, watch),
            ProcessEvent::Signalled { signal, reason } => {
                (watch.on_event)(TerraformEvent::Signalled { signal, reason });
            }
        })?;
        if let Some(rest) = self.reader.finish() {
            self.take_piece(StdStream::Stdout, rest, watch);
        }
        judge(self.stack, watch.cancel, arguments, exit, &self.tail)
    }

    /// Shows what was held.
    pub(super) fn show_held(&mut self, watch: &mut Watch<'_>) {
        for (stream, piece) in self.held.drain(..) {
            watch.show(stream, piece);
        }
    }

    /// Returns whether terraform does not know the flag for its JSON stream.
    pub(super) fn lacks_json(&self) -> bool {
        self.tail.iter().any(|line| line.contains(UNKNOWN_FLAG))
    }

    fn take(&mut self, stream: StdStream, bytes: Vec<u8>, watch: &mut Watch<'_>) {
        if stream == StdStream::Stderr {
            keep(&mut self.tail, &bytes);
            self.take_piece(stream, Piece::Line(bytes), watch);
            return;
        }
        for piece in self.reader.push(bytes) {
            if let Piece::Event(event) = &piece {
                for line in error_lines(event) {
                    keep(&mut self.tail, line.as_bytes());
                }
            }
            self.take_piece(stream, piece, watch);
        }
    }

    fn take_piece(&mut self, stream: StdStream, piece: Piece, watch: &mut Watch<'_>) {
        match (self.showing, &piece) {
            (Showing::AtOnce, _) => watch.show(stream, piece),
            (Showing::FromFirstEvent, Piece::Event(_)) => {
                self.showing = Showing::AtOnce;
                self.show_held(watch);
                watch.show(stream, piece);
            }
            (Showing::Later, Piece::Event(event)) if structure(event).is_some() => {
                let shown = structure(event).unwrap_or(Value::Null);
                watch.show(stream, Piece::Event(shown));
            }
            _ => self.held.push((stream, piece)),
        }
    }
}

/// Runs a command whose output is for us; only what it says of a failure is passed on.
pub(super) fn capture(
    stack: &Stack,
    arguments: &Arguments,
    watch: &mut Watch<'_>,
) -> Result<Vec<u8>, TerraformError> {
    let captured = capture_any(stack, arguments, watch)?;
    accept(stack, arguments, watch, captured)
}

/// Runs a command whose output is for us, and whose exit code may be an answer.
pub(super) fn capture_any(
    stack: &Stack,
    arguments: &Arguments,
    watch: &Watch<'_>,
) -> Result<Captured, TerraformError> {
    Ok(process::capture(&spec(stack, arguments), watch.cancel, JSON_LIMIT)?)
}

/// Returns what a command wrote if it succeeded; what it says of a failure is passed on.
pub(super) fn accept(
    stack: &Stack,
    arguments: &Arguments,
    watch: &mut Watch<'_>,
    captured: Captured,
) -> Result<Vec<u8>, TerraformError> {
    let mut tail = VecDeque::new();
    if !captured.exit.is_success() {
        for line in captured.stderr.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            keep(&mut tail, line);
            let line = without_color(&String::from_utf8_lossy(line));
            watch.show(StdStream::Stderr, Piece::Line(line.into_bytes()));
        }
    }
    judge(stack, watch.cancel, arguments, captured.exit, &tail)?;
    if captured.truncated {
        let reason = "it is larger than 2 GiB".to_owned();
        return Err(TerraformError::Json { command: short(stack, arguments), reason });
    }
    Ok(captured.stdout)
}

fn spec(stack: &Stack, arguments: &Arguments) -> CommandSpec {
    let mut spec = CommandSpec::new(&stack.program)
        .args(&arguments.args)
        .env("TF_IN_AUTOMATION", "1")
        .env("TF_INPUT", "0")
        // Terraform would ask a server of its maker for news.
        .env("CHECKPOINT_DISABLE", "1");
    if let Some(workspace) = &stack.workspace {
        spec = spec.env("TF_WORKSPACE", workspace);
    }
    if !TAKES_ARGUMENTS.contains(&arguments.command) {
        let removed = stack.environment.not_for_helpers();
        spec.env.extend(removed.map(|name| (name.into(), None)));
    }
    spec.env.extend(arguments.env.iter().cloned());
    spec.dir = Some(stack.dir.clone());
    let left = stack.deadline.map(|end| end.saturating_duration_since(Instant::now()));
    spec.timeout = [stack.timeout, left].into_iter().flatten().min();
    spec.silence = stack.silence;
    spec.stop = StopPolicy::InterruptOnce;
    spec.orphan = OrphanPolicy::Interrupt;
    spec.launched = &PROGRAMS;
    spec.search_path = stack.environment.get("PATH").map(ToOwned::to_owned);
    spec
}

fn keep(tail: &mut VecDeque<String>, line: &[u8]) {
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(without_color(&String::from_utf8_lossy(line)));
}

fn judge(
    stack: &Stack,
    cancel: &Cancel,
    arguments: &Arguments,
    exit: ChildExit,
    tail: &VecDeque<String>,
) -> Result<(), TerraformError> {
    // A command that finished in spite of a signal has done its work.
    if exit.is_success() {
        return Ok(());
    }
    cancel.check()?;
    let command = short(stack, arguments);
    if exit.timed_out {
        let limit = stack.timeout.filter(|limit| *limit <= exit.duration);
        let limit = limit.unwrap_or(exit.duration);
        return Err(TerraformError::TimedOut { command, limit, was_silent: false });
    }
    if let Some(limit) = stack.silence.filter(|_| exit.was_silent) {
        return Err(TerraformError::TimedOut { command, limit, was_silent: true });
    }
    if let Some(lock) = StateLock::find(&Vec::from(tail.clone()), stack.started) {
        return Err(TerraformError::Locked { lock: Box::new(lock) });
    }
    let is_transient = is_transient(tail);
    Err(TerraformError::Failed { command, end: exit.status, is_transient })
}

fn short(stack: &Stack, arguments: &Arguments) -> String {
    format!("{} {}", stack.program_name(), arguments.command)
}
