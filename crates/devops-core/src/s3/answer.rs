//! What an error of the SDK means.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ErrorMetadata, ProvideErrorMetadata, SdkError},
    operation::{RequestId, RequestIdExt},
    primitives::{DateTime, DateTimeFormat},
};

use super::{
    error_chain::chain,
    failure::{CallFailure, Trouble},
    response_error::{AskedBucket, OtherAnswer, does_not_exist, too_long},
    text::StoreText,
    unanswered::{ThroughProxy, without_answer},
};

impl CallFailure {
    /// Reads the SDK's error.
    pub fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let service = error.as_service_error().map(ProvideErrorMetadata::meta);
        if let Some(answer) = error.raw_response() {
            return Self::of_answer(operation, answer, service, error);
        }
        let is_unsent = matches!(error, SdkError::ConstructionFailure(_));
        let (trouble, message) = without_answer(error, is_unsent);
        let proxy = chain(error).find_map(|cause| cause.downcast_ref::<ThroughProxy>());
        let proxy = proxy.map(|through| through.proxy.to_string().into());
        Self { proxy, ..Self::local(operation, trouble, message) }
    }

    /// Reads an answer that is no success, and what the SDK understood of it.
    fn of_answer(
        operation: &'static str,
        answer: &HttpResponse,
        service: Option<&ErrorMetadata>,
        error: &(dyn Error + 'static),
    ) -> Self {
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name);
        let code = service.and_then(ErrorMetadata::code).map(StoreText::from);
        let is_code = |name: &str| code.as_ref().is_some_and(|code| *code == *name);
        let asked = answer.extension::<AskedBucket>();
        let message = match (service, asked) {
            // What stores say of it seldom names it.
            (_, Some(AskedBucket(bucket))) if is_code("NoSuchBucket") => does_not_exist(bucket),
            (Some(service), _) => service.message().unwrap_or_default().to_owned(),
            (None, _) => unread(status, error),
        };
        let body = answer.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        let region = header("x-amz-bucket-region").map(str::to_owned);
        let region = region.or_else(|| element(&body, "Region"));
        let text = code.as_ref().map(StoreText::as_sent).unwrap_or_default();
        let elsewhere = elsewhere(status, header("location"), &body);
        // The answer to a HEAD of one has no more than this header.
        let is_marker = status == 405 && header("x-amz-delete-marker") == Some("true");
        let trouble = match elsewhere.filter(|_| code.is_none() && region.is_none()) {
            Some(elsewhere) => elsewhere,
            None if is_marker => Trouble::DeleteMarker,
            None => trouble_of(status, text, &message, region),
        };
        let other = chain(error).find_map(|cause| cause.downcast_ref::<OtherAnswer>());
        // A success that broke off has no body here, and one that says what failed has a code.
        let is_whole = code.is_none() && matches!(status, 200..=299) && !body.is_empty();
        let is_too_long = matches!(status, 200..=299) && too_long(error).is_some();
        let status_message =
            (is_marker || message.is_empty() && code.is_none()).then(|| match &trouble {
                Trouble::DeleteMarker => {
                    "this version is a delete marker: it has no content".to_owned()
                }
                _ if matches!(status, 200..=299) => {
                    format!("HTTP {status} with a body that is not an S3 response")
                }
                Trouble::Elsewhere(address) => {
                    format!("HTTP {status}, which points to `{address}`")
                }
                Trouble::OtherScheme(scheme) => format!("HTTP {status}, which asks for {scheme}"),
                _ => format!("HTTP {status}"),
            });
        Self {
            operation,
            trouble: match other {
                Some(other) => other.trouble(),
                None if is_whole || is_too_long => Trouble::Unreadable,
                None => trouble,
            },
            code,
            message: other.map(ToString::to_string).or(status_message).unwrap_or(message).into(),
            request_id: request_id(answer, service),
            retry_after: retry_after(|name| header(name).map(str::to_owned)),
            server_date: header("date").map(StoreText::from),
            proxy: None,
            is_after_lost_answer: false,
        }
    }
}

