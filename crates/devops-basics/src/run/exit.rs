//! `exit`

use devops_cli::{Failure, Outcome, Session};
use devops_core::lessons::exit;

use super::{facts, input::missing, output::emit, refusal::refused};
use crate::cli::{ExitArgs, ExitCommand};

pub(super) fn run(args: &ExitArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        // The notes import `os` and `sys` in one script.
        return facts::transcript(session);
    }
    match &args.command {
        None => Err(missing("`explain CODE` or `with CODE`", "devops-basics exit explain 137")),
        Some(ExitCommand::With { code }) => Ok(Outcome::Code(exit::code(code).map_err(refused)?)),
        Some(ExitCommand::Explain { code }) => explain(code, session),
    }
}

fn explain(code: &str, session: &Session) -> Result<Outcome, Failure> {
    let explanation = exit::explain(code).map_err(refused)?;
    if session.json() {
        emit(session, "exit", &explanation)?;
        return Ok(Outcome::Done);
    }
    session.line(format!("{} = {}", explanation.code, explanation.meaning))?;
    if let Some(ours) = explanation.in_these_tools {
        session.line(format!("in the devops tools: {ours}"))?;
    }
    Ok(Outcome::Done)
}
