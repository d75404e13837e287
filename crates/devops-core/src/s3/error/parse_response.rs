//! Parses errors of the SDK.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ErrorMetadata, ProvideErrorMetadata, SdkError},
    operation::{RequestId, RequestIdExt},
    primitives::{DateTime, DateTimeFormat},
};

use super::{
    error_chain::chain,
    no_response::{ThroughProxy, without_answer},
    request_error::{RequestError, RequestErrorKind},
    response_error::{AskedBucket, OtherResponse, does_not_exist, too_long},
};
use crate::s3::object::text::StoreText;

impl RequestError {
    /// Reads the SDK's error.
    pub fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let service = error.as_service_error().map(ProvideErrorMetadata::meta);
        if let Some(response) = error.raw_response() {
            return Self::of_response(operation, response, service, error);
        }
        let is_unsent = matches!(error, SdkError::ConstructionFailure(_));
        let (error_kind, message) = without_answer(error, is_unsent);
        let proxy = chain(error).find_map(|cause| cause.downcast_ref::<ThroughProxy>());
        let proxy = proxy.map(|through| through.proxy.to_string().into());
        Self { proxy, ..Self::local(operation, error_kind, message) }
    }

    /// Reads an answer that is no success, and what the SDK understood of it.
    fn of_response(
        operation: &'static str,
        response: &HttpResponse,
        service: Option<&ErrorMetadata>,
        error: &(dyn Error + 'static),
    ) -> Self {
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name);
        let code = service.and_then(ErrorMetadata::code).map(StoreText::from);
        let is_code = |name: &str| code.as_ref().is_some_and(|code| *code == *name);
        let asked = response.extension::<AskedBucket>();
        let message = match (service, asked) {
            // What stores say of it seldom names it.
            (_, Some(AskedBucket(bucket))) if is_code("NoSuchBucket") => does_not_exist(bucket),
            (Some(service), _) => service.message().unwrap_or_default().to_owned(),
            (None, _) => unread(status, error),
        };
        let body = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        let region = header("x-amz-bucket-region").map(str::to_owned);
        let region = region.or_else(|| element(&body, "Region"));
        let text = code.as_ref().map(StoreText::as_sent).unwrap_or_default();
        let elsewhere = elsewhere(status, header("location"), &body);
        // The answer to a HEAD of one has no more than this header.
        let is_marker = status == 405 && header("x-amz-delete-marker") == Some("true");
        let error_kind = match elsewhere.filter(|_| code.is_none() && region.is_none()) {
            Some(elsewhere) => elsewhere,
            None if is_marker => RequestErrorKind::DeleteMarker,
            None => error_kind_of(status, text, &message, region),
        };
        let other = chain(error).find_map(|cause| cause.downcast_ref::<OtherResponse>());
        // A success that broke off has no body here, and one that says what failed has a code.
        let is_whole = code.is_none() && matches!(status, 200..=299) && !body.is_empty();
        let is_too_long = matches!(status, 200..=299) && too_long(error).is_some();
        let status_message =
            (is_marker || message.is_empty() && code.is_none()).then(|| match &error_kind {
                RequestErrorKind::DeleteMarker => {
                    "this version is a delete marker: it has no content".to_owned()
                }
                _ if matches!(status, 200..=299) => {
                    format!("HTTP {status} with a body that is not an S3 response")
                }
                RequestErrorKind::Elsewhere(address) => {
                    format!("HTTP {status}, which points to `{address}`")
                }
                RequestErrorKind::OtherScheme(scheme) => {
                    format!("HTTP {status}, which asks for {scheme}")
                }
                _ => format!("HTTP {status}"),
            });
        Self {
            operation,
            error_kind: match other {
                Some(other) => other.error_kind(),
                None if is_whole || is_too_long => RequestErrorKind::Unreadable,
                None => error_kind,
            },
            code,
            message: other.map(ToString::to_string).or(status_message).unwrap_or(message).into(),
            request_id: request_id(response, service),
            retry_after: retry_after(|name| header(name).map(str::to_owned)),
            server_date: header("date").map(StoreText::from),
            proxy: None,
            is_after_lost_response: false,
        }
    }
}

/// Reads where an answer without a word of S3 points to: to another address, or from HTTP to TLS.
fn elsewhere(status: u16, location: Option<&str>, body: &str) -> Option<RequestErrorKind> {
    match (status, location) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            let (scheme, rest) = location.split_once("://")?;
            let host = rest.split(['/', '?', '#']).next()?;
            Some(RequestErrorKind::Elsewhere(format!("{scheme}://{host}").into()))
        }
        // What nginx, Apache, Go and Java say on a port of TLS to one who speaks HTTP.
        (400, _) => {
            let said = body.to_ascii_lowercase();
            let is_of_tls = ["https port", "https server", "ssl-enabled", "requires tls"];
            let is_of_tls = is_of_tls.iter().any(|words| said.contains(words));
            is_of_tls.then_some(RequestErrorKind::OtherScheme("https"))
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

fn request_id(response: &HttpResponse, service: Option<&ErrorMetadata>) -> Option<StoreText> {
    let id = response.headers().request_id().or_else(|| service?.request_id())?;
    Some(match response.headers().extended_request_id() {
        Some(extended) => format!("{id} {extended}").into(),
        None => id.into(),
    })
}

/// Returns the text of the first `<name>` in an XML answer.
pub(in crate::s3) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text.to_owned())
}

