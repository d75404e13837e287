//! From arguments to core calls to output.

mod activity;
mod approve;
mod check;
mod end;
mod explain;
mod flow;
mod inspect;
mod record;
mod relay;
mod repair;
mod report;
mod rules;
mod tf_session;

use tf_session::open;

use devops_cli::{Failure, Outcome, Session};

use crate::cli::{Cli, Command, InitArgs};

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    match cli.command {
        Command::Run(args) => flow::run(&args, session),
        Command::Init(args) => init(&args, session),
        Command::Plan(args) => flow::plan(&args, session),
        Command::Show(args) => inspect::show(&args, session),
        Command::Apply(args) => flow::apply(&args, session),
        Command::Destroy(args) => flow::destroy(&args, session),
        Command::Drift(args) => flow::drift(&args, session),
        Command::Output(args) => inspect::output(&args, session),
        Command::Compare(args) => approve::compare_plans(&args, session),
        Command::Validate(args) => check::validate(&args, session),
        Command::Fmt(args) => check::fmt(&args, session),
        Command::Test(args) => check::test(&args, session),
        Command::Report(args) => report::report(&args, session),
        Command::Recover(args) => repair::recover(&args, session),
        Command::Unlock(args) => repair::unlock(&args, session),
    }
}

fn init(args: &InitArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut tf = open(&args.at, session)?;
    tf.init.extra.clone_from(&args.extra.extra);
    tf.init()?;
    tf.relay.finish()?;
    Ok(Outcome::Done)
}
