//! From arguments to core calls to output.

use devops_cli::{Failure, Outcome, Session};

use crate::cli::{Cli, Command};

mod cat;
mod choice;
mod compare;
mod create;
mod failure;
mod find;
mod folder;
mod hint;
mod host;
mod keys;
mod list;
mod output;
mod profile;
mod prune;
mod rehearse;
mod restore;
mod stream;
mod timer;
mod verify;

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    match cli.command {
        Command::Create(args) => create::create(&args, session),
        Command::List(args) => list::list(&args, session),
        Command::Find(args) => find::find(&args, session),
        Command::Verify(args) => verify::verify(&args, session),
        Command::Restore(args) => restore::restore(&args, session),
        Command::Rehearse(args) => rehearse::rehearse(&args, session),
        Command::Diff(args) => compare::diff(&args, session),
        Command::Cat(args) => cat::cat(&args, session),
        Command::Prune(args) => prune::prune(&args, session),
        Command::Run(args) => profile::run(&args, session),
        Command::Timer(args) => timer::timer(&args, session),
    }
}
