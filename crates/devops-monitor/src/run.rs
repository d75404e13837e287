//! From arguments to readings, and from readings to output.

mod check;
mod health;
mod sample;
mod serve;

use std::{path::Path, time::Duration};

use devops_cli::{Failure, Outcome, Session};
use devops_core::metrics::Sources;

use crate::cli::{Cli, Command};

/// The time a file system has to tell its space, where other figures wait for it.
pub(crate) const DISK_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Sample(args) => sample::run(&args, session),
        Command::Health(args) => health::run(&args, session),
    }
}

/// Returns the sources under a root path, if there is a host.
fn sources(root_path: &Path) -> Result<Sources, Failure> {
    let sources = Sources::new(root_path);
    sources.probe()?;
    Ok(sources)
}
