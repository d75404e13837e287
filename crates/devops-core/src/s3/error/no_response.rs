//! The reason a request got no answer.

use std::{error::Error, fmt, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::DisplayErrorContext;

use super::{
    credential_error::CredentialError, error_chain::chain, proxy::Proxy,
    request_error::RequestErrorKind, response_error::too_long,
};
use crate::{limits::Limit, roots::NoRoots};

/// An error of a request that went through a proxy.
#[derive(Debug)]
pub(crate) struct ThroughProxy {
    pub(crate) proxy: Proxy,
    pub(crate) source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for ThroughProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a request through {} failed", self.proxy)
    }
}

impl Error for ThroughProxy {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The message of the HTTP library for a proxy that needs a user.
pub(crate) const NEEDS_USER: &str = "proxy authorization required";

/// The words of the TLS library about a certificate that is not accepted.
pub(crate) const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// The server answers plain HTTP in TLS.
#[derive(Debug, thiserror::Error)]
#[error("the address speaks TLS")]
pub(crate) struct SpeaksTls;

/// Finds out why no answer came, and says it without the names of the libraries' types.
pub(in crate::s3) fn without_answer(
    error: &(dyn Error + 'static),
    is_unsent: bool,
) -> (RequestErrorKind, String) {
    let causes: Vec<_> = chain(error).collect();
    if let Some(error) = causes.iter().find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        let error = CredentialError::at_a_request(error);
        let message = error.to_string();
        return (RequestErrorKind::NoCredentials(Box::new(error)), message);
    }
    // The innermost cause says what happened; the wrappers only say that something did.
    let message = causes.last().map(ToString::to_string).unwrap_or_default();
    let text = DisplayErrorContext(error).to_string();
    let refused =
        causes.iter().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
            use io::ErrorKind as Io;
            matches!(
                error.kind(),
                Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable
            )
        });
    if too_long(error).is_some() {
        (RequestErrorKind::Unreadable, message)
    } else if let Some(limit @ Limit::Files) = Limit::within(error) {
        // Only opening a socket can fail so: nothing was sent.
        (RequestErrorKind::HostLimit(limit), message)
    } else if text.contains("ResolveEndpointError") {
        // Some wrappers show it, and do not give it as their source.
        (RequestErrorKind::NoAddress, no_address(&message))
    } else if causes.iter().any(|cause| cause.is::<SpeaksTls>()) {
        (
            RequestErrorKind::OtherScheme("https"),
            "the endpoint is http://, and TLS answers there".to_owned(),
        )
    } else if text.contains("InvalidContentType") {
        let message = "the endpoint is https://, and what answers there is no TLS";
        (RequestErrorKind::OtherScheme("http"), message.to_owned())
    } else if causes.iter().any(|cause| cause.is::<NoRoots>()) {
        (RequestErrorKind::Certificate, message)
    } else if text.contains(BAD_CERTIFICATE) {
        (RequestErrorKind::Certificate, certificate(&message))
    } else if refused || text.contains("dns error") || text.contains("connect timeout") {
        (RequestErrorKind::Unreachable, message)
    } else if text.contains(NEEDS_USER) {
        (RequestErrorKind::Denied, "the proxy asks for a name and a password".to_owned())
    } else if let Some(at) = message.find("tunnel error") {
        (
            RequestErrorKind::Unreachable,
            format!("the proxy makes no way to the store: {}", &message[at..]),
        )
    } else if text.contains("hyper::Error(Parse(") {
        (RequestErrorKind::Unreadable, format!("what answers does not speak HTTP: {message}"))
    } else if is_unsent {
        (RequestErrorKind::Rejected, message)
    } else {
        (RequestErrorKind::Broken, message)
    }
}

/// Leaves the request out that the library may show behind its words.
fn no_address(message: &str) -> String {
    if message.contains("request `") {
        return "the endpoint, the region and the bucket make no address".to_owned();
    }
    message.to_owned()
}

/// Says what is wrong with a certificate, for which the library has names of types.
fn certificate(message: &str) -> String {
    let what =
        message.rsplit_once(&format!("{BAD_CERTIFICATE}: ")).map_or(message, |(_, what)| what);
    let known = [
        (
            "CaUsedAsEndEntity",
            "it is one of an authority, as self-signed ones are, and none of those that are trusted",
        ),
        ("UnknownIssuer", "its issuer is not trusted"),
        ("BadSignature", "its signature is wrong"),
        ("BadEncoding", "it cannot be read"),
        ("Revoked", "it was revoked"),
    ];
    let said = known.iter().find(|(name, _)| what.contains(name)).map(|(_, said)| *said);
    let said = said.map_or_else(|| names_in_words(what), str::to_owned);
    format!("the store's certificate is not accepted: {said}")
}

/// Turns `DnsName("a")` into `a` in backticks, and `UnsupportedExtension` into words.
fn names_in_words(text: &str) -> String {
    let mut words = text.to_owned();
    for kind in ["DnsName(", "IpAddress(", "Other(", "OtherError("] {
        words = words.replace(kind, "");
    }
    let words = words.replace([')', '('], "").replace('"', "`");
    let mut plain = String::new();
    let mut last = ' ';
    for c in words.chars() {
        if last.is_lowercase() && c.is_uppercase() {
            plain.push(' ');
            plain.extend(c.to_lowercase());
        } else {
            plain.push(c);
        }
        last = c;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_judged_in_words() {
        for (library, said) in [
            ("invalid peer certificate: UnknownIssuer", "its issuer is not trusted"),
            (
                "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
                "it is one of an authority, as self-signed ones are, and none of those that are trusted",
            ),
            (
                "invalid peer certificate: certificate not valid for name \"a.example\"; certificate is only valid for DnsName(\"b.example\")",
                "certificate not valid for name `a.example`; certificate is only valid for `b.example`",
            ),
            (
                "invalid peer certificate: UnhandledCriticalExtension",
                "Unhandled critical extension",
            ),
        ] {
            assert_eq!(
                certificate(library),
                format!("the store's certificate is not accepted: {said}")
            );
        }
    }

    #[test]
    fn a_request_that_a_library_shows_is_left_out() {
        let shown = "failed to apply endpoint `http://` to request `Request { headers: secret }`";

        assert_eq!(no_address(shown), "the endpoint, the region and the bucket make no address");
        assert_eq!(no_address("Invalid region"), "Invalid region");
    }
}
