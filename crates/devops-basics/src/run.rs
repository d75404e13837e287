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
mod input;
mod output;
mod providers;
mod range;
mod refusal;
mod service;
mod vars;

use std::{
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use devops_cli::{Failure, Outcome, Session};
use devops_core::{cancel::Cancel, limits};

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
