//! Is set if services are up: systemd units, TCP ports, HTTP addresses, processes, files.

mod host;
mod net;
mod status;
mod target;
mod unit;

use std::{
    io,
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::{cancel::Cancel, limits, roots};
use status::Seen;
pub use status::{Check, CheckError, CheckOptions, Status};
pub use target::Target;

/// How often a signal is looked for while checks run.
const POLL: Duration = Duration::from_millis(50);

/// Returns the answer about a target that could not be asked.
fn unasked(target: &Target, error: &io::Error) -> Check {
    let (status, via, detail) = (Status::Unknown, target.via(), error.to_string());
    Check { target: target.shown(), status, via, detail, seconds: 0.0 }
}

/// Checks all targets at the same time and returns the answers in their order.
///
/// Looking up a name cannot be cancelled; a check that outlives its timeout or a signal is left behind. Nothing is
/// asked where an `https` address is to be checked and this host trusts no authority.
pub fn check_all(
    targets: &[Target],
    options: &CheckOptions,
    cancel: &Cancel,
) -> Result<Vec<Check>, CheckError> {
    if targets.iter().any(Target::is_https) {
        roots::check()?;
    }
    let (sender, answers) = mpsc::channel();
    let mut checks: Vec<Option<Check>> = vec![None; targets.len()];
    for (at, target) in targets.iter().enumerate() {
        let (sender, cancel) = (sender.clone(), cancel.clone());
        let (asked, options) = (target.clone(), options.clone());
        let asking = move || {
            // Nobody listens any more after a signal.
            let _sent = sender.send((at, check(&asked, &options, &cancel)));
        };
        if let Err(error) = limits::spawn("check", asking) {
            checks[at] = Some(unasked(target, &error));
        }
    }
    drop(sender);
    loop {
        cancel.check()?;
        match answers.recv_timeout(POLL) {
            Ok((at, check)) => checks[at] = Some(check),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    cancel.check()?;
    Ok(checks.into_iter().flatten().collect())
}

fn check(target: &Target, options: &CheckOptions, cancel: &Cancel) -> Check {
    let started = Instant::now();
    let Seen(status, detail) = match target {
        Target::Unit(name) => unit::check(name, options, cancel),
        Target::Tcp(host, port) => net::check_tcp(host, *port, options.timeout),
        Target::Http(url) => net::check_http(url, options.timeout),
        Target::Process(name) => host::check_process(name, &options.root),
        Target::File(path) => host::check_file(path),
    };
    let seconds = started.elapsed().as_secs_f64();
    Check { target: target.shown(), status, via: target.via(), detail, seconds }
}

/// Returns the lines of the notes, whose function finds every service in order.
pub fn transcript(names: &[String]) -> Vec<String> {
    let checking = names.iter().map(|name| format!("Checking status of {name}..."));
    let answers = names.iter().map(|name| format!("{} status: OK", capitalized(name)));
    checking.chain(answers).collect()
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
