//! Checks over the network: a TCP connection, an HTTP answer.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::mpsc,
    time::{Duration, Instant},
};

use ureq::{Agent, Error};

use super::status::{Seen, Status};
use crate::{http, limits};

/// The number of redirects that are followed.
const MAX_REDIRECTS: u32 = 5;

pub(super) fn check_tcp(host: &str, port: u16, timeout: Duration) -> Seen {
    let deadline = Instant::now() + timeout;
    let tried = match resolve(host, port, timeout) {
        Ok(tried) if tried.is_empty() => return unresolved(host, "it has no address"),
        Ok(tried) => tried,
        Err(reason) => return unresolved(host, &reason),
    };
    let mut reason = String::new();
    for address in &tried {
        let left = deadline.saturating_duration_since(Instant::now());
        // A wait of zero is an error to the system.
        match TcpStream::connect_timeout(address, left.max(Duration::from_millis(1))) {
            Ok(_connected) => return Seen(Status::Up, format!("connected to {address}")),
            Err(error) => reason = why(&error, timeout),
        }
    }
    Seen(Status::Down, format!("{reason} ({})", addresses(&tried)))
}

fn unresolved(host: &str, reason: &str) -> Seen {
    Seen(Status::Unknown, format!("name `{host}` was not resolved: {reason}"))
}

/// Looks a name up on a thread of its own: the system's resolver takes no timeout.
fn resolve(host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>, String> {
    let (sender, answer) = mpsc::channel();
    let name = (host.to_owned(), port);
    let asking = move || {
        // Nobody listens any more after the timeout.
        let _sent = sender.send(name.to_socket_addrs().map(Iterator::collect));
    };
    limits::spawn("resolver", asking).map_err(|error| error.to_string())?;
    match answer.recv_timeout(timeout) {
        Ok(resolved) => resolved.map_err(|error: io::Error| error.to_string()),
        Err(_) => Err(format!("no answer within {timeout:?}")),
    }
}

fn why(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset => "connection reset".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("no answer within {timeout:?}"),
        _ => error.to_string(),
    }
}

pub(super) fn check_http(url: &str, timeout: Duration) -> Seen {
    // ureq does not tell a name that was not resolved from a connection that failed.
    let (host, port) = host_and_port(url);
    match resolve(&host, port, timeout) {
        Ok(found) if !found.is_empty() => {}
        Ok(_) => return unresolved(&host, "it has no address"),
        Err(reason) => return unresolved(&host, &reason),
    }
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(MAX_REDIRECTS)
        // The service itself is asked, whatever the environment says.
        .proxy(None)
        .user_agent(concat!("devops-basics/", env!("CARGO_PKG_VERSION")))
        .tls_config(http::tls())
        .build()
        .into();
    match agent.get(url).call() {
        Ok(answer) if answer.status().as_u16() < 400 => {
            Seen(Status::Up, format!("status {}", answer.status().as_u16()))
        }
        Ok(answer) => Seen(Status::Down, format!("status {}", answer.status().as_u16())),
        Err(Error::Timeout(_)) => Seen(Status::Down, format!("no answer within {timeout:?}")),
        Err(Error::Io(error)) => Seen(Status::Down, why(&error, timeout)),
        Err(error) => Seen(Status::Down, error.to_string()),
    }
}

fn host_and_port(url: &str) -> (String, u16) {
    let uri: ureq::http::Uri = url.parse().unwrap_or_default();
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    (host.to_owned(), uri.port_u16().unwrap_or(default))
}

/// Shows a socket's address without what the person knows already.
pub(super) fn addresses(tried: &[SocketAddr]) -> String {
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
