//! A tool from its first line to its last: parse, log, install cancellation, run, finish.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::{Command, Parser};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use time::UtcOffset;

use crate::{
    arguments::{self, Parsed},
    exit,
    failure::{Failure, Outcome},
    logging, memory, report,
    session::Session,
    signals,
    trust::Decision,
};

/// What is special about one tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The name of the program.
    pub name: &'static str,
    /// Its table in config files; in capitals the middle of `DEVOPS_<TABLE>_<FLAG>`.
    pub table: &'static str,
    /// The trust in a project file for each flag and each key of a profile, `profile.KEY`.
    pub trust: &'static [Decision],
    /// The operands that are the subject of a command, by the names of its fields. Settings that
    /// count only inside a project count if all of them are inside.
    pub subjects: &'static [(&'static str, &'static [&'static str])],
    /// Long flags whose values are never shown.
    pub secret: &'static [&'static str],
    /// A command whose long flags are the keys of a profile, `[<TABLE>.profile.NAME]` in config files;
    /// `None` where a tool has no profiles.
    pub profile: Option<fn() -> Command>,
    /// Words that other tools have for a command, each with the command of this one that is suggested.
    pub synonyms: &'static [(&'static str, &'static str)],
    /// What a second signal does.
    pub second_signal: SecondSignal,
    /// A flag under which every failure ends with 1, since its other codes are answers.
    pub fails_with_1: Option<&'static str>,
}

/// What a second signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondSignal {
    /// The process ends at once.
    EndsAtOnce,
    /// It is counted; the tool looks at `Cancel::n_signals`.
    Counts,
}

/// Runs a tool and returns its exit code.
pub fn main<C: Parser>(
    tool: &Tool,
    run: impl FnOnce(C, &Session) -> Result<Outcome, Failure>,
) -> ExitCode {
    if let Some(code) = signals::stand_above_orphans() {
        return ExitCode::from(code);
    }
    // Before any thread exists: the C library's local time is only safe until then.
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    let aborts = memory::catch_aborts();
    let (cli, settings) = match arguments::parse::<C>(tool) {
        Parsed::Run(cli, settings) => (cli, settings),
        Parsed::Finished(code) => return ExitCode::from(code),
    };
    // A dump of our memory would hold secrets; programs that we start have their own limit.
    let _undumped = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    report::install_panic_message(tool, &settings);
    logging::start(&settings);
    let explained = aborts.map_or(Ok(()), |aborts| aborts.explain(settings.json));
    let cancel = match explained.and_then(|()| signals::install(tool.second_signal, settings.json))
    {
        Ok(cancel) => cancel,
        Err(error) => {
            let failure = Failure::io(error).context("failed to wait for signals");
            return ExitCode::from(report::early(&failure, settings.json));
        }
    };
    let session = Session::new(settings, cancel, offset);
    session.warn_of_config();
    let result = catch_unwind(AssertUnwindSafe(|| run(cli, &session)))
        .unwrap_or_else(|panic| Err(Failure::new(report::kind_of_panic(&*panic), "")));
    finish(&session, result)
}

fn finish(session: &Session, result: Result<Outcome, Failure>) -> ExitCode {
    let result = match (result, session.flush()) {
        (Ok(_), Err(failure)) => Err(failure),
        (result, _) => result,
    };
    let code = exit::code(&result, session.cancel().signal());
    match &result {
        Ok(Outcome::Partial(what)) => session.warn(what),
        // The panic hook has said it already.
        Err(failure) if failure.error.to_string().is_empty() => {}
        Err(failure) => report::failure(failure, code, session.json()),
        _ => {}
    }
    ExitCode::from(code)
}