/// Reads where an answer without a word of S3 points to: to another address, or from HTTP to TLS.
fn elsewhere(status: u16, location: Option<&str>, body: &str) -> Option<Trouble> {
    match (status, location) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            let (scheme, rest) = location.split_once("://")?;
            let host = rest.split(['/', '?', '#']).next()?;
            Some(Trouble::Elsewhere(format!("{scheme}://{host}").into()))
        }
        // What nginx, Apache, Go and Java say on a port of TLS to one who speaks HTTP.
        (400, _) => {
            let said = body.to_ascii_lowercase();
            let is_of_tls = ["https port", "https server", "ssl-enabled", "requires tls"];
            let is_of_tls = is_of_tls.iter().any(|words| said.contains(words));
            is_of_tls.then_some(Trouble::OtherScheme("https"))
        }
        _ => None,
    }
}

/// Describes the error in an answer that was not understood, without its content.
fn unread(status: u16, error: &(dyn Error + 'static)) -> String {
    match (too_long(error), chain(error).last()) {
        (Some(too_long), _) => format!("HTTP {status} with {too_long}"),
        (None, Some(cause)) => format!("HTTP {status} that could not be read: {cause}"),
        (None, None) => format!("HTTP {status}"),
    }
}

/// Returns how long an answer asks to wait: AWS in milliseconds, HTTP in seconds or until a date, which
/// is one of the store's clock (RFC 9110, 10.2.3).
fn retry_after(header: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    if let Some(millis) = header("x-amz-retry-after").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let text = header("retry-after")?;
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| DateTime::from_str(text, DateTimeFormat::HttpDate).ok();
    let seconds = date(&text)?.secs() - date(&header("date")?)?.secs();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

fn request_id(answer: &HttpResponse, service: Option<&ErrorMetadata>) -> Option<StoreText> {
    let id = answer.headers().request_id().or_else(|| service?.request_id())?;
    Some(match answer.headers().extended_request_id() {
        Some(extended) => format!("{id} {extended}").into(),
        None => id.into(),
    })
}

/// Returns the text of the first `<name>` in an XML answer.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text.to_owned())
}

/// Codes as in "Error responses" of the S3 API reference, and what other stores say instead.
pub(super) fn trouble_of(
    status: u16,
    code: &str,
    message: &str,
    region: Option<String>,
) -> Trouble {
    let speaks_of_checksum = || message.to_ascii_lowercase().contains("checksum");
    match (status, code) {
        (_, "NoSuchBucket") => Trouble::NoBucket,
        (_, "NoSuchKey" | "NoSuchVersion") => Trouble::NoObject,
        (_, "NoSuchUpload") => Trouble::NoUpload,
        (_, "InvalidObjectState") => Trouble::InColdStorage,
        (_, "GlacierExpeditedRetrievalNotAvailable") => Trouble::NoExpedited,
        (_, "PreconditionFailed") | (412, _) => Trouble::Exists,
        (_, "ConditionalRequestConflict" | "OperationAborted") => Trouble::Conflict,
        (_, "SlowDown" | "ServiceUnavailable" | "Throttling" | "RequestLimitExceeded")
        | (429, _) => Trouble::Throttled,
        (_, "RequestTimeTooSkewed") => Trouble::Clock,
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp" | "InvalidSecurity") => {
            Trouble::BadCredentials
        }
        (
            _,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidToken"
            | "RequestExpired"
            | "TokenRefreshRequired",
        ) => Trouble::Expired,
        (301 | 307, _)
        | (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException",
        ) => Trouble::OtherRegion(region.map(StoreText::from)),
        (400, "" | "Bad Request") if region.is_some() => {
            Trouble::OtherRegion(region.map(StoreText::from))
        }
        (_, "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody") => {
            Trouble::Damaged
        }
        (_, "RequestTimeout" | "InternalError") => Trouble::Server,
        (400 | 501, "InvalidArgument" | "InvalidRequest" | "NotImplemented")
            if speaks_of_checksum() =>
        {
            Trouble::ChecksumRefused
        }
        (501, _) => Trouble::ConditionRefused,
        (401 | 403, _) => Trouble::Denied,
        (404, _) => Trouble::NoObject,
        // A success that could not be read is a lost answer.
        (200..=299 | 408 | 500.., _) => Trouble::Server,
        _ => Trouble::Rejected,
    }
}

