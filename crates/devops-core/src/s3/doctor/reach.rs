//! Is set if the store can be reached, with whose credentials, and where it is.

use std::{net::SocketAddr, time::Duration};

use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_s3::types::EncodingType;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use tokio::net::{TcpStream, lookup_host};

use super::{doctor_run::DoctorRun, finding::Finding};
use crate::{
    cancel::Cancelled,
    s3::{
        error::request_error::{RequestError, RequestErrorKind},
        object::endpoint::is_in_clear,
        object::text::StoreText,
    },
};

/// A clock that is off by this much is worth a word.
const NOTICEABLE: u64 = 60;
/// S3 refuses requests that are off by more (S3 API reference, `RequestTimeTooSkewed`).
const REFUSED: u64 = 900;

const TIME_TO_CONNECT: Duration = Duration::from_secs(3);

impl DoctorRun<'_> {
    /// Tells where the credentials come from.
    pub(super) fn credentials(&self) {
        let Some(credentials) = self.context.store.client().credentials() else {
            self.report(Finding::ok("credentials", "none: requests are not signed"));
            return;
        };
        let key = masked(credentials.access_key_id());
        let features = credentials.get_property::<Vec<AwsCredentialFeature>>();
        let source = source(features.map(Vec::as_slice).unwrap_or_default());
        let Some(end) = credentials.expiry().map(OffsetDateTime::from) else {
            self.report(Finding::ok("credentials", format!("{key} from {source}, without an end")));
            return;
        };
        let left = end - self.options.now;
        let message = format!("{key} from {source}, until {}", shown(end));
        self.report(if left.is_positive() {
            Finding::ok("credentials", message)
        } else {
            Finding::warn("credentials", format!("{message}: they have ended"), "log in again")
        });
    }

    /// Makes the first request; returns whether there is any point in another one.
    pub(super) async fn reach(&self) -> Result<bool, Cancelled> {
        let prefix = self.options.prefix;
        let listed = self
            .ask("ListObjectsV2", |client| {
                let request = client.list_objects_v2().bucket(&prefix.bucket).max_keys(1);
                request.prefix(&prefix.key).encoding_type(EncodingType::Url).send()
            })
            .await?;
        if let Err(failure) = &listed
            && !failure.error_kind.is_response()
        {
            let failure = tokio::select! {
                biased;
                cancelled = self.context.cancel_token.requested() => return Err(cancelled),
                failure = self.layers(failure) => failure,
            };
            self.report_failure("endpoint", &failure, advice(&failure.error_kind));
            return Ok(false);
        }
        self.surroundings();
        match listed {
            Ok(_) => self.report(Finding::ok("list", "allowed")),
            Err(failure) if failure.error_kind == RequestErrorKind::Denied => {
                let message = format!("not allowed: {failure}");
                let advice = "`list`, `sync`, `prune` and finding a base need s3:ListBucket";
                self.report(Finding::warn("list", message, advice));
            }
            Err(failure) => {
                let check = match failure.error_kind {
                    RequestErrorKind::BadCredentials | RequestErrorKind::Expired => "credentials",
                    RequestErrorKind::Clock => "clock",
                    RequestErrorKind::OtherRegion(_) => "region",
                    RequestErrorKind::NoBucket | RequestErrorKind::NoObject => "bucket",
                    _ => "list",
                };
                self.report_failure(check, &failure, advice(&failure.error_kind));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells what the first answer says beside the answer.
    fn surroundings(&self) {
        let (store, interceptor) = (self.context.store, self.context.store.interceptor());
        let url = interceptor.url().unwrap_or_default();
        let (scheme, host, port) = address(url).unwrap_or(("", "", 0));
        let server = interceptor.server().map_or_else(String::new, |name| format!(", `{name}`"));
        let quirks = store.quirks();
        let provider = if quirks.is_unknown() { "no store with known quirks" } else { quirks.name };
        let trust = if scheme == "https" { ", its certificate is trusted" } else { "" };
        let message = format!("{host}:{port} answers{trust}{server}: {provider}");
        self.report(if is_in_clear(url) {
            let message = format!("{message}; plain HTTP: anybody on the way can read what is put");
            Finding::warn("endpoint", message, "use an https endpoint")
        } else {
            Finding::ok("endpoint", message)
        });
        if let Some(there) = interceptor.date().and_then(|date| parse_date(date.as_sent())) {
            self.report(clock(there, OffsetDateTime::now_utc()));
        }
        let asked = store.address().region.as_deref();
        self.report(region(asked, interceptor.region().as_ref()));
        let bucket = &self.options.prefix.bucket;
        let style = if host.starts_with(&format!("{bucket}.")) {
            "the bucket stands in the host's name"
        } else {
            "the bucket stands in the path"
        };
        self.report(Finding::ok("style", style));
    }

    /// Finds out how far the way to the store goes.
    async fn layers(&self, failure: &RequestError) -> RequestError {
        let say = |message: String| RequestError {
            message: message.into(),
            ..RequestError::local(failure.operation, failure.error_kind.clone(), "")
        };
        let Some((_, host, port)) = self.context.store.interceptor().url().and_then(address) else {
            return say(failure.message.to_string());
        };
        let found: Vec<SocketAddr> = match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(error) => return say(format!("DNS does not know `{host}`: {error}")),
        };
        let mut refused = String::new();
        for address in &found {
            match tokio::time::timeout(TIME_TO_CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(_)) => {
                    let what = if failure.error_kind == RequestErrorKind::Certificate {
                        "TLS"
                    } else {
                        "HTTP"
                    };
                    return say(format!(
                        "{host} is {address}, which takes connections; {what} fails: {}",
                        failure.message
                    ));
                }
                Ok(Err(error)) => refused = format!("{address}: {error}"),
                Err(_late) => refused = format!("{address} does not answer"),
            }
        }
        say(format!("`{host}` takes no connection: {refused}"))
    }
}

