//! `run`

use std::{
    ffi::OsStr,
    io::{self, Write},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::Path,
    time::Duration,
};

use devops_cli::{Failure, Outcome, Session, json::insert_path};
use devops_core::{
    clock::Clock,
    fs::{IoResultExt, Output},
    kind::Kind,
    lessons::run::{self, Attempt, RetryPolicy, RunEvent, Transcript},
    process::{CommandSpec, ProcessError, Replay, StdStream, StdinPolicy},
    units::format_duration,
};
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use super::input::missing;
use crate::{
    cli::RunArgs,
    run::output::{rfc3339, safe},
};

/// How much of each stream a report keeps.
const REPORT_BYTES: usize = 10 << 20;

pub(super) fn run(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        return transcript(args, session);
    }
    let spec = spec(args)?;
    // A report that cannot be written is known before the command has run.
    let capture = args.capture.as_deref().map(Output::open).transpose()?;
    let retry = RetryPolicy { n_retries: args.retries, backoff: args.backoff };
    let started = session.clock().now();
    let mut kept = Kept::default();
    let wants_report = session.json() || args.capture.is_some();
    let mut printed = Ok(());
    let attempts = run::run(&spec, retry, session.cancel(), &mut |event| match event {
        RunEvent::Output(stream, bytes) => {
            if wants_report {
                kept.add(stream, bytes);
            }
            // A stdout that fails is reported at the end: the command's work comes first.
            if !session.json() && printed.is_ok() {
                printed = hand_on(stream, bytes, session);
            }
        }
        RunEvent::Retry(attempt, wait) => {
            kept = Kept::default();
            session.status(retry_line(attempt, wait));
        }
    })
    .map_err(explain)?;
    let last = attempts.last().expect("there is at least one attempt").clone();
    if wants_report {
        let report = report(&spec, rfc3339(started), &attempts, &kept);
        deliver(&report, capture, session)?;
    }
    finish(&last, printed, &spec)
}

/// Says what may help where a script does not name its interpreter, which env(1) and shells put up with.
fn explain(error: ProcessError) -> Failure {
    let hint = match &error {
        ProcessError::NotExecutable { program, source }
            if source.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) =>
        {
            let program = safe(&program.to_string_lossy());
            Some(format!("a script needs a first line such as `#!/bin/sh`; or run `sh {program}`"))
        }
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn finish(
    last: &Attempt,
    printed: Result<(), Failure>,
    spec: &CommandSpec,
) -> Result<Outcome, Failure> {
    match last.exit {
        _ if last.timed_out => {
            let limit = format_duration(spec.timeout.unwrap_or_default());
            let program = safe(&spec.program.to_string_lossy());
            let message = format!("command `{program}` took longer than {limit}");
            Err(Failure::new(Kind::TimedOut, message))
        }
        0 => printed.map(|()| Outcome::Done),
        code => Ok(Outcome::Code(code)),
    }
}

fn spec(args: &RunArgs) -> Result<CommandSpec, Failure> {
    let mut words = args.command.iter();
    let Some(program) = words.next() else {
        return Err(missing("the command", "devops-basics run -- ls -l"));
    };
    let mut spec = CommandSpec::new(program).args(words);
    spec.dir.clone_from(&args.cwd);
    spec.timeout = args.timeout.filter(|timeout| !timeout.is_zero());
    spec.grace_period = args.kill_after;
    spec.search_path = std::env::var_os("PATH");
    spec.stdin = match args.retries {
        0 => StdinPolicy::Inherit,
        // The next attempt reads the same again.
        _ => StdinPolicy::Replay(replay()?),
    };
    for pair in &args.env {
        let bytes = pair.as_bytes();
        let at = bytes.iter().position(|&byte| byte == b'=').filter(|&at| at > 0);
        let at = at.ok_or_else(|| {
            let shown = safe(&pair.to_string_lossy());
            Failure::usage(format!("'{shown}' is not a variable such as NAME=VALUE"))
        })?;
        let (name, value) = (OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..]));
        if name == "PATH" {
            spec.search_path = Some(value.to_owned());
        }
        spec = spec.env(name, value);
    }
    Ok(spec)
}

