//! Targets of checks, as a user writes them.

use std::{net::IpAddr, path::PathBuf};

use super::{super::LessonError, unit};
use crate::secret::without_secrets;

/// The kinds of targets, as they are written.
const SCHEMES: [&str; 5] = ["tcp://", "http://", "https://", "proc:", "file:"];

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
            return parse_tcp(address).ok_or_else(|| not("an address such as tcp://host:5432"));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let fits = is_http(text);
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

    pub(super) fn is_https(&self) -> bool {
        matches!(self, Self::Http(url) if url.starts_with("https:"))
    }

    pub(super) fn via(&self) -> &'static str {
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

/// Reads `host:port`, with an IPv6 address in brackets.
fn parse_tcp(text: &str) -> Option<Target> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').filter(|ip| ip.parse::<IpAddr>().is_ok())?,
        None => Some(host).filter(|host| is_host(host))?,
    };
    let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
    (port > 0).then(|| Target::Tcp(bare.to_owned(), port))
}

pub(super) fn is_host(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(known)
}

fn is_http(text: &str) -> bool {
    let uri: Result<ureq::http::Uri, _> = text.parse();
    uri.is_ok_and(|uri| uri.host().is_some_and(|host| is_host(host) || host.starts_with('[')))
}