fn advice(error_kind: &RequestErrorKind) -> &'static str {
    match error_kind {
        RequestErrorKind::Unreachable => {
            "check --endpoint-url and the network; many stores need --path-style"
        }
        RequestErrorKind::Certificate => "name the store's certificate authority with --ca-bundle",
        RequestErrorKind::NoBucket | RequestErrorKind::NoObject => {
            "create the bucket, or name another one"
        }
        RequestErrorKind::BadCredentials => "check the access key and its secret",
        RequestErrorKind::Expired => "log in again",
        RequestErrorKind::Clock => "set this host's clock",
        RequestErrorKind::OtherRegion(_) => "pass the bucket's --region",
        _ => "try again later",
    }
}

/// Shows enough of a key to know it again.
fn masked(key: &str) -> String {
    let key: Vec<char> = key.chars().collect();
    let shown = |part: &[char]| part.iter().collect::<String>();
    match key.len() {
        0..=8 => "****".to_owned(),
        n => format!("{}****{}", shown(&key[..4]), shown(&key[n - 4..])),
    }
}

/// Says in words which provider of the chain gave credentials.
fn source(features: &[AwsCredentialFeature]) -> &'static str {
    use AwsCredentialFeature as By;
    let names = features.iter().rev().filter_map(|feature| {
        Some(match feature {
            By::CredentialsEnvVars => "the environment",
            By::CredentialsProfile | By::CredentialsProfileSourceProfile => "a profile",
            By::CredentialsProcess | By::CredentialsProfileProcess => "a profile's program",
            By::CredentialsSso | By::CredentialsProfileSso => "single sign-on",
            By::CredentialsStsAssumeRole => "an assumed role",
            By::CredentialsStsAssumeRoleWebId
            | By::CredentialsEnvVarsStsWebIdToken
            | By::CredentialsProfileStsWebIdToken => "a web identity",
            By::CredentialsHttp => "the container's address",
            By::CredentialsImds => "the host's metadata service",
            _ => return None,
        })
    });
    names.into_iter().next().unwrap_or("the AWS chain")
}

/// Splits an address into scheme, host and port.
fn address(url: &str) -> Option<(&str, &str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let usual = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    Some((scheme, host.trim_start_matches('[').trim_end_matches(']'), port))
}

fn parse_date(text: &str) -> Option<OffsetDateTime> {
    // HTTP names the zone, where mail counts its hours.
    OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok()
}

fn clock(there: OffsetDateTime, here: OffsetDateTime) -> Finding {
    let seconds = (there - here).whole_seconds();
    let way = if seconds > 0 { "behind" } else { "ahead of" };
    let seconds = seconds.unsigned_abs();
    if seconds < NOTICEABLE {
        return Finding::ok("clock", "this host's and the store's agree");
    }
    let message = format!("this host's is {seconds} s {way} the store's");
    let message = if seconds < REFUSED {
        message
    } else {
        format!("{message}: without a correction requests are refused")
    };
    Finding::warn("clock", message, "set this host's clock")
}

fn region(asked: Option<&str>, found: Option<&StoreText>) -> Finding {
    match (asked, found) {
        (Some(asked), Some(found)) if *found != asked => Finding {
            advice: Some(format!("pass --region {found}").into()),
            ..Finding::warn("region", format!("the bucket is in {found}, not in {asked}"), None)
        },
        (_, Some(found)) => Finding::ok("region", format!("the bucket is in {found}")),
        (asked, None) => {
            let asked = asked.unwrap_or("no region");
            Finding::ok("region", format!("{asked} is taken; the store does not name the bucket's"))
        }
    }
}

fn shown(time: OffsetDateTime) -> String {
    let seconds = time.replace_nanosecond(0).unwrap_or(time);
    seconds.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{super::finding::Severity, *};

    #[test]
    fn a_key_is_known_again_but_not_given_away() {
        assert_eq!(masked("AKIAIOSFODNN7EXAMPLE"), "AKIA****MPLE");
        assert_eq!(masked("short"), "****");
    }

    #[test]
    fn an_address_has_a_port_written_or_not() {
        assert_eq!(
            address("https://b.s3.example.com/k?x"),
            Some(("https", "b.s3.example.com", 443))
        );
        assert_eq!(address("http://[::1]:9000/"), Some(("http", "::1", 9000)));
        assert_eq!(address("http://[::1]/"), Some(("http", "::1", 80)));
    }

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let there = parse_date("Wed, 25 Nov 2026 12:00:00 GMT").unwrap();

        assert_eq!(there, datetime!(2026-11-25 12:00 UTC));
        assert_eq!(clock(there, datetime!(2026-11-25 12:00:59 UTC)).severity, Severity::Ok);
        let behind = clock(there, datetime!(2026-11-25 11:00 UTC));
        assert_eq!(behind.severity, Severity::Warn);
        assert!(behind.message.contains("this host's is 3600 s behind"), "{behind:?}");
    }

    #[test]
    fn a_wrong_region_is_named_with_the_right_one() {
        let found = StoreText::from;
        assert_eq!(region(Some("a"), Some(&found("a"))).severity, Severity::Ok);
        assert_eq!(region(Some("a"), Some(&found("b"))).advice, Some("pass --region b".into()));
        assert_eq!(region(Some("a"), None).severity, Severity::Ok);
    }
}
