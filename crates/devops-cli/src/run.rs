//! A tool from its first line to its last: parse, log, install cancellation, run, finish.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::Parser;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use time::UtcOffset;

use crate::{
    arguments::{self, Parsed},
    exit,
    failure::{Failure, Outcome},
    logging, memory, report,
    session::Session,
    signals,
    tool::Tool,
};

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
