//! From arguments to readings, and from readings to output.

mod check;
mod health;
mod host;
mod sample;
mod serve;

use devops_cli::{Failure, Outcome, Session};

use crate::cli::{Cli, Command};

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Sample(args) => sample::run(&args, session),
        Command::Health(args) => health::run(&args, session),
    }
}
