//! Endpoints, and regions by their names.

/// Returns whether an endpoint is an address of HTTP that names a host.
pub(crate) fn is_address(endpoint: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
    let Some(rest) = rest else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let after_host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) if is_ipv6(host) => after,
        Some(_) => return false,
        None => {
            let (host, after) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_odd = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
            if host.is_empty() || host.contains(is_odd) {
                return false;
            }
            after
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let has_place = after_host.is_empty() || after_host.strip_prefix(':').is_some_and(is_port);
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
    has_place && !rest.contains(is_odd)
}

pub(crate) fn is_ipv6(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _zone)| address);
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Returns whether a region can stand in the name of a host and in a signature.
pub(crate) fn is_region(region: &str) -> bool {
    let is_odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    (1..=63).contains(&region.len()) && !region.contains(is_odd)
}

/// Returns whether others could read what goes to this address.
pub(crate) fn is_in_clear(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _port)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host != "localhost" && !is_loopback
}

/// Ends an endpoint that has a path with a slash: without it the SDK makes the bucket a part of its last name.
pub(crate) fn with_slash(endpoint: &str) -> String {
    let authority = endpoint.find("://").map_or(0, |at| at + 3);
    let has_path = endpoint[authority..].contains('/') && !endpoint.contains(['?', '#']);
    if has_path && !endpoint.ends_with('/') { format!("{endpoint}/") } else { endpoint.to_owned() }
}
