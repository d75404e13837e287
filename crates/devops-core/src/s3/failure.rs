//! What an answer of the SDK means: which trouble it is, and what a person should read about it.

use std::{error::Error, fmt, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{RequestId, RequestIdExt},
};

use crate::{
    cancel::Cancelled,
    kind::{HasKind, Kind},
};

/// The sort of trouble a request met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection was made: refused, no route, or the name is not known.
    Unreachable,
    /// The server's certificate is not trusted.
    Certificate,
    /// The connection was lost or nothing came in time; the request may have been carried out.
    Broken,
    /// The store asks for fewer requests.
    Throttled,
    /// The store failed; the request may have been carried out.
    Server,
    /// The bucket does not exist.
    NoBucket,
    /// The object does not exist.
    NoObject,
    /// The multipart upload does not exist, or no longer.
    NoUpload,
    /// A condition of the request does not hold: something has that key.
    Exists,
    /// Another conditional write to the same key is under way.
    Conflict,
    /// The bucket lives in another region, named if the store says which.
    OtherRegion(Option<String>),
    /// No credentials were found.
    NoCredentials,
    /// The store does not accept these credentials.
    BadCredentials,
    /// The clocks of this host and the store differ too much.
    Clock,
    /// The credentials do not allow it.
    Denied,
    /// The store does not know the checksum headers.
    ChecksumRefused,
    /// The store does not know conditional writes.
    ConditionRefused,
    /// The bytes arrived damaged.
    Damaged,
    /// The store finds the request wrong.
    Rejected,
    /// A signal came.
    Interrupted(Cancelled),
}

impl Trouble {
    /// Returns whether the same request may well succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Broken | Self::Throttled | Self::Server | Self::Damaged
        )
    }

    /// Returns whether the request may have been carried out all the same.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Broken | Self::Server | Self::Interrupted(_))
    }

    /// Returns whether the store answered at all.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreachable | Self::Certificate | Self::Broken | Self::NoCredentials)
    }
}

/// A request that did not succeed.
#[derive(Debug)]
pub struct CallFailure {
    /// S3's name of the operation: `PutObject`.
    pub operation: &'static str,
    /// The sort of trouble.
    pub trouble: Trouble,
    /// The store's code for it: `SlowDown`.
    pub code: Option<String>,
    /// What the store, or the network, says.
    pub message: String,
    /// The ids that the store's operator asks for.
    pub request_id: Option<String>,
    /// The date in the store's answer.
    pub server_date: Option<String>,
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, code, message, request_id, .. } = self;
        write!(f, "{operation}")?;
        if let Some(code) = code {
            write!(f, ": {code}")?;
        }
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        if let (Trouble::Clock, Some(date)) = (&self.trouble, &self.server_date) {
            write!(f, " (the store's clock says {date})")?;
        }
        match request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl Error for CallFailure {}

impl HasKind for CallFailure {
    fn kind(&self) -> Kind {
        match self.trouble {
            Trouble::Unreachable | Trouble::Broken | Trouble::Throttled | Trouble::Server => {
                Kind::Temporary
            }
            Trouble::NoBucket | Trouble::NoObject | Trouble::NoUpload => Kind::NotFound,
            Trouble::Exists => Kind::Exists,
            Trouble::Conflict => Kind::Temporary,
            Trouble::Certificate | Trouble::OtherRegion(_) => Kind::Configuration,
            Trouble::NoCredentials | Trouble::BadCredentials | Trouble::Clock | Trouble::Denied => {
                Kind::Permission
            }
            Trouble::Damaged => Kind::Mismatch,
            Trouble::ChecksumRefused | Trouble::ConditionRefused | Trouble::Rejected => {
                Kind::Failed
            }
            Trouble::Interrupted(_) => Kind::Interrupted,
        }
    }
}

impl CallFailure {
    /// Returns a failure that did not come from the store.
    pub fn local(operation: &'static str, trouble: Trouble, message: impl Into<String>) -> Self {
        Self {
            operation,
            trouble,
            code: None,
            message: message.into(),
            request_id: None,
            server_date: None,
        }
    }

    /// Reads the SDK's error.
    pub fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let Some(answer) = error.raw_response() else {
            let (trouble, message) = without_answer(error);
            return Self::local(operation, trouble, message);
        };
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).map(str::to_owned);
        let service = error.as_service_error();
        let code = service.and_then(ProvideErrorMetadata::code).map(str::to_owned);
        let message = match service {
            Some(service) => service.message().unwrap_or_default().to_owned(),
            None => DisplayErrorContext(error).to_string(),
        };
        let body = answer.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        let region = header("x-amz-bucket-region").or_else(|| element(&body, "Region"));
        let status_message =
            (message.is_empty() && code.is_none()).then(|| format!("HTTP {status}"));
        Self {
            operation,
            trouble: of_answer(status, code.as_deref().unwrap_or_default(), &message, region),
            code,
            message: status_message.unwrap_or(message),
            request_id: request_id(error),
            server_date: header("date"),
        }
    }
}

