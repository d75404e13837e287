//! One request to a store, with everything that can go wrong around it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use futures_util::future::LocalBoxFuture;

use super::{request_body::Content, stall_detector::StallDetector};
use crate::s3::{
    error::request_error::{RequestError, RequestErrorKind},
    object::event::Event,
    store::{
        cancel_token::CancelToken,
        client::{ClientSnapshot, Renewal},
        retry_policy::{Attempt, jitter},
        s3_store::Store,
    },
};

/// The context of an operation: the store, the cancellation and the event callback.
#[derive(Clone, Copy)]
pub struct S3Context<'a> {
    /// The store.
    pub store: &'a Store,
    /// The cancellation.
    pub cancel_token: &'a CancelToken,
    /// Whom to tell.
    pub events: &'a dyn Fn(Event),
}

/// A request under way; the caller keeps its answer.
type Sending<'a> = LocalBoxFuture<'a, Result<(), RequestError>>;

/// The options of a request.
#[derive(Clone, Copy)]
pub(crate) struct RequestOptions<'a> {
    /// S3's name of the operation.
    pub(crate) operation: &'static str,
    /// The timeout of the response; with a body, from the end of the body.
    pub(crate) response_timeout: Duration,
    /// The body's watch and size, for requests that carry data.
    pub(crate) body: Option<(&'a StallDetector, u64)>,
    /// The source of the body: where it fails, another attempt would too.
    pub(crate) content: Option<&'a Content>,
    /// Is set if to try again what may get better.
    pub(crate) retry: bool,
    /// Is set if each request makes something new: one with an answer that cannot be read has done so.
    pub(crate) creates: bool,
    /// The effect of a signal on it.
    pub(crate) cancel_policy: CancelPolicy,
}

impl RequestOptions<'_> {
    fn may_retry(&self, failure: &RequestError) -> bool {
        let has_made = self.creates && failure.error_kind == RequestErrorKind::Unreadable;
        self.retry && !has_made && !self.content.is_some_and(Content::has_failed)
    }
}

/// The effect of a signal on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelPolicy {
    AtOnce,
    /// Its answer is worth a moment, [`AfterSignal::response_timeout`](crate::s3::AfterSignal::response_timeout): it names an upload
    /// to abort, or an object that is whole.
    AfterAMoment,
    /// It clears up.
    Never,
}

/// A chain that gives other credentials each time, none of which the store takes, ends here.
const MOST_RENEWALS: u32 = 2;

impl<'a> S3Context<'a> {
    /// Returns how a short request is made.
    pub(crate) fn metadata_request(&self, operation: &'static str) -> RequestOptions<'a> {
        let response_timeout = self.store.retry_config().response_timeout();
        let cancel_policy = CancelPolicy::AtOnce;
        let (retry, creates) = (true, false);
        RequestOptions {
            operation,
            response_timeout,
            body: None,
            content: None,
            retry,
            creates,
            cancel_policy,
        }
    }

    /// Makes a request until it succeeds or there is no point in trying; returns the attempts too.
    pub(crate) async fn execute<T, E, F>(
        &self,
        request: RequestOptions<'_>,
        send: impl Fn(Client) -> F,
    ) -> Result<(T, u32), RequestError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let response = Cell::new(None);
        let n_attempts = self
            .send_with_retries(request, &|client| {
                let sending = send(client);
                // The SDK's futures are large, and there are many at a time.
                Box::pin(async {
                    let output = sending.await;
                    let output =
                        output.map_err(|error| RequestError::of(request.operation, &error))?;
                    response.set(Some(output));
                    Ok(())
                })
            })
            .await?;
        if self.store.has_news_of_length() {
            (self.events)(Event::FeatureUnsupported("the right length of checksums"));
        }
        Ok((response.take().expect("a request that succeeded has an answer"), n_attempts))
    }

