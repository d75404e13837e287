//! A doctor run under way.

use std::{cell::Cell, time::Duration};

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use time::OffsetDateTime;

use super::finding::{Finding, Severity};
use crate::s3::{
    error::request_error::{RequestError, RequestErrorKind},
    object::uri::S3Uri,
    request::context::{CancelPolicy, RequestOptions, S3Context},
};
use crate::{
    cancel::Cancelled,
    kind::{HasKind, Kind},
};

/// The options of a run of the doctor.
#[derive(Clone, Copy, Debug)]
pub struct DoctorOptions<'a> {
    /// The bucket, and the prefix below which probes are stored.
    pub prefix: &'a S3Uri,
    /// Is set if anything is written; much cannot be found out without.
    pub write: bool,
    /// The time here.
    pub now: OffsetDateTime,
}

/// An examination under way.
pub(super) struct DoctorRun<'a> {
    pub(super) context: S3Context<'a>,
    pub(super) options: DoctorOptions<'a>,
    pub(super) tell: &'a dyn Fn(Finding),
    pub(super) failed: Cell<Option<Kind>>,
    /// Is set if the bucket has versions, if the store tells.
    pub(super) keeps_versions: Cell<Option<bool>>,
}

/// A store that throttles gets this many retries.
const ATTEMPTS: u32 = 3;

impl DoctorRun<'_> {
    pub(super) fn report(&self, finding: Finding) {
        if finding.severity == Severity::Fail && self.failed.get().is_none() {
            // What the store cannot do is the answer no; a failed request says more.
            self.failed.set(Some(Kind::Mismatch));
        }
        (self.tell)(finding);
    }

    /// Tells that something which has to work does not.
    pub(super) fn report_failure(
        &self,
        check: &'static str,
        failure: &RequestError,
        advice: &'static str,
    ) {
        let kind = match failure.kind() {
            Kind::Failed | Kind::Exists => Kind::Mismatch,
            kind => kind,
        };
        if self.failed.get().is_none() {
            self.failed.set(Some(kind));
        }
        (self.tell)(Finding::fail(check, failure.to_string(), advice));
    }

    /// Makes a request; its failure is an answer like any other, but for a signal.
    pub(super) async fn ask<T, E, F>(
        &self,
        operation: &'static str,
        send: impl Fn(Client) -> F,
    ) -> Result<Result<T, RequestError>, Cancelled>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let request = RequestOptions { retry: false, ..self.context.metadata_request(operation) };
        self.ask_as(request, send).await
    }

    /// Makes a request that clears up, which no signal ends.
    pub(super) async fn ask_to_the_end<T, E, F>(
        &self,
        operation: &'static str,
        send: impl Fn(Client) -> F,
    ) -> Result<T, RequestError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let short = self.context.metadata_request(operation);
        let request = RequestOptions { retry: false, cancel_policy: CancelPolicy::Never, ..short };
        match self.ask_as(request, send).await {
            Ok(response) => response,
            Err(cancelled) => {
                let message = cancelled.to_string();
                Err(RequestError::local(
                    operation,
                    RequestErrorKind::Interrupted(cancelled),
                    message,
                ))
            }
        }
    }

    pub(super) async fn ask_as<T, E, F>(
        &self,
        request: RequestOptions<'_>,
        send: impl Fn(Client) -> F,
    ) -> Result<Result<T, RequestError>, Cancelled>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut attempt = 1;
        loop {
            let failure = match self.context.execute(request, &send).await {
                Ok((response, _)) => return Ok(Ok(response)),
                Err(failure) => failure,
            };
            if let RequestErrorKind::Interrupted(cancelled) = failure.error_kind {
                return Err(cancelled);
            }
            let passes = matches!(
                failure.error_kind,
                RequestErrorKind::Throttled | RequestErrorKind::Server
            );
            if attempt == ATTEMPTS || !passes {
                return Ok(Err(failure));
            }
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            attempt += 1;
        }
    }
}
