//! Values that are given or asked for.

use devops_cli::{Failure, Session};

/// Returns the argument, or asks for it; `argument` names it where stdin ends.
pub(super) fn given_or_asked(
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

pub(super) fn no_input(hint: &str) -> Failure {
    Failure::usage("no input: stdin reached end of file").hint(hint)
}

pub(super) fn missing(what: &str, example: &str) -> Failure {
    Failure::usage(format!("{what} is missing")).hint(format!("for example: {example}"))
}
