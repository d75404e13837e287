//! A request that did not succeed: its kind, and what a person should read about it.

use std::{error::Error, fmt, time::Duration};

use super::credential_error::CredentialError;
use crate::s3::object::text::StoreText;
use crate::{
    cancel::Cancelled,
    kind::{HasKind, Kind},
    limits::Limit,
};

/// The sort of error a request met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// No connection was made: refused, no route, or the name is not known.
    Unreachable,
    /// The server's certificate is not trusted.
    Certificate,
    /// The region, or the endpoint, makes no address.
    NoAddress,
    /// The address speaks the other of `http` and `https`, which this is.
    OtherScheme(&'static str),
    /// The server is no store and redirects to this address.
    Elsewhere(StoreText),
    /// The host gives no file or memory for a connection.
    HostLimit(Limit),
    /// The connection was lost or nothing came in time; the request may have been carried out.
    Broken,
    /// The store asks for fewer requests.
    Throttled,
    /// The store failed; the request may have been carried out.
    Server,
    /// A success that came whole and is none of S3; the request may have been carried out.
    Unreadable,
    /// A success that is for something else than was asked; a write may have been carried out.
    OtherResponse,
    /// The bucket does not exist.
    NoBucket,
    /// The object does not exist.
    NoObject,
    /// The version is a delete marker, which has no content.
    DeleteMarker,
    /// The multipart upload does not exist, or no longer.
    NoUpload,
    /// A condition of the request does not hold: something has that key.
    Exists,
    /// Another conditional write to the same key is under way.
    Conflict,
    /// The bucket lives in another region, named if the store says which.
    OtherRegion(Option<StoreText>),
    /// There are no credentials, or no longer.
    NoCredentials(Box<CredentialError>),
    /// The store does not accept these credentials.
    BadCredentials,
    /// The credentials were good, and have ended.
    Expired,
    /// The clocks of this host and the store differ too much.
    Clock,
    /// The credentials do not allow it.
    Denied,
    /// The store does not know the checksum headers.
    ChecksumRefused,
    /// The store does not know conditional writes.
    ConditionRefused,
    /// The object is in an archive, from which the store has to fetch it first.
    InColdStorage,
    /// The store has no room for retrievals in minutes at present.
    NoExpedited,
    /// The store copies no such piece of another object.
    CopyRefused,
    /// The bytes arrived damaged.
    Damaged,
    /// The store finds the request wrong.
    Rejected,
    /// A signal came.
    Interrupted(Cancelled),
}

impl RequestErrorKind {
    /// Returns whether the same request may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Broken
                | Self::Throttled
                | Self::Server
                | Self::Unreadable
                | Self::Damaged
        )
    }

    /// Returns whether the request may have been carried out all the same.
    pub fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Broken
                | Self::Server
                | Self::Unreadable
                | Self::OtherResponse
                | Self::Interrupted(_)
        )
    }

    /// Returns whether the store knows no such request, or does not allow it, however it says so.
    pub(crate) fn is_unsupported_or_denied(&self) -> bool {
        matches!(
            self,
            Self::Denied
                | Self::Rejected
                | Self::ChecksumRefused
                | Self::ConditionRefused
                | Self::Unreadable
                | Self::OtherResponse
        )
    }

    /// Returns whether the store has nothing to tell, or does not tell it.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::NoObject | Self::DeleteMarker) || self.is_unsupported_or_denied()
    }

    /// Returns whether the store answered at all.
    pub fn is_response(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable
                | Self::Certificate
                | Self::NoAddress
                | Self::OtherScheme(_)
                | Self::HostLimit(_)
                | Self::Broken
                | Self::NoCredentials(_)
        )
    }
}

/// A request that did not succeed.
#[derive(Debug)]
pub struct RequestError {
    /// S3's name of the operation: `PutObject`.
    pub operation: &'static str,
    /// The sort of error.
    pub error_kind: RequestErrorKind,
    /// The store's code for it: `SlowDown`.
    pub code: Option<StoreText>,
    /// The message of the store or the network.
    pub message: StoreText,
    /// The ids that the store's operator asks for.
    pub request_id: Option<StoreText>,
    /// The date in the store's answer.
    pub server_date: Option<StoreText>,
    /// The pause that the store asks for.
    pub retry_after: Option<Duration>,
    /// The proxy that the request went through.
    pub proxy: Option<StoreText>,
    /// Is set if the same request was made before and may have been carried out then.
    pub is_after_lost_response: bool,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, code, message, request_id, proxy, .. } = self;
        write!(f, "{operation}")?;
        if let Some(code) = code {
            write!(f, ": {code}")?;
        }
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        if let (RequestErrorKind::Clock, Some(date)) = (&self.error_kind, &self.server_date) {
            write!(f, " (the store's clock says {date})")?;
        }
        if let Some(proxy) = proxy {
            write!(f, " (through {proxy})")?;
        }
        match request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl Error for RequestError {}

impl HasKind for RequestError {
    fn kind(&self) -> Kind {
        match self.error_kind {
            RequestErrorKind::Unreachable
            | RequestErrorKind::HostLimit(_)
            | RequestErrorKind::Broken
            | RequestErrorKind::Throttled
            | RequestErrorKind::Server
            | RequestErrorKind::Unreadable
            | RequestErrorKind::Conflict
            | RequestErrorKind::NoExpedited => Kind::Temporary,
            RequestErrorKind::NoBucket
            | RequestErrorKind::NoObject
            | RequestErrorKind::DeleteMarker
            | RequestErrorKind::NoUpload => Kind::NotFound,
            RequestErrorKind::Exists => Kind::Exists,
            RequestErrorKind::Certificate
            | RequestErrorKind::NoAddress
            | RequestErrorKind::OtherScheme(_)
            | RequestErrorKind::Elsewhere(_)
            | RequestErrorKind::OtherRegion(_) => Kind::Configuration,
            RequestErrorKind::NoCredentials(ref error) => error.kind(),
            RequestErrorKind::BadCredentials
            | RequestErrorKind::Expired
            | RequestErrorKind::Clock
            | RequestErrorKind::Denied => Kind::Permission,
            RequestErrorKind::Damaged | RequestErrorKind::OtherResponse => Kind::Mismatch,
            RequestErrorKind::ChecksumRefused
            | RequestErrorKind::ConditionRefused
            | RequestErrorKind::CopyRefused
            | RequestErrorKind::InColdStorage
            | RequestErrorKind::Rejected => Kind::Failed,
            RequestErrorKind::Interrupted(_) => Kind::Interrupted,
        }
    }
}

impl RequestError {
    /// Returns the store's code for it, or nothing.
    pub fn code(&self) -> &str {
        self.code.as_ref().map(StoreText::as_sent).unwrap_or_default()
    }

    /// Returns whether the request may have been carried out all the same, now or when it was tried before.
    pub fn is_ambiguous(&self) -> bool {
        match self.error_kind {
            // These are asked again in another way, after a look at what is there.
            RequestErrorKind::ChecksumRefused
            | RequestErrorKind::ConditionRefused
            | RequestErrorKind::Conflict => false,
            _ => self.error_kind.is_ambiguous() || self.is_after_lost_response,
        }
    }

    /// Returns a failure that did not come from the store.
    pub fn local(
        operation: &'static str,
        error_kind: RequestErrorKind,
        message: impl Into<StoreText>,
    ) -> Self {
        Self {
            operation,
            error_kind,
            code: None,
            message: message.into(),
            request_id: None,
            server_date: None,
            retry_after: None,
            proxy: None,
            is_after_lost_response: false,
        }
    }
}
