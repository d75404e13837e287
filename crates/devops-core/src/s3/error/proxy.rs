//! The proxies that the environment names.
//!
//! The HTTP library reads the same variables; this says which of them is used for an address, so that an
//! error can name it, and when all of them are switched off.

use std::net::IpAddr;

use crate::s3::object::endpoint::is_address;

/// A proxy of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// The variable that names it.
    variable: &'static str,
    /// Its address, without a name and a password.
    address: String,
}

impl Proxy {
    /// Returns whether requests can be made through it: neither SOCKS nor a text that is no address.
    pub(crate) fn is_usable(&self) -> bool {
        is_address(&self.address)
    }
}

impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the proxy `{}` of {}", self.address, self.variable)
    }
}

/// The proxies of an environment, and for which hosts there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<String>,
}

impl Proxies {
    /// Reads the variables as the HTTP library does: the first of each kind that is set counts.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        // A request to a CGI program sets HTTP_PROXY by a header.
        if variable("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| Some((name, variable(name)?)))
        };
        let proxy = |names| {
            let (variable, value) = first(names)?;
            Some(Proxy { variable, address: without_user(&value)? })
        };
        let all = proxy(["ALL_PROXY", "all_proxy"]);
        let exceptions = first(["NO_PROXY", "no_proxy"]).map(|(_, list)| list).unwrap_or_default();
        Self {
            http: proxy(["HTTP_PROXY", "http_proxy"]).or_else(|| all.clone()),
            https: proxy(["HTTPS_PROXY", "https_proxy"]).or(all),
            exceptions: exceptions.split(',').map(|host| host.trim().to_owned()).collect(),
        }
    }

    /// Returns whether no proxy is used at all: the library takes `*` for host names only.
    pub(crate) fn are_off(&self) -> bool {
        self.exceptions.iter().any(|host| host == "*")
    }

    /// Returns the proxy that requests to this address go through.
    pub(crate) fn for_address(&self, url: &str) -> Option<&Proxy> {
        let (scheme, rest) = url.split_once("://")?;
        let host = host_of(rest.split(['/', '?']).next()?);
        if self.are_off() || self.exceptions.iter().any(|exception| excepts(exception, host)) {
            return None;
        }
        if scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }
}

/// Returns the host of `host:port`, without the brackets of an IPv6 address.
fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _port)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn without_user(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let authority = rest.split('/').next().unwrap_or_default();
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    (!address.is_empty()).then(|| format!("{scheme}://{address}"))
}

/// Returns whether an entry of `NO_PROXY` is for a host: its address, its network, its name or its domain.
fn excepts(exception: &str, host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match exception.split_once('/') {
            Some((network, bits)) => is_in(address, network, bits).unwrap_or_default(),
            None => exception.parse() == Ok(address),
        };
    }
    let (host, domain) = (host.to_ascii_lowercase(), exception.to_ascii_lowercase());
    let domain = domain.trim_start_matches('.');
    let front = host.strip_suffix(domain);
    !domain.is_empty() && front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn is_in(address: IpAddr, network: &str, bits: &str) -> Option<bool> {
    let number = |address: IpAddr| match address {
        // To the left, so that both kinds count their bits from there.
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let (network, bits): (IpAddr, u32) = (network.parse().ok()?, bits.parse().ok()?);
    let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or_default();
    let is_same_kind = address.is_ipv4() == network.is_ipv4();
    Some(is_same_kind && number(address) & mask == number(network) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn named(variables: &[(&str, &str)], url: &str) -> Option<String> {
        proxies(variables).for_address(url).map(ToString::to_string)
    }

    #[test]
    fn the_proxy_of_an_address_is_named_without_its_password() {
        let plain = ("HTTP_PROXY", "http://me:secret@proxy:3128/");
        let all = ("all_proxy", "proxy.example.com:1080");
        assert_eq!(
            named(&[plain, all], "http://s3.example.com/b").as_deref(),
            Some("the proxy `http://proxy:3128` of HTTP_PROXY")
        );
        assert_eq!(
            named(&[plain, all], "https://s3.example.com/b").as_deref(),
            Some("the proxy `http://proxy.example.com:1080` of all_proxy")
        );
        assert_eq!(named(&[plain], "https://s3.example.com/b"), None);
        assert_eq!(named(&[plain, ("REQUEST_METHOD", "GET")], "http://s3.example.com"), None);
        assert_eq!(named(&[("HTTP_PROXY", "")], "http://s3.example.com"), None);
    }

    #[test]
    fn only_proxies_of_http_can_be_used() {
        for (value, is_usable) in [
            ("http://proxy:3128", true),
            ("proxy", true),
            ("https://[fd00::1]:8443/", true),
            ("socks5://proxy:1080", false),
            ("http://proxy:port", false),
            ("http://pro xy", false),
        ] {
            let proxies = proxies(&[("ALL_PROXY", value)]);
            let proxy = proxies.for_address("https://s3.example.com").unwrap();
            assert_eq!(proxy.is_usable(), is_usable, "{value}");
        }
    }

    #[test]
    fn hosts_are_excepted_by_name_domain_address_and_network() {
        let with = |list, url| named(&[("HTTP_PROXY", "http://p"), ("no_proxy", list)], url);
        for (list, url) in [
            ("*", "http://10.0.0.1:9000/b"),
            ("a, *", "http://s3.example.com"),
            ("example.com", "http://s3.EXAMPLE.com:9000/b"),
            ("x,.example.com", "http://example.com"),
            ("10.0.0.1", "http://10.0.0.1:9000"),
            ("10.0.0.0/8", "http://10.200.0.1"),
            ("::1", "http://[::1]:9000/b"),
            ("fd00::/8", "http://[fd12::1]/"),
            ("0.0.0.0/0", "http://8.8.8.8"),
        ] {
            assert_eq!(with(list, url), None, "{list} {url}");
        }
        for (list, url) in [
            ("", "http://s3.example.com"),
            ("example.com", "http://notexample.com"),
            ("10.0.0.0/8", "http://11.0.0.1"),
            ("10.0.0.0/99", "http://10.0.0.1"),
            ("::/0", "http://10.0.0.1"),
        ] {
            assert!(with(list, url).is_some(), "{list} {url}");
        }
    }
}