/// Codes as in "Error responses" of the S3 API reference, and what other stores say instead.
pub(in crate::s3) fn error_kind_of(
    status: u16,
    code: &str,
    message: &str,
    region: Option<String>,
) -> RequestErrorKind {
    let speaks_of_checksum = || message.to_ascii_lowercase().contains("checksum");
    match (status, code) {
        (_, "NoSuchBucket") => RequestErrorKind::NoBucket,
        (_, "NoSuchKey" | "NoSuchVersion") => RequestErrorKind::NoObject,
        (_, "NoSuchUpload") => RequestErrorKind::NoUpload,
        (_, "InvalidObjectState") => RequestErrorKind::InColdStorage,
        (_, "GlacierExpeditedRetrievalNotAvailable") => RequestErrorKind::NoExpedited,
        (_, "PreconditionFailed") | (412, _) => RequestErrorKind::Exists,
        (_, "ConditionalRequestConflict" | "OperationAborted") => RequestErrorKind::Conflict,
        (_, "SlowDown" | "ServiceUnavailable" | "Throttling" | "RequestLimitExceeded")
        | (429, _) => RequestErrorKind::Throttled,
        (_, "RequestTimeTooSkewed") => RequestErrorKind::Clock,
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp" | "InvalidSecurity") => {
            RequestErrorKind::BadCredentials
        }
        (
            _,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidToken"
            | "RequestExpired"
            | "TokenRefreshRequired",
        ) => RequestErrorKind::Expired,
        (301 | 307, _)
        | (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException",
        ) => RequestErrorKind::OtherRegion(region.map(StoreText::from)),
        (400, "" | "Bad Request") if region.is_some() => {
            RequestErrorKind::OtherRegion(region.map(StoreText::from))
        }
        (_, "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody") => {
            RequestErrorKind::Damaged
        }
        (_, "RequestTimeout" | "InternalError") => RequestErrorKind::Server,
        (400 | 501, "InvalidArgument" | "InvalidRequest" | "NotImplemented")
            if speaks_of_checksum() =>
        {
            RequestErrorKind::ChecksumRefused
        }
        (501, _) => RequestErrorKind::ConditionRefused,
        (401 | 403, _) => RequestErrorKind::Denied,
        (404, _) => RequestErrorKind::NoObject,
        // A success that could not be read is a lost answer.
        (200..=299 | 408 | 500.., _) => RequestErrorKind::Server,
        _ => RequestErrorKind::Rejected,
    }
}

/// Returns the id of an upload in an answer that could not be read otherwise: that upload has to be removed.
pub(crate) fn id_of_unread<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let body = error.raw_response().filter(|response| response.status().is_success())?.body();
    element(&String::from_utf8_lossy(body.bytes()?), "UploadId").filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_kind(status: u16, code: &str, message: &str) -> RequestErrorKind {
        error_kind_of(status, code, message, None)
    }

    #[test]
    fn a_code_counts_more_than_the_status() {
        assert_eq!(error_kind(404, "NoSuchBucket", ""), RequestErrorKind::NoBucket);
        assert_eq!(error_kind(404, "NoSuchUpload", ""), RequestErrorKind::NoUpload);
        assert_eq!(error_kind(503, "SlowDown", ""), RequestErrorKind::Throttled);
        assert_eq!(error_kind(200, "InternalError", ""), RequestErrorKind::Server);
        assert_eq!(error_kind(400, "ExpiredToken", ""), RequestErrorKind::Expired);
        assert_eq!(error_kind(403, "RequestTimeTooSkewed", ""), RequestErrorKind::Clock);
        assert_eq!(error_kind(403, "InvalidObjectState", ""), RequestErrorKind::InColdStorage);
        assert_eq!(
            error_kind(503, "GlacierExpeditedRetrievalNotAvailable", ""),
            RequestErrorKind::NoExpedited
        );
    }

    #[test]
    fn a_status_without_a_code_is_understood() {
        assert_eq!(error_kind(403, "", ""), RequestErrorKind::Denied);
        assert_eq!(error_kind(404, "", ""), RequestErrorKind::NoObject);
        assert_eq!(error_kind(412, "", ""), RequestErrorKind::Exists);
        assert_eq!(error_kind(500, "", ""), RequestErrorKind::Server);
        assert_eq!(error_kind(400, "", ""), RequestErrorKind::Rejected);
    }

    #[test]
    fn the_region_comes_from_the_answer() {
        let region = || Some("eu-west-1".to_owned());
        let other = || RequestErrorKind::OtherRegion(Some("eu-west-1".into()));

        assert_eq!(error_kind_of(301, "", "", region()), other());
        assert_eq!(error_kind_of(400, "", "", region()), other());
        assert_eq!(
            element("<Error><Region>eu-west-1</Region></Error>", "Region"),
            Some("eu-west-1".to_owned())
        );
    }

    #[test]
    fn an_answer_may_point_to_another_address() {
        let at = |address: &str| Some(RequestErrorKind::Elsewhere(address.into()));
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
            assert_eq!(elsewhere(400, None, said), Some(RequestErrorKind::OtherScheme("https")));
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

        assert_eq!(error_kind(400, "InvalidArgument", message), RequestErrorKind::ChecksumRefused);
        assert_eq!(error_kind(400, "InvalidArgument", "bad part"), RequestErrorKind::Rejected);
    }
}
