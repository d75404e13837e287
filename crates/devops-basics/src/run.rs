//! From arguments to a lesson to output, one file a command.

mod ask;
mod calc;
mod cast;
mod command;
mod day;
mod each;
mod exit;
mod facts;
mod hello;
mod providers;
mod range;
mod service;
mod vars;

use std::{
    fmt::Display,
    path::Path,
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{cancel::Cancel, kind::Kind, lessons::LessonError, limits};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use crate::cli::{Cli, Command};

/// How long the second signal leaves for killing what runs.
const LAST_RESPITE: Duration = Duration::from_secs(1);

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    end_with_second_signal(session.cancel());
    match cli.command {
        Command::Hello(args) => hello::run(&args, session),
        Command::Vars(args) => vars::run(&args, session),
        Command::Ask(args) => ask::run(&args, session),
        Command::Cast(args) => cast::run(args, session),
        Command::Day(args) => day::run(args, session),
        Command::Calc(args) => calc::run(args, session),
        Command::Providers(args) => providers::run(&args, session),
        Command::Range(args) => range::run(&args, session),
        Command::Each(args) => each::run(args, session),
        Command::Service(args) => service::run(&args, session),
        Command::Facts(args) => facts::run(&args, session),
        Command::Exit(args) => exit::run(&args, session),
        Command::Run(args) => command::run(&args, session),
    }
}

/// Ends the process soon after a second signal, even while it waits for a reader that does not read.
fn end_with_second_signal(cancel: &Cancel) {
    let n_signals = AtomicUsize::new(0);
    cancel.on_signal(move |signal| {
        if n_signals.fetch_add(1, Ordering::Relaxed) != 1 {
            return;
        }
        // If no thread can be started, the first signal still ends the process.
        let _started = limits::spawn("respite", move || {
            let _waited = Cancel::new().wait(LAST_RESPITE);
            #[allow(clippy::exit, reason = "the main thread may never come back from a write")]
            process::exit(128 + signal);
        });
    });
}

/// Turns a lesson's error into a failure, with the word that was probably meant as a hint.
fn refused(error: LessonError) -> Failure {
    let hint = match &error {
        LessonError::UnknownWord { .. } => {
            error.meant().map(|meant| format!("did you mean '{meant}'?"))
        }
        LessonError::NotWhole(_) => Some("whole numbers look like 8, -7 or 1_000".to_owned()),
        LessonError::NotNumber(_) => Some("numbers look like 8, -0.5 or 1e3".to_owned()),
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Prints the lines of a transcript.
fn print_lines(
    session: &Session,
    lines: impl IntoIterator<Item = impl Display>,
) -> Result<Outcome, Failure> {
    for line in lines {
        session.line(line)?;
    }
    Ok(Outcome::Done)
}

/// Returns the argument, or asks for it; `argument` names it when nobody answers.
fn given_or_asked(
    given: Option<String>,
    session: &Session,
    prompt: &str,
    argument: &str,
) -> Result<String, Failure> {
    match given {
        Some(given) => Ok(given),
        None => session.ask(prompt)?.ok_or_else(|| no_input(&format!("pass {argument}"))),
    }
}

fn no_input(hint: &str) -> Failure {
    Failure::usage("no input: stdin reached end of file").hint(hint)
}

fn missing(what: &str, example: &str) -> Failure {
    Failure::usage(format!("{what} is missing")).hint(format!("for example: {example}"))
}

/// Prints a value as one JSON object with its type.
fn emit(session: &Session, kind: &str, value: &impl Serialize) -> Result<(), Failure> {
    session.emit(&typed(kind, value)?)
}

fn typed(kind: &str, value: &impl Serialize) -> Result<serde_json::Value, Failure> {
    let mut object = serde_json::to_value(value)
        .map_err(|error| Failure::new(Kind::Bug, format!("a result is no JSON: {error}")))?;
    object["type"] = kind.into();
    Ok(object)
}

/// Makes text from outside safe for a terminal.
fn safe(text: &str) -> String {
    quote(Path::new(text))
}

/// Shows a moment as RFC 3339 in UTC, in whole seconds.
fn rfc3339(moment: time::OffsetDateTime) -> String {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    let moment = moment.replace_nanosecond(0).unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}
