//! Runs one command of terraform and judges how it ended.

use std::collections::VecDeque;

use super::{
    TerraformError, TerraformEvent,
    arguments::Arguments,
    lock::LockInfo,
    stack::{PROGRAMS, Stack},
};
use crate::{
    cancel::Cancel,
    process::{self, ChildExit, CommandSpec, OrphanPolicy, ProcessEvent, StopPolicy, Stream},
};

/// How many of the last lines of stderr are kept to find out what an error was about.
const TAIL: usize = 200;

/// More than any plan that terraform can make; what is longer is not read.
const JSON_LIMIT: usize = 2 << 30;

/// A stack at work.
pub(super) struct Work<'a> {
    pub(super) stack: &'a Stack,
    pub(super) cancel: &'a Cancel,
    pub(super) on_event: &'a mut dyn FnMut(TerraformEvent),
}

impl Work<'_> {
    /// Runs a command and passes on what it writes.
    pub(super) fn stream(self, arguments: &Arguments) -> Result<(), TerraformError> {
        let Self { stack, cancel, on_event } = self;
        let line = format!("{} {}", stack.program_name(), arguments.line());
        on_event(TerraformEvent::Command { line });
        let mut tail = VecDeque::new();
        let exit = process::run(&spec(stack, arguments), cancel, &mut |event| match event {
            ProcessEvent::Started { .. } => {}
            ProcessEvent::Line { stream, bytes } => {
                if stream == Stream::Stderr {
                    keep(&mut tail, &bytes);
                }
                on_event(TerraformEvent::Line { stream, bytes });
            }
            ProcessEvent::Signalled { signal, reason } => {
                on_event(TerraformEvent::Signalled { signal, reason });
            }
        })?;
        judge(stack, cancel, arguments, exit, &Vec::from(tail))
    }

    /// Runs a command whose output is for us; only what it says of a failure is passed on.
    pub(super) fn capture(self, arguments: &Arguments) -> Result<Vec<u8>, TerraformError> {
        let Self { stack, cancel, on_event } = self;
        let mut spec = spec(stack, arguments);
        let removed = stack.environment.not_for_helpers();
        spec.env.extend(removed.map(|name| (name.into(), None)));
        let captured = process::capture(&spec, cancel, JSON_LIMIT)?;
        let mut tail = VecDeque::new();
        if !captured.exit.is_success() {
            for line in captured.stderr.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
            {
                keep(&mut tail, line);
                let line = without_color(&String::from_utf8_lossy(line));
                on_event(TerraformEvent::Line { stream: Stream::Stderr, bytes: line.into_bytes() });
            }
        }
        judge(stack, cancel, arguments, captured.exit, &Vec::from(tail))?;
        if captured.truncated {
            let reason = "it is larger than 2 GiB".to_owned();
            return Err(TerraformError::Json { command: short(stack, arguments), reason });
        }
        Ok(captured.stdout)
    }
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
    spec.env.extend(arguments.env.iter().cloned());
    spec.dir = Some(stack.dir.clone());
    spec.timeout = stack.timeout;
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

/// Removes color sequences (`ESC [ … m`), which terraform writes into pipes, too.
pub(super) fn without_color(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    text
}

fn judge(
    stack: &Stack,
    cancel: &Cancel,
    arguments: &Arguments,
    exit: ChildExit,
    stderr: &[String],
) -> Result<(), TerraformError> {
    // A command that finished in spite of a signal has done its work.
    if exit.is_success() {
        return Ok(());
    }
    cancel.check()?;
    let command = short(stack, arguments);
    if let Some(limit) = stack.timeout.filter(|_| exit.timed_out) {
        return Err(TerraformError::TimedOut { command, limit });
    }
    match LockInfo::find(stderr, stack.started) {
        Some(lock) => Err(TerraformError::Locked { lock: Box::new(lock) }),
        None => Err(TerraformError::Failed { command, end: exit.end }),
    }
}

fn short(stack: &Stack, arguments: &Arguments) -> String {
    format!("{} {}", stack.program_name(), arguments.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_colors() {
        assert_eq!(without_color("\u{1b}[31m│\u{1b}[0m \u{1b}[1mError: x\u{1b}[0m"), "│ Error: x");
    }
}
