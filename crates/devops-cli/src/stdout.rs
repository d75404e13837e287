//! Text on stdout, outside of a session too.

use std::io::{self, Write};

use devops_core::kind::Kind;

use crate::failure::Failure;

/// Prints a whole text on stdout, for commands that need no session; a closed pipe is no failure.
pub(crate) fn print_text(text: &[u8]) -> Result<(), Failure> {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(stdout_failure(&error)),
        _ => Ok(()),
    }
}

pub(crate) fn stdout_failure(error: &io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot write to stdout: {error}"))
}
