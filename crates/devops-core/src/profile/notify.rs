//! Pings and webhooks: told to the outside, and never a reason for a backup to fail.

use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use ureq::{Agent, Error, http::Uri};

use crate::{cancel::Cancel, http, roots, secret::Secret};

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The waits before further attempts.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
const TEXT: &str = "text/plain; charset=utf-8";
const MAX_REDIRECTS: u32 = 5;
/// The most of a report that a ping carries; healthchecks.io keeps 100 kB.
const MAX_TEXT: usize = 10_000;

/// An address that works like a password: whoever knows it speaks in our name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUrl {
    /// What may be shown.
    host: String,
    whole: Secret,
    /// `user:password` of the address, as a header has it (RFC 7617).
    login: Option<Secret>,
}

/// A text that is no address to tell anything to; it is not shown, since it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no `http://` or `https://` address")]
pub struct BadUrl;

impl SecretUrl {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let uri: Uri = text.parse().map_err(|_| BadUrl)?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let host = uri.host().filter(|host| !host.is_empty());
        let (Some(scheme), Some(host)) = (scheme, host) else { return Err(BadUrl) };
        let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
        let host = format!("{scheme}://{host}{port}");
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let Some((login, address)) = authority.rsplit_once('@') else {
            return Ok(Self { host, whole: Secret::new(text), login: None });
        };
        let whole = Secret::new(text.replacen(authority, address, 1));
        Ok(Self { host, whole, login: Some(basic(login)) })
    }

    /// Returns the address with one more part of its path, before any query.
    pub(super) fn below(&self, part: &str) -> Self {
        let whole = self.whole.expose();
        let end = whole.find(['?', '#']).unwrap_or(whole.len());
        let (path, rest) = whole.split_at(end);
        let whole = Secret::new(format!("{}/{part}{rest}", path.trim_end_matches('/')));
        Self { whole, ..self.clone() }
    }
}

/// Returns the value of the header for `user:password`, each percent-encoded as addresses have them.
fn basic(login: &str) -> Secret {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let parts = [user, password].map(|part| percent_decode_str(part).collect::<Vec<u8>>());
    Secret::new(format!("Basic {}", BASE64.encode(parts.join(&b':'))))
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/***", self.host)
    }
}

/// Tells an address that something was reached, with a text for people.
pub(super) fn ping(url: &SecretUrl, text: &str, cancel: &Cancel) -> Result<(), String> {
    let end = text.floor_char_boundary(MAX_TEXT);
    post(url, (TEXT, &text[..end]), &WAITS, cancel)
}

/// Tells an address once that something begins, which waits for nobody.
pub(super) fn ping_once(url: &SecretUrl, cancel: &Cancel) -> Result<(), String> {
    post(url, (TEXT, ""), &[], cancel)
}

/// Sends an object to an address.
pub(super) fn post_json(url: &SecretUrl, object: &Value, cancel: &Cancel) -> Result<(), String> {
    post(url, ("application/json", &object.to_string()), &WAITS, cancel)
}

fn post(
    url: &SecretUrl,
    content: (&str, &str),
    waits: &[Duration],
    cancel: &Cancel,
) -> Result<(), String> {
    if url.host.starts_with("https:") {
        roots::check().map_err(|error| format!("could not tell `{url}`: {error}"))?;
    }
    let mut waits = waits.iter();
    loop {
        let failure = match post_once(url, content) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        let wait = waits.next().filter(|_| failure.is_temporary);
        // After a signal one attempt must do.
        if wait.is_none_or(|wait| cancel.wait(*wait).is_err()) {
            return Err(format!("could not tell `{url}`: {}", failure.reason));
        }
    }
}

struct PostFailure {
    reason: String,
    is_temporary: bool,
}

fn post_once(url: &SecretUrl, (kind, body): (&str, &str)) -> Result<(), PostFailure> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(MAX_REDIRECTS)
        .user_agent(concat!("devops-backup/", env!("CARGO_PKG_VERSION")))
        .tls_config(http::tls())
        .build()
        .into();
    let mut request = agent.post(url.whole.expose()).content_type(kind);
    if let Some(login) = &url.login {
        request = request.header("Authorization", login.expose());
    }
    match request.send(body) {
        Ok(answer) if answer.status().as_u16() < 400 => Ok(()),
        Ok(answer) => {
            let status = answer.status().as_u16();
            let is_temporary = status >= 500 || matches!(status, 408 | 429);
            Err(PostFailure { reason: format!("status {status}"), is_temporary })
        }
        Err(error) => {
            Err(PostFailure { reason: reason(&error), is_temporary: is_temporary(&error) })
        }
    }
}

/// Says what failed in words of our own: those of others may repeat the address.
fn reason(error: &Error) -> String {
    match error {
        Error::Timeout(_) => format!("no answer within {TIMEOUT:?}"),
        Error::HostNotFound => "its name was not resolved".to_owned(),
        Error::ConnectionFailed => "no connection".to_owned(),
        Error::Io(error) => error.to_string(),
        Error::Rustls(error) => error.to_string(),
        Error::TooManyRedirects => "too many redirects".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

fn is_temporary(error: &Error) -> bool {
    matches!(
        error,
        Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed | Error::Io(_)
    )
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn shows_the_host_and_port_alone() {
        let url = SecretUrl::parse("https://user:pw@hc-ping.com:8443/0b4e?x=secret").unwrap();

        assert_eq!(url.to_string(), "https://hc-ping.com:8443/***");
        assert!(!format!("{url:?}").contains("0b4e"));
    }

    #[test]
    fn a_part_is_added_to_the_path_before_the_query() {
        let below = |url: &str| SecretUrl::parse(url).unwrap().below("fail").whole;

        assert_eq!(below("http://h/a").expose(), "http://h/a/fail");
        assert_eq!(below("http://h/a/?rid=1").expose(), "http://h/a/fail?rid=1");
        assert_eq!(below("http://h").expose(), "http://h/fail");
    }

    #[test]
    fn a_login_becomes_a_header_and_leaves_the_address() {
        let parsed = |url: &str| {
            let url = SecretUrl::parse(url).unwrap();
            (url.whole, url.login.map(|login| login.expose().to_owned()))
        };

        let (whole, login) = parsed("https://user:p%40ss@h:8443/a?b=c@d");
        assert_eq!(whole.expose(), "https://h:8443/a?b=c@d");
        assert_eq!(login.as_deref(), Some("Basic dXNlcjpwQHNz"));
        let (whole, login) = parsed("http://token@h");
        assert_eq!((whole.expose(), login.as_deref()), ("http://h", Some("Basic dG9rZW46")));
        assert_eq!(parsed("http://h/a@b").1, None);
    }

    #[test]
    fn a_login_is_sent_as_a_header_and_not_in_the_request_line() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://me:p%20w@{}/hook", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut head).unwrap() > 0);
            }
            // The body is `{}`, and is read before the answer.
            stream.read_exact(&mut [0; 2]).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            head
        });

        let url = SecretUrl::parse(&url).unwrap();
        post_json(&url, &serde_json::json!({}), &Cancel::new()).unwrap();

        let head = server.join().unwrap();
        assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
        let has = |line: &str| head.lines().any(|found| found.eq_ignore_ascii_case(line));
        assert!(has("authorization: Basic bWU6cCB3"), "{head}");
    }

    #[test]
    fn refuses_what_is_no_address_without_showing_it() {
        for text in ["", "hc-ping.com/secret", "ftp://h/secret", "/secret", "http://"] {
            let error = SecretUrl::parse(text).unwrap_err();

            assert_eq!(error.to_string(), "this is no `http://` or `https://` address");
        }
    }
}