    /// Sends until it succeeds or there is no point in trying; returns the attempts.
    ///
    /// It knows nothing of the operation, so that it is compiled once and not once for each.
    async fn send_with_retries<'s>(
        &self,
        request: RequestOptions<'_>,
        send: &dyn Fn(Client) -> Sending<'s>,
    ) -> Result<u32, RequestError> {
        let begun = Instant::now();
        let (mut attempt, mut n_renewals, mut has_lost_response) = (0, 0, false);
        loop {
            self.check_cancelled(request).await?;
            attempt += 1;
            let snapshot = self.store.client().current();
            let sending = send(snapshot.client.clone());
            let mut failure = match self.attempt(request, sending).await {
                Ok(()) => {
                    self.store.note_response();
                    if request.body.is_some() {
                        self.store.limiter().succeeded();
                    }
                    return Ok(attempt);
                }
                Err(failure) => {
                    RequestError { is_after_lost_response: has_lost_response, ..failure }
                }
            };
            has_lost_response |= failure.error_kind.is_ambiguous();
            if failure.error_kind.is_response() {
                self.store.note_response();
            }
            if let RequestErrorKind::OtherRegion(Some(region)) = &failure.error_kind
                && self.store.client().move_to(region.as_sent(), &snapshot)
            {
                (self.events)(Event::Region(region.clone()));
                continue;
            }
            if failure.error_kind == RequestErrorKind::Expired && n_renewals < MOST_RENEWALS {
                n_renewals += 1;
                // It is rare, and large.
                if Box::pin(self.renew(request, &snapshot, &mut failure)).await? {
                    continue;
                }
            }
            if failure.error_kind == RequestErrorKind::Throttled && request.body.is_some() {
                self.store.limiter().back_off();
            }
            let (elapsed, has_answered) = (begun.elapsed(), self.store.has_answered());
            let last_attempt =
                Attempt { number: attempt, elapsed, has_answered, asked: failure.retry_after };
            let pause =
                self.store.retry_config().pause(&failure.error_kind, last_attempt, jitter());
            let Some(pause) = pause.filter(|_| request.may_retry(&failure)) else {
                return Err(failure);
            };
            self.retry_after(request, &failure, attempt, pause).await?;
        }
    }

    /// Looks for newer credentials; returns whether there are any, and tells why not in the failure.
    async fn renew(
        &self,
        request: RequestOptions<'_>,
        snapshot: &ClientSnapshot,
        failure: &mut RequestError,
    ) -> Result<bool, RequestError> {
        let renewed = tokio::select! {
            biased;
            failure = self.interrupted(request) => return Err(failure),
            renewed = self.store.client().renew(snapshot) => renewed,
            () = tokio::time::sleep(self.store.retry_config().budget(false)) => {
                let message = &failure.message;
                let late = "looking for newer credentials took too long";
                failure.message = format!("{message}; {late}").into();
                return Ok(false);
            }
        };
        match renewed {
            Ok(Renewal::New) => (self.events)(Event::Renewed),
            Ok(Renewal::Already) => {}
            Ok(Renewal::Same) => return Ok(false),
            Err(error) => {
                failure.message = format!("{}; {error}", failure.message).into();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fails once a signal has come; not at once, where others that are under way are worth a moment.
    pub(crate) async fn check_cancelled(
        &self,
        request: RequestOptions<'_>,
    ) -> Result<(), RequestError> {
        if request.cancel_policy != CancelPolicy::Never && self.cancel_token.check().is_err() {
            return Err(self.interrupted(request).await);
        }
        Ok(())
    }

    /// Waits before the next attempt, and tells of it.
    pub(crate) async fn retry_after(
        &self,
        request: RequestOptions<'_>,
        failure: &RequestError,
        attempt: u32,
        pause: Duration,
    ) -> Result<(), RequestError> {
        self.report_retry(failure, attempt, pause);
        self.pause(request, pause).await
    }

    fn report_retry(&self, failure: &RequestError, attempt: u32, pause: Duration) {
        (self.events)(Event::Retry {
            operation: failure.operation,
            attempt,
            pause,
            reason: failure.to_string(),
        });
    }

    async fn pause(
        &self,
        request: RequestOptions<'_>,
        pause: Duration,
    ) -> Result<(), RequestError> {
        tokio::select! {
            biased;
            failure = self.interrupted(request) => Err(failure),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    async fn interrupted(&self, request: RequestOptions<'_>) -> RequestError {
        if request.cancel_policy == CancelPolicy::Never {
            return std::future::pending().await;
        }
        let cancelled = self.cancel_token.requested().await;
        if request.cancel_policy == CancelPolicy::AfterAMoment {
            tokio::time::sleep(self.store.retry_config().after_signal.response_timeout).await;
        }
        RequestError::local(
            request.operation,
            RequestErrorKind::Interrupted(cancelled),
            cancelled.to_string(),
        )
    }

    async fn attempt(
        &self,
        request: RequestOptions<'_>,
        sending: Sending<'_>,
    ) -> Result<(), RequestError> {
        let result = tokio::select! {
            biased;
            failure = self.interrupted(request) => Err(failure),
            sent = sending => sent,
            failure = self.overdue(request) => Err(failure),
        };
        if let Some((stall_detector, size)) = request.body {
            // What was reported on the way is made right: all of it, or nothing.
            let reported = stall_detector.take_reported();
            let right = if result.is_ok() { size } else { 0 };
            (self.events)(Event::BytesTransferred(right.cast_signed() - reported.cast_signed()));
        }
        result
    }

    /// Waits until the request has taken too long.
    async fn overdue(&self, request: RequestOptions<'_>) -> RequestError {
        let message = match request.body {
            None => {
                tokio::time::sleep(request.response_timeout).await;
                "no answer in time"
            }
            Some((stall_detector, size)) => {
                let limits = (self.store.retry_config().stall, request.response_timeout);
                stall_detector
                    .stalled(size, limits, |moved| {
                        (self.events)(Event::BytesTransferred(moved.cast_signed()));
                    })
                    .await;
                "the connection stands still"
            }
        };
        RequestError::local(request.operation, RequestErrorKind::Broken, message)
    }
}