/// Returns the id of an upload in an answer that could not be read otherwise: that upload has to be removed.
pub(crate) fn id_of_unread<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let body = error.raw_response().filter(|answer| answer.status().is_success())?.body();
    element(&String::from_utf8_lossy(body.bytes()?), "UploadId").filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(status: u16, code: &str, message: &str) -> Trouble {
        trouble_of(status, code, message, None)
    }

    #[test]
    fn a_code_counts_more_than_the_status() {
        assert_eq!(trouble(404, "NoSuchBucket", ""), Trouble::NoBucket);
        assert_eq!(trouble(404, "NoSuchUpload", ""), Trouble::NoUpload);
        assert_eq!(trouble(503, "SlowDown", ""), Trouble::Throttled);
        assert_eq!(trouble(200, "InternalError", ""), Trouble::Server);
        assert_eq!(trouble(400, "ExpiredToken", ""), Trouble::Expired);
        assert_eq!(trouble(403, "RequestTimeTooSkewed", ""), Trouble::Clock);
        assert_eq!(trouble(403, "InvalidObjectState", ""), Trouble::InColdStorage);
        assert_eq!(trouble(503, "GlacierExpeditedRetrievalNotAvailable", ""), Trouble::NoExpedited);
    }

    #[test]
    fn a_status_without_a_code_is_understood() {
        assert_eq!(trouble(403, "", ""), Trouble::Denied);
        assert_eq!(trouble(404, "", ""), Trouble::NoObject);
        assert_eq!(trouble(412, "", ""), Trouble::Exists);
        assert_eq!(trouble(500, "", ""), Trouble::Server);
        assert_eq!(trouble(400, "", ""), Trouble::Rejected);
    }

    #[test]
    fn the_region_comes_from_the_answer() {
        let region = || Some("eu-west-1".to_owned());
        let other = || Trouble::OtherRegion(Some("eu-west-1".into()));

        assert_eq!(trouble_of(301, "", "", region()), other());
        assert_eq!(trouble_of(400, "", "", region()), other());
        assert_eq!(
            element("<Error><Region>eu-west-1</Region></Error>", "Region"),
            Some("eu-west-1".to_owned())
        );
    }

    #[test]
    fn an_answer_may_point_to_another_address() {
        let at = |address: &str| Some(Trouble::Elsewhere(address.into()));
        let moved = Some("https://s3.example.com:9000/bkt?list-type=2");
        let nginx = "<h1>400</h1>The plain HTTP request was sent to HTTPS port";
        let go = "Client sent an HTTP request to an HTTPS server.\n";

        for status in [301, 302, 307, 308] {
            assert_eq!(elsewhere(status, moved, ""), at("https://s3.example.com:9000"));
        }
        assert_eq!(elsewhere(301, Some("/bkt/"), ""), None);
        assert_eq!(elsewhere(301, None, ""), None);
        assert_eq!(elsewhere(200, moved, ""), None);
        for said in [nginx, go] {
            assert_eq!(elsewhere(400, None, said), Some(Trouble::OtherScheme("https")));
        }
        assert_eq!(elsewhere(400, None, "<Error><Code>BadRequest</Code></Error>"), None);
    }

    #[test]
    fn an_answer_may_ask_to_wait() {
        fn asks(headers: &[(&str, &str)]) -> Option<Duration> {
            retry_after(|name| {
                let found = headers.iter().find(|(header, _)| *header == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        }
        let now = ("date", "Thu, 26 Nov 2026 07:00:00 GMT");
        let date = ("retry-after", "Thu, 26 Nov 2026 07:01:30 GMT");
        let past = ("retry-after", "Thu, 26 Nov 2026 06:00:00 GMT");

        let both = asks(&[("retry-after", "7"), ("x-amz-retry-after", "1500")]);
        assert_eq!(both, Some(Duration::from_millis(1500)));
        assert_eq!(asks(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(asks(&[now, date]), Some(Duration::from_secs(90)));
        assert_eq!(asks(&[now, past]), Some(Duration::ZERO));
        assert_eq!(asks(&[date]), None);
        assert_eq!(asks(&[("retry-after", "soon")]), None);
        assert_eq!(asks(&[]), None);
    }

    #[test]
    fn a_store_without_checksums_is_recognized() {
        let message = "Unsupported header 'x-amz-checksum-crc64nvme' received for this API call.";

        assert_eq!(trouble(400, "InvalidArgument", message), Trouble::ChecksumRefused);
        assert_eq!(trouble(400, "InvalidArgument", "bad part"), Trouble::Rejected);
    }
}
