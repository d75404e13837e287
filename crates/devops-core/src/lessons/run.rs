//! Running a command: with a timeout, retries and a report, or as the notes' `run_command` does it.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    cancel::{Cancel, Cancelled},
    process::{self, ChildExit, ChildStatus, CommandSpec, ProcessError, StdStream, StdinPolicy},
};

/// How long the wait before another attempt may grow.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How much of each stream the transcript shows.
const TRANSCRIPT_BYTES: usize = 10 << 20;

/// How often a command that fails is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further attempts after the first.
    pub n_retries: u32,
    /// The wait before the second attempt; it doubles with each further one, up to a minute.
    pub backoff: Duration,
}

/// One attempt to run the command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// The exit code as a shell shows it; 124 when the attempt took too long.
    pub exit: u8,
    /// The signal that killed the command.
    pub signal: Option<i32>,
    /// Is set if it was stopped because it took too long.
    pub timed_out: bool,
    /// The time it ran.
    pub seconds: f64,
}

/// An event while a command runs.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// The command wrote these bytes.
    Output(StdStream, &'a [u8]),
    /// An attempt failed, and the next one starts after this wait.
    Retry(&'a Attempt, Duration),
}

/// Runs a command until it succeeds or its attempts are used up, and returns them all.
///
/// A command that cannot be started is not tried again, and none after a signal to us: one that answers it by
/// ending itself has ended as it says.
pub fn run(
    spec: &CommandSpec,
    retry: RetryPolicy,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(RunEvent<'_>),
) -> Result<Vec<Attempt>, ProcessError> {
    let mut attempts = Vec::new();
    let mut wait = retry.backoff.min(LONGEST_WAIT);
    loop {
        let started = Instant::now();
        let exit = process::relay(spec, cancel, &mut |stream, bytes| {
            on_event(RunEvent::Output(stream, bytes));
        })?;
        check_end(&exit, cancel)?;
        let attempt = Attempt::of(&exit, started.elapsed());
        let n_tried = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        if attempt.exit == 0 || n_tried >= retry.n_retries || cancel.is_cancelled() {
            attempts.push(attempt);
            return Ok(attempts);
        }
        on_event(RunEvent::Retry(&attempt, wait));
        attempts.push(attempt);
        cancel.wait(wait)?;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Fails where a signal ended the command after one had come to us.
fn check_end(exit: &ChildExit, cancel: &Cancel) -> Result<(), Cancelled> {
    match exit.status {
        ChildStatus::Code(_) => Ok(()),
        ChildStatus::Signal(_) => cancel.check(),
    }
}

impl Attempt {
    fn of(exit: &ChildExit, elapsed: Duration) -> Self {
        let signal = match exit.status {
            ChildStatus::Code(_) => None,
            ChildStatus::Signal(signal) => Some(signal),
        };
        let (timed_out, seconds) = (exit.timed_out, elapsed.as_secs_f64());
        Self { exit: exit_code(exit), signal, timed_out, seconds }
    }
}

/// Returns the exit code a shell shows for this end; 124 when the child took too long, as GNU timeout does.
pub fn exit_code(exit: &ChildExit) -> u8 {
    let code = match exit.status {
        _ if exit.timed_out => 124,
        ChildStatus::Code(code) => code & 0xff,
        ChildStatus::Signal(signal) => 128 + signal,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// What `run_command` of the notes prints and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The lines it prints, each with its line break.
    pub printed: String,
    /// What it returns: the output of the command, unless there was no such command.
    pub output: Option<String>,
    /// The exit code as a shell shows it.
    pub exit: u8,
}

impl Transcript {
    /// Returns all that is printed when the caller shows the output under `label`, if there is any.
    pub fn text(&self, label: &str) -> String {
        match self.output.as_deref() {
            None | Some("") => self.printed.clone(),
            Some(output) => format!("{}{label}:\n {output}\n", self.printed),
        }
    }
}

/// Runs `command`, split at white space as the notes do it; `search_path` is our `PATH`.
pub fn transcript(
    command: &str,
    search_path: Option<OsString>,
    cancel: &Cancel,
) -> Result<Transcript, ProcessError> {
    let header = format!("--- Running command: '{command}' ---\n");
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut spec = CommandSpec::new(program).args(words);
    spec.stdin = StdinPolicy::Inherit;
    spec.search_path = search_path;
    let captured = match process::capture(&spec, cancel, TRANSCRIPT_BYTES) {
        Err(ProcessError::NotFound { .. }) => {
            let printed = format!("{header}--- Command not found: {program} ---\n");
            return Ok(Transcript { printed, output: None, exit: 127 });
        }
        captured => captured?,
    };
    check_end(&captured.exit, cancel)?;
    let exit = exit_code(&captured.exit);
    let (verdict, output) = if exit == 0 {
        ("successful".to_owned(), captured.stdout)
    } else {
        // Python shows a signal as its negative number.
        let code = match captured.exit.status {
            ChildStatus::Code(code) => code,
            ChildStatus::Signal(signal) => -signal,
        };
        (format!("failed with return code {code}"), captured.stderr)
    };
    let printed = format!("{header}--- Command {verdict} ---\n");
    // Python's text mode reads every kind of line break as `\n`.
    let output = String::from_utf8_lossy(&output).replace("\r\n", "\n").replace('\r', "\n");
    Ok(Transcript { printed, output: Some(output), exit })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: RetryPolicy = RetryPolicy { n_retries: 0, backoff: Duration::ZERO };

    fn shell(script: &str) -> CommandSpec {
        CommandSpec::new("/bin/sh").args(["-c", script])
    }

    fn run_once(spec: &CommandSpec) -> (Attempt, Vec<u8>) {
        let mut out = Vec::new();
        let attempts = run(spec, ONCE, &Cancel::new(), &mut |event| {
            if let RunEvent::Output(StdStream::Stdout, bytes) = event {
                out.extend(bytes);
            }
        });
        (attempts.unwrap().remove(0), out)
    }

    #[test]
    fn passes_on_every_byte_and_the_exit_code() {
        let (attempt, out) = run_once(&shell("printf 'a\\nb\\0\\377'; exit 7"));

        assert_eq!(out, b"a\nb\0\xff");
        assert_eq!((attempt.exit, attempt.signal, attempt.timed_out), (7, None, false));
    }

    #[test]
    fn a_signal_and_a_timeout_have_the_codes_of_the_shell_and_of_timeout() {
        let mut slow = shell("exec sleep 600");
        slow.timeout = Some(Duration::from_millis(50));

        assert_eq!(run_once(&shell("kill -9 $$")).0.exit, 137);
        let (attempt, _) = run_once(&slow);
        assert_eq!((attempt.exit, attempt.timed_out), (124, true));
    }

    #[test]
    fn tries_again_until_it_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = shell("echo x >> tries; test $(wc -l < tries) -ge 3");
        spec.dir = Some(dir.path().to_owned());
        let retry = RetryPolicy { n_retries: 5, backoff: Duration::from_millis(1) };
        let mut waits = Vec::new();

        let attempts = run(&spec, retry, &Cancel::new(), &mut |event| {
            if let RunEvent::Retry(_, wait) = event {
                waits.push(wait.as_millis());
            }
        });

        let codes: Vec<u8> = attempts.unwrap().iter().map(|attempt| attempt.exit).collect();
        assert_eq!(codes, [1, 1, 0]);
        assert_eq!(waits, [1, 2]);
    }

    #[test]
    fn a_missing_command_is_not_tried_again() {
        let retry = RetryPolicy { n_retries: 5, backoff: Duration::from_hours(1) };

        let error = run(&CommandSpec::new("no-such-cmd"), retry, &Cancel::new(), &mut |_| {});

        assert!(matches!(error, Err(ProcessError::NotFound { .. })));
    }

    #[test]
    fn a_signal_ends_the_wait_for_the_next_attempt() {
        let cancel = Cancel::new();
        let retry = RetryPolicy { n_retries: 5, backoff: Duration::from_hours(1) };

        let error = run(&shell("exit 1"), retry, &cancel, &mut |event| {
            if let RunEvent::Retry(..) = event {
                cancel.cancel(15);
            }
        });

        assert!(matches!(error, Err(ProcessError::Interrupted(_))));
    }

    #[test]
    fn the_transcript_tells_success_failure_and_a_missing_command_apart() {
        let text = |command| transcript(command, None, &Cancel::new()).unwrap().text("Output");

        assert_eq!(
            text("echo a  b"),
            "--- Running command: 'echo a  b' ---\n--- Command successful ---\nOutput:\n a b\n\n"
        );
        assert_eq!(
            text("false"),
            "--- Running command: 'false' ---\n--- Command failed with return code 1 ---\n"
        );
        assert_eq!(
            text("no-such-cmd -x"),
            "--- Running command: 'no-such-cmd -x' ---\n--- Command not found: no-such-cmd ---\n"
        );
    }
}