fn request_id<E>(error: &SdkError<E, HttpResponse>) -> Option<String>
where
    E: Error + ProvideErrorMetadata,
{
    let answer = error.raw_response()?;
    let id =
        answer.headers().request_id().or_else(|| error.as_service_error()?.meta().request_id())?;
    Some(match answer.headers().extended_request_id() {
        Some(extended) => format!("{id} {extended}"),
        None => id.to_owned(),
    })
}

/// Returns the text of the first `<name>` in an XML answer.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text.to_owned())
}

/// Codes as in "Error responses" of the S3 API reference, and what other stores say instead.
fn of_answer(status: u16, code: &str, message: &str, region: Option<String>) -> Trouble {
    let speaks_of_checksum = || message.to_ascii_lowercase().contains("checksum");
    match (status, code) {
        (_, "NoSuchBucket") => Trouble::NoBucket,
        (_, "NoSuchKey" | "NoSuchVersion") => Trouble::NoObject,
        (_, "NoSuchUpload") => Trouble::NoUpload,
        (_, "PreconditionFailed") | (412, _) => Trouble::Exists,
        (_, "ConditionalRequestConflict" | "OperationAborted") => Trouble::Conflict,
        (_, "SlowDown" | "ServiceUnavailable" | "Throttling" | "RequestLimitExceeded")
        | (429, _) => Trouble::Throttled,
        (_, "RequestTimeTooSkewed") => Trouble::Clock,
        (
            _,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "NotSignedUp"
            | "InvalidSecurity",
        ) => Trouble::BadCredentials,
        (301 | 307, _)
        | (
            _,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException",
        ) => Trouble::OtherRegion(region),
        (400, "" | "Bad Request") if region.is_some() => Trouble::OtherRegion(region),
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

/// Finds out why no answer came.
fn without_answer<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> (Trouble, String) {
    let chain: Vec<_> = chain(error).collect();
    let text = DisplayErrorContext(error).to_string();
    if let Some(credentials) =
        chain.iter().find_map(|cause| cause.downcast_ref::<CredentialsError>())
    {
        return (Trouble::NoCredentials, credential_message(credentials));
    }
    // The innermost cause says what happened; the wrappers only say that something did.
    let message = chain.last().map(ToString::to_string).unwrap_or_default();
    let refused = chain.iter().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        use io::ErrorKind as Io;
        matches!(error.kind(), Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable)
    });
    let trouble = if text.contains("invalid peer certificate") {
        Trouble::Certificate
    } else if refused || text.contains("dns error") || text.contains("connect timeout") {
        Trouble::Unreachable
    } else if matches!(error, SdkError::ConstructionFailure(_)) {
        Trouble::Rejected
    } else {
        Trouble::Broken
    };
    (trouble, message)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Says in one line why no credentials could be had.
pub(crate) fn credential_message(error: &CredentialsError) -> String {
    let message = chain(error).last().map(ToString::to_string).unwrap_or_default();
    match error {
        CredentialsError::CredentialsNotLoaded(_) => "no credentials were found".to_owned(),
        _ => format!("credentials could not be loaded: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(status: u16, code: &str, message: &str) -> Trouble {
        of_answer(status, code, message, None)
    }

    #[test]
    fn a_code_counts_more_than_the_status() {
        assert_eq!(trouble(404, "NoSuchBucket", ""), Trouble::NoBucket);
        assert_eq!(trouble(404, "NoSuchUpload", ""), Trouble::NoUpload);
        assert_eq!(trouble(503, "SlowDown", ""), Trouble::Throttled);
        assert_eq!(trouble(200, "InternalError", ""), Trouble::Server);
        assert_eq!(trouble(400, "ExpiredToken", ""), Trouble::BadCredentials);
        assert_eq!(trouble(403, "RequestTimeTooSkewed", ""), Trouble::Clock);
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

        assert_eq!(of_answer(301, "", "", region()), Trouble::OtherRegion(region()));
        assert_eq!(of_answer(400, "", "", region()), Trouble::OtherRegion(region()));
        assert_eq!(
            element("<Error><Region>eu-west-1</Region></Error>", "Region"),
            Some("eu-west-1".to_owned())
        );
    }

    #[test]
    fn a_store_without_checksums_is_recognized() {
        let message = "Unsupported header 'x-amz-checksum-crc64nvme' received for this API call.";

        assert_eq!(trouble(400, "InvalidArgument", message), Trouble::ChecksumRefused);
        assert_eq!(trouble(400, "InvalidArgument", "bad part"), Trouble::Rejected);
    }
}
