//! `health`: one GET, for container health checks, without a big HTTP client.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use devops_cli::{Failure, Outcome, ResultExt, Session};
use devops_core::kind::Kind;
use serde_json::json;

use crate::cli::Health;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The status line is all that matters.
const ANSWER_LIMIT: usize = 4096;

pub(super) fn run(args: &Health, session: &Session) -> Result<Outcome, Failure> {
    let url = Url::parse(&args.url)?;
    let started = Instant::now();
    let status = ask(&url).context(format!("failed to ask `{}`", args.url))?;
    let healthy = (200..300).contains(&status);
    if session.json() {
        let seconds = started.elapsed().as_secs_f64();
        session.emit(&json!({
            "type": "health", "url": args.url, "status": status, "healthy": healthy,
            "seconds": seconds,
        }))?;
    } else {
        let word = if healthy { "healthy" } else { "not healthy" };
        session.line(format!("{word}: {} answered {status}", args.url))?;
    }
    Ok(if healthy { Outcome::Done } else { Outcome::No })
}

#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    /// As it stands in the address: the `Host` of the request.
    authority: &'a str,
    /// A name or an address, without brackets.
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        Self::split(text).ok_or_else(|| {
            Failure::usage(format!("`{text}` is not a plain `http://` address"))
                .hint("such as `http://127.0.0.1:5000/healthz`")
        })
    }

    fn split(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return None;
        }
        let path = if path.is_empty() { "/" } else { path };
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (address, port) = inner.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                (address, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Some(80), |port| port.parse().ok().filter(|port| *port > 0))?;
        let is_host = authority.starts_with('[') || is_name_or_ipv4(host);
        (is_host && path.starts_with('/')).then_some(Self { authority, host, port, path })
    }
}

/// Says whether a host is spelled as RFC 1123 and RFC 3986 want it; whether it exists is another question.
fn is_name_or_ipv4(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_known)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253
        && name.split('.').all(is_label)
        && (!is_number || name.parse::<Ipv4Addr>().is_ok())
}

fn ask(url: &Url<'_>) -> Result<u16, Failure> {
    let deadline = Instant::now() + TIMEOUT;
    let mut answer = Vec::new();
    let mut exchange = || -> io::Result<()> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (url.host, url.port).to_socket_addrs()? {
            match left(deadline).and_then(|left| TcpStream::connect_timeout(&address, left)) {
                Ok(stream) => return get(stream, url, deadline, &mut answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    // Whatever stands between us and an answer may be gone a moment later.
    exchange().map_err(|error| Failure::new(Kind::Temporary, error))?;
    let line = String::from_utf8_lossy(&answer);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    status.ok_or_else(|| Failure::new(Kind::Failed, "the answer is not HTTP"))
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    let over = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {TIMEOUT:?}"));
    Some(left).filter(|left| !left.is_zero()).ok_or_else(over)
}

/// Reads the status line: a slow server has no more time than a silent one.
fn get(
    mut stream: TcpStream,
    url: &Url<'_>,
    deadline: Instant,
    answer: &mut Vec<u8>,
) -> io::Result<()> {
    stream.set_write_timeout(Some(left(deadline)?))?;
    let Url { authority, path, .. } = url;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    let mut buffer = [0; 512];
    while answer.len() < ANSWER_LIMIT && !answer.contains(&b'\n') {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            // The time is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_addresses() {
        let parts = |text| {
            let url = Url::parse(text).unwrap();
            (url.authority, url.host, url.port, url.path)
        };

        assert_eq!(parts("http://[::1]:5000/x/healthz"), ("[::1]:5000", "::1", 5000, "/x/healthz"));
        assert_eq!(parts("http://[::1]"), ("[::1]", "::1", 80, "/"));
        assert_eq!(parts("http://localhost"), ("localhost", "localhost", 80, "/"));
        assert_eq!(parts("http://127.0.0.1:5000"), ("127.0.0.1:5000", "127.0.0.1", 5000, "/"));
        assert_eq!(
            parts("http://my_app.svc.:8080/a@b?c"),
            ("my_app.svc.:8080", "my_app.svc.", 8080, "/a@b?c")
        );
    }

    #[test]
    fn refuses_other_addresses() {
        for text in [
            "",
            "https://x/",
            "127.0.0.1:5000",
            "http://",
            "http:///healthz",
            "http://:5000/",
            "http://a b/",
            "http://u@x/",
            "http://x:/",
            "http://x:0/",
            "http://x:99999/",
            "http://x:port/",
            "http://x:80:80/",
            "http://[::1/",
            "http://[::1]5000/",
            "http://[x]/",
            "http://::1/",
            "http://a..b/",
            "http://256.1.1.1/",
            "http://x?query",
            "http://x/a b",
            "http://x/#part",
            "http://caf\u{e9}/",
        ] {
            assert_eq!(Url::parse(text).map_err(|error| error.kind), Err(Kind::Usage), "{text}");
        }
    }
}