fn replay() -> Result<Replay, Failure> {
    let stdin = io::stdin().as_fd().try_clone_to_owned().and_then(Replay::new);
    Ok(stdin.at("standard input", "read")?)
}

fn hand_on(stream: StdStream, bytes: &[u8], session: &Session) -> Result<(), Failure> {
    match stream {
        StdStream::Stdout => {
            session.write(bytes)?;
            session.flush()
        }
        StdStream::Stderr => {
            // A closed stderr changes nothing.
            let _written = io::stderr().lock().write_all(bytes);
            Ok(())
        }
    }
}

fn retry_line(attempt: &Attempt, wait: Duration) -> String {
    let what = if attempt.timed_out { "timed out" } else { "failed" };
    format!("{what} (exit {}); trying again in {}", attempt.exit, format_duration(wait))
}

/// What a report keeps of the last attempt's output.
#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
}

impl Kept {
    fn add(&mut self, stream: StdStream, bytes: &[u8]) {
        let kept = match stream {
            StdStream::Stdout => &mut self.stdout,
            StdStream::Stderr => &mut self.stderr,
        };
        let room = REPORT_BYTES - kept.len();
        self.truncated |= bytes.len() > room;
        kept.extend(&bytes[..bytes.len().min(room)]);
    }
}

fn report(spec: &CommandSpec, started: String, attempts: &[Attempt], kept: &Kept) -> Value {
    let words = std::iter::once(&spec.program).chain(&spec.args);
    let argv: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let last = attempts.last().expect("there is at least one attempt");
    let mut report = Map::new();
    report.insert("type".to_owned(), "run".into());
    report.insert("argv".to_owned(), json!(argv));
    if let Some(dir) = &spec.dir {
        insert_path(&mut report, "cwd", dir);
    }
    report.insert("started".to_owned(), started.into());
    report.insert("seconds".to_owned(), json!(last.seconds));
    report.insert("attempts".to_owned(), json!(attempts));
    report.insert("exit".to_owned(), last.exit.into());
    report.insert("signal".to_owned(), last.signal.into());
    report.insert("timed_out".to_owned(), last.timed_out.into());
    // Output that is not UTF-8 comes with its exact bytes, as paths do.
    insert_path(&mut report, "stdout", Path::new(OsStr::from_bytes(&kept.stdout)));
    insert_path(&mut report, "stderr", Path::new(OsStr::from_bytes(&kept.stderr)));
    report.insert("truncated".to_owned(), kept.truncated.into());
    Value::Object(report)
}

fn deliver(report: &Value, output: Option<Output>, session: &Session) -> Result<(), Failure> {
    if let Some(mut output) = output {
        writeln!(output, "{report}").at("the report", "write")?;
        // Output may hold what is nobody else's business.
        output.commit(0o600)?;
    }
    if session.json() { session.emit(report) } else { Ok(()) }
}

/// Runs the two commands of the notes, or the one that is given.
fn transcript(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    let run = |command: &str| -> Result<Transcript, Failure> {
        Ok(run::transcript(command, std::env::var_os("PATH"), session.cancel())?)
    };
    if args.command.is_empty() {
        session.write(run("ls -l")?.text("Output").as_bytes())?;
        session.write(run("git status")?.text("Error Output").as_bytes())?;
        return Ok(Outcome::Done);
    }
    let words: Vec<_> = args.command.iter().map(|word| word.to_string_lossy()).collect();
    let command = words.join(" ");
    if command.trim().is_empty() {
        return Err(missing("the command", "devops-basics run --notes -- ls -l"));
    }
    let transcript = run(&command)?;
    let label = if transcript.exit == 0 { "Output" } else { "Error Output" };
    session.write(transcript.text(label).as_bytes())?;
    Ok(if transcript.exit == 0 { Outcome::Done } else { Outcome::Code(transcript.exit) })
}
