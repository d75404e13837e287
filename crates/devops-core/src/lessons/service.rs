//! Whether services are up: systemd units, TCP ports, HTTP addresses, processes, files.

mod host;
mod net;
mod unit;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::mpsc,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::LessonError;
use crate::{
    cancel::{Cancel, Cancelled},
    limits,
    secret::without_secrets,
};

/// The kinds of targets, as they are written.
const SCHEMES: [&str; 5] = ["tcp://", "http://", "https://", "proc:", "file:"];
/// How often a signal is looked for while checks run.
const POLL: Duration = Duration::from_millis(50);

/// Something that can be up or down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A unit of systemd.
    Unit(String),
    /// A port that takes connections: host and port.
    Tcp(String, u16),
    /// An address that answers with a status below 400.
    Http(String),
    /// A program of that name that runs.
    Process(String),
    /// A file that exists.
    File(PathBuf),
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// Nothing of that name is known.
    NotFound,
    /// It could not be determined.
    Unknown,
}

/// The answer about one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The target as given, passwords in it replaced by stars.
    pub target: String,
    /// How it is.
    pub status: Status,
    /// Who says so: `systemd`, `tcp`, `http`, `proc`, `file`.
    pub via: &'static str,
    /// What was seen.
    pub detail: String,
    /// How long the check took.
    pub seconds: f64,
}

/// How checks are done.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// How long one check may take.
    pub timeout: Duration,
    /// Where the host's file system begins.
    pub root: PathBuf,
}

/// What one check has seen.
struct Seen(Status, String);

impl Status {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::NotFound => "not found",
            Self::Unknown => "unknown",
        }
    }
}

impl Target {
    /// Reads a target: the name of a unit, `tcp://host:port`, `http(s)://…`, `proc:NAME` or `file:PATH`.
    pub fn parse(text: &str) -> Result<Self, LessonError> {
        let not = |wanted| LessonError::NotA { given: text.escape_debug().to_string(), wanted };
        if text.contains(char::is_control) {
            return Err(not("a target: it holds control characters"));
        }
        // The scheme of a URL is read in any case.
        let lowered = text
            .split_once("://")
            .map(|(scheme, rest)| format!("{}://{rest}", scheme.to_lowercase()));
        let text = lowered.as_deref().unwrap_or(text);
        if let Some(address) = text.strip_prefix("tcp://") {
            return net::parse_tcp(address)
                .ok_or_else(|| not("an address such as tcp://host:5432"));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let fits = net::is_http(text);
            return fits
                .then(|| Self::Http(text.to_owned()))
                .ok_or_else(|| not("an address such as https://host/health"));
        }
        if let Some(name) = text.strip_prefix("proc:") {
            let fits = !name.is_empty() && !name.contains('/');
            return fits
                .then(|| Self::Process(name.to_owned()))
                .ok_or_else(|| not("a program such as proc:nginx"));
        }
        if let Some(path) = text.strip_prefix("file:") {
            // `file:///run/x` is the URL of `/run/x`.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            let fits = !path.is_empty() && !path.starts_with("//");
            return fits
                .then(|| Self::File(path.into()))
                .ok_or_else(|| not("a file such as file:/run/app.pid"));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(LessonError::unknown("kind of target", &format!("{scheme}://"), &SCHEMES));
        }
        if text.contains(':') && !unit::has_type(text) {
            return Err(not(
                "the name of a systemd unit; other targets are tcp://HOST:PORT, http://…, https://…, proc:NAME and file:PATH",
            ));
        }
        if !unit::is_name(text) {
            return Err(not("the name of a service such as nginx"));
        }
        Ok(Self::Unit(text.to_owned()))
    }

    fn via(&self) -> &'static str {
        match self {
            Self::Unit(_) => "systemd",
            Self::Tcp(..) => "tcp",
            Self::Http(_) => "http",
            Self::Process(_) => "proc",
            Self::File(_) => "file",
        }
    }

    /// Returns the target as it may be shown.
    pub fn shown(&self) -> String {
        match self {
            Self::Unit(name) => name.clone(),
            Self::Tcp(host, port) if host.contains(':') => format!("tcp://[{host}]:{port}"),
            Self::Tcp(host, port) => format!("tcp://{host}:{port}"),
            Self::Http(url) => without_secrets(url),
            Self::Process(name) => format!("proc:{name}"),
            Self::File(path) => format!("file:{}", path.display()),
        }
    }
}

/// Checks all targets at the same time and returns the answers in their order.
///
/// Looking up a name cannot be cancelled; a check that outlives its timeout or a signal is left behind.
pub fn check_all(
    targets: &[Target],
    options: &CheckOptions,
    cancel: &Cancel,
) -> Result<Vec<Check>, Cancelled> {
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
            checks[at] = Some(Check::unasked(target, &error));
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

impl Check {
    fn unasked(target: &Target, error: &io::Error) -> Self {
        let (status, via, detail) = (Status::Unknown, target.via(), error.to_string());
        Self { target: target.shown(), status, via, detail, seconds: 0.0 }
    }
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

/// Shows a socket's address without what the person knows already.
fn addresses(tried: &[SocketAddr]) -> String {
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
