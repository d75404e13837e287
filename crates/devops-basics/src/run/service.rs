//! `service`

use std::{path::PathBuf, time::Duration};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::lessons::{
    LessonError,
    service::{self, Check, CheckError, CheckOptions, Status, Target},
};

use super::{
    input::missing,
    output::{emit, print_lines, safe},
    refusal::refused,
};
use crate::cli::ServiceArgs;

/// More would be past what the system's timers take.
const LONGEST: Duration = Duration::from_hours(24);

pub(super) fn run(args: &ServiceArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut names = Vec::new();
    for target in &args.targets {
        let name = target.to_str().ok_or_else(|| LessonError::NotA {
            given: quote(target.as_ref()),
            wanted: "a target: it is not UTF-8",
        });
        names.push(name.map_err(refused)?.to_owned());
    }
    if args.notes {
        if names.is_empty() {
            names = vec!["nginx".to_owned(), "database".to_owned()];
        }
        return print_lines(session, service::transcript(&names));
    }
    if names.is_empty() {
        return Err(missing("a target", "devops-basics service nginx tcp://localhost:5432"));
    }
    // All names are looked at before anything is asked.
    let targets: Result<Vec<Target>, _> = names.iter().map(|name| Target::parse(name)).collect();
    let targets = targets.map_err(refused)?;
    let options = CheckOptions { timeout: args.timeout.min(LONGEST), root: PathBuf::from("/") };
    let checks = service::check_all(&targets, &options, session.cancel()).map_err(explain)?;
    for check in &checks {
        show(check, session)?;
    }
    Ok(outcome(&checks))
}

fn explain(error: CheckError) -> Failure {
    let misses_roots = matches!(error, CheckError::NoRoots(_));
    let failure = Failure::from(error);
    if !misses_roots {
        return failure;
    }
    failure.hint("install the package `ca-certificates`, or name a file of them with SSL_CERT_FILE")
}

fn show(check: &Check, session: &Session) -> Result<(), Failure> {
    if session.json() {
        return emit(session, "service", check);
    }
    let (status, via) = (check.status.name(), check.via);
    session.line(format!("{}: {status} ({via}, {})", safe(&check.target), safe(&check.detail)))
}

/// A service that is known to be down says more than one that could not be found or asked.
fn outcome(checks: &[Check]) -> Outcome {
    let any = |status| checks.iter().any(|check| check.status == status);
    match (any(Status::Down), any(Status::NotFound), any(Status::Unknown)) {
        (true, ..) => Outcome::No,
        (false, true, _) => Outcome::Code(5),
        (false, false, true) => Outcome::Code(75),
        (false, false, false) => Outcome::Done,
    }
}
