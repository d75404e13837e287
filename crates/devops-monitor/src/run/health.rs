//! `health`: one GET, for container health checks, without a big HTTP client.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use devops_cli::{Failure, Outcome, ResultExt, Session};
use devops_core::kind::Kind;
use serde_json::json;

use crate::cli::Health;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The status line is all that matters.
const ANSWER_LIMIT: u64 = 4096;

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
    authority: &'a str,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let bad = || {
            Failure::usage(format!("`{text}` is not a plain `http://` address"))
                .hint("such as `http://127.0.0.1:5000/healthz`")
        };
        let rest = text.strip_prefix("http://").ok_or_else(bad)?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
        if authority.is_empty() || text.contains(is_odd) {
            return Err(bad());
        }
        Ok(Self { authority, path: if path.is_empty() { "/" } else { path } })
    }

    fn address(&self) -> String {
        let has_port = self.authority.rsplit_once(':').is_some_and(|(host, port)| {
            !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !open_bracket(host)
        });
        if has_port { self.authority.to_owned() } else { format!("{}:80", self.authority) }
    }
}

/// In `[::1]` the colon belongs to the address.
fn open_bracket(host: &str) -> bool {
    host.starts_with('[') && !host.ends_with(']')
}

fn ask(url: &Url<'_>) -> Result<u16, Failure> {
    let address = url.address();
    let mut answer = Vec::new();
    let mut exchange = || -> io::Result<()> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => return get(stream, url, &mut answer),
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

fn get(mut stream: TcpStream, url: &Url<'_>, answer: &mut Vec<u8>) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let Url { authority, path } = url;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    stream.take(ANSWER_LIMIT).read_to_end(answer)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_addresses() {
        let url = Url::parse("http://[::1]:5000/x/healthz").unwrap();

        assert_eq!(url, Url { authority: "[::1]:5000", path: "/x/healthz" });
        assert_eq!(url.address(), "[::1]:5000");
        assert_eq!(Url::parse("http://[::1]").unwrap().address(), "[::1]:80");
        assert_eq!(Url::parse("http://localhost").unwrap().address(), "localhost:80");
    }

    #[test]
    fn refuses_other_addresses() {
        for text in ["https://x/", "127.0.0.1:5000", "http://", "http://a b/", "http://u@x/"] {
            assert_eq!(Url::parse(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }
}
