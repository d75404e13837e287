//! Which `Host` headers are answered.
//!
//! A page of a stranger can make a browser call us under the stranger's name (DNS rebinding);
//! an address or a name of our own cannot be such a name.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names this server answers for.
pub(crate) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(|name| normalize(&name)).collect();
        names.push("localhost".to_owned());
        Self { names }
    }

    /// Returns whether a request for this authority (`name`, `name:port`, `[::1]:port`) is answered.
    pub(super) fn allow(&self, authority: &str) -> bool {
        let Some(host) = without_port(authority) else { return false };
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        host.parse::<Ipv4Addr>().is_ok() || self.names.contains(&normalize(host))
    }
}

fn without_port(authority: &str) -> Option<&str> {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    (is_port && !host.is_empty()).then_some(host)
}

fn normalize(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_answered() {
        let hosts = Hosts::new(["web-1.example.org".to_owned(), "Status.Example.".to_owned()]);

        for authority in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:5000",
            "192.0.2.7",
            "[::1]:5000",
            "[fe80::1]",
            "web-1.example.org",
            "web-1.example.org.:80",
            "status.example:8080",
        ] {
            assert!(hosts.allow(authority), "{authority}");
        }
    }

    #[test]
    fn other_names_are_not() {
        let hosts = Hosts::new(["web-1".to_owned()]);

        for authority in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "web-1@evil",
            "evil:5000",
            "[evil]",
            "[::1]evil",
            "::1",
            "0x7f000001",
            "localhost:80:x",
            ":5000",
        ] {
            assert!(!hosts.allow(authority), "{authority}");
        }
    }
}
