//! Addresses of services, and what in them gives access: user and password, a token, a signature.

use std::borrow::Cow;

/// Parts of the names of settings that say who asks and not where the state is.
const NAMES: [&str; 9] = [
    "password",
    "secret",
    "token",
    "access_key",
    "credentials",
    "private_key",
    "encryption_key",
    "certificate",
    "username",
];

/// Names of what gives access within an address: those above, and shorter ones.
const PARAMETERS: [&str; 6] = ["auth", "credential", "key", "pass", "sas", "sig"];

/// Returns whether a setting of this name says who asks.
pub(super) fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|word| name.contains(word))
}

/// Returns user and password in an address.
pub(super) fn user_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest[..end].rsplit_once('@').map(|(user, _)| user)
}

/// Returns the password in an address, or the user where there is none.
pub(super) fn password_of(text: &str) -> Option<&str> {
    let user = user_of(text).or_else(|| user_with_slash(text))?;
    Some(user.split_once(':').map_or(user, |(_, password)| password))
}

/// Returns user and password where a slash was not escaped in them: what follows the colon is no port then.
fn user_with_slash(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, _) = rest.split_once('/')?;
    let (_, port) = authority.split_once(':')?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    rest.rsplit_once('@').filter(|_| !is_port).map(|(user, _)| user)
}

/// Returns the parameters of an address that give access: `sig` of a signed one, a token.
pub(super) fn parameters_of(text: &str) -> impl Iterator<Item = &str> {
    let query = text.split_once('?').filter(|(address, _)| address.contains("://"));
    let pairs = query.into_iter().flat_map(|(_, query)| query.split(['&', '#']));
    pairs.filter_map(|pair| pair.split_once('=')).filter_map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        let gives = is_credential(&lower) || PARAMETERS.iter().any(|word| lower.contains(word));
        gives.then_some(value)
    })
}

/// Writes something in place of what gives access in the addresses that stand in a text.
///
/// The user of an address without a password is a name, such as `git`, except over HTTP, where it is a token.
pub(super) fn without_access<'a>(text: &'a str, hidden: &str) -> Cow<'a, str> {
    let mut clean = String::new();
    let (mut done, mut from) = (0, 0);
    while let Some(at) = text[from..].find("://").map(|at| from + at) {
        let end = text[at..].find(is_end).map_or(text.len(), |end| at + end);
        let is_http = text[..at].ends_with("http") || text[..at].ends_with("https");
        let address = &text[at..end];
        let password = password_of(address)
            .filter(|_| is_http || user_of(address).is_none_or(|user| user.contains(':')));
        for part in password.into_iter().chain(parameters_of(address)) {
            let start = part.as_ptr().addr() - text.as_ptr().addr();
            if !part.is_empty() && start >= done {
                clean.push_str(&text[done..start]);
                clean.push_str(hidden);
                done = start + part.len();
            }
        }
        from = end;
    }
    if done == 0 { Cow::Borrowed(text) } else { Cow::Owned(clean + &text[done..]) }
}

/// Returns whether a character ends an address that stands in a text.
fn is_end(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`<>".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_access_is_hidden_in_the_addresses_of_a_text() {
        for (text, clean) in [
            (
                "Downloading git::https://oauth2:t0ken@h/x.git?ref=v1 for a...",
                "Downloading git::https://oauth2:*@h/x.git?ref=v1 for a...",
            ),
            ("source = \"https://t0ken@h/x\"", "source = \"https://*@h/x\""),
            (
                "\u{1b}[1mhttps://h/x.zip?archive=zip&token=t0ken\u{1b}[0m",
                "\u{1b}[1mhttps://h/x.zip?archive=zip&token=*\u{1b}[0m",
            ),
            ("a https://u:p@h b ssh://u:pw@h/x?sig=s c", "a https://u:*@h b ssh://u:*@h/x?sig=* c"),
            ("git::ssh://git@github.com/a/b.git", "git::ssh://git@github.com/a/b.git"),
            ("https://h/a@b?version=1 and user@host", "https://h/a@b?version=1 and user@host"),
            ("://", "://"),
        ] {
            assert_eq!(without_access(text, "*"), clean);
        }
    }
}
