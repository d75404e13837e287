//! `vars`

use std::env;

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    lessons::vars::{self, Finding},
};

use super::{
    output::{emit, print_lines, safe},
    refusal::refused,
};
use crate::cli::VarsArgs;

pub(super) fn run(args: &VarsArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        return print_lines(session, vars::transcript());
    }
    let contract = vars::parse_requirements(&args.require).map_err(refused)?;
    let mut kept = true;
    for finding in vars::check(&contract, |name| env::var_os(name)) {
        kept &= finding.problem.is_none();
        show(session, &finding)?;
    }
    if contract.is_empty() || !args.names.is_empty() {
        show_named(&args.names, session)?;
    }
    Ok(if kept { Outcome::Done } else { Outcome::No })
}

/// Shows variables as they are: the named ones, or all.
fn show_named(names: &[String], session: &Session) -> Result<(), Failure> {
    if names.is_empty() {
        for finding in vars::describe(env::vars_os()) {
            show(session, &finding)?;
        }
        return Ok(());
    }
    for name in names {
        let value = env::var_os(name).ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("variable '{}' is not set", safe(name)))
        })?;
        for finding in vars::describe([(name.into(), value)]) {
            show(session, &finding)?;
        }
    }
    Ok(())
}

fn show(session: &Session, finding: &Finding) -> Result<(), Failure> {
    if session.json() {
        return emit(session, "variable", finding);
    }
    let name = safe(&finding.name);
    match (&finding.value, finding.problem) {
        (_, Some(problem)) => session.line(format!("{name} {problem}")),
        (value, None) => {
            let value = safe(value.as_deref().unwrap_or_default());
            session.line(format!("{name} = {value} ({})", finding.kind.name()))
        }
    }
}
