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

use super::{
    access::{Hand, Renewal},
    body::Watch,
    cancel_token::CancelToken,
    content::Content,
    event::Event,
    failure::{CallFailure, Trouble},
    retry::{Tried, chance},
    store::Store,
};

/// What every operation needs: the store, when to stop, whom to tell.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    /// The store.
    pub store: &'a Store,
    /// When to stop.
    pub cancel_token: &'a CancelToken,
    /// Whom to tell.
    pub events: &'a dyn Fn(Event),
}

/// A request under way; the caller keeps its answer.
type Sending<'a> = LocalBoxFuture<'a, Result<(), CallFailure>>;

/// How one request is to be made.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// S3's name of the operation.
    pub(crate) operation: &'static str,
    /// How long the answer may take; with a body, after the body was sent.
    pub(crate) answer: Duration,
    /// The body's watch and size, for requests that carry data.
    pub(crate) body: Option<(&'a Watch, u64)>,
    /// What the body is made of: where that fails, another attempt would too.
    pub(crate) content: Option<&'a Content>,
    /// Whether to try again what may get better.
    pub(crate) retry: bool,
    /// Whether each request makes something new: one with an answer that cannot be read has done so.
    pub(crate) makes_anew: bool,
    /// How a signal ends it.
    pub(crate) cancel_policy: CancelPolicy,
}

impl Call<'_> {
    fn may_be_repeated(&self, failure: &CallFailure) -> bool {
        let has_made = self.makes_anew && failure.trouble == Trouble::Unreadable;
        self.retry && !has_made && !self.content.is_some_and(Content::has_failed)
    }
}

/// How a signal ends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelPolicy {
    AtOnce,
    /// Its answer is worth a moment, [`AfterSignal::answer`](super::AfterSignal::answer): it names an upload
    /// to abort, or an object that is whole.
    AfterAMoment,
    /// It clears up.
    Never,
}

/// A chain that gives other credentials each time, none of which the store takes, ends here.
const MOST_RENEWALS: u32 = 2;

impl<'a> Link<'a> {
    /// Returns how a short request is made.
    pub(crate) fn short(&self, operation: &'static str) -> Call<'a> {
        let answer = self.store.retry_config().answer();
        let cancel_policy = CancelPolicy::AtOnce;
        let (retry, makes_anew) = (true, false);
        Call { operation, answer, body: None, content: None, retry, makes_anew, cancel_policy }
    }

    /// Makes a request until it succeeds or there is no point in trying; returns the attempts too.
    pub(crate) async fn call<T, E, F>(
        &self,
        call: Call<'_>,
        send: impl Fn(Client) -> F,
    ) -> Result<(T, u32), CallFailure>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let answer = Cell::new(None);
        let n_attempts = self
            .send_with_retries(call, &|client| {
                let sending = send(client);
                // The SDK's futures are large, and there are many at a time.
                Box::pin(async {
                    let output = sending.await;
                    let output = output.map_err(|error| CallFailure::of(call.operation, &error))?;
                    answer.set(Some(output));
                    Ok(())
                })
            })
            .await?;
        if self.store.has_news_of_length() {
            (self.events)(Event::Weaker("the right length of checksums"));
        }
        Ok((answer.take().expect("a request that succeeded has an answer"), n_attempts))
    }

    /// Sends until it succeeds or there is no point in trying; returns the attempts.
    ///
    /// It knows nothing of the operation, so that it is compiled once and not once for each.
    async fn send_with_retries<'s>(
        &self,
        call: Call<'_>,
        send: &dyn Fn(Client) -> Sending<'s>,
    ) -> Result<u32, CallFailure> {
        let begun = Instant::now();
        let (mut attempt, mut n_renewals, mut has_lost_answer) = (0, 0, false);
        loop {
            self.heed(call).await?;
            attempt += 1;
            let hand = self.store.access().hand();
            let sending = send(hand.client.clone());
            let mut failure = match self.attempt(call, sending).await {
                Ok(()) => {
                    self.store.note_answer();
                    if call.body.is_some() {
                        self.store.lanes().succeeded();
                    }
                    return Ok(attempt);
                }
                Err(failure) => CallFailure { is_after_lost_answer: has_lost_answer, ..failure },
            };
            has_lost_answer |= failure.trouble.is_ambiguous();
            if failure.trouble.is_answer() {
                self.store.note_answer();
            }
            if let Trouble::OtherRegion(Some(region)) = &failure.trouble
                && self.store.access().move_to(region.as_sent(), &hand)
            {
                (self.events)(Event::Region(region.clone()));
                continue;
            }
            if failure.trouble == Trouble::Expired && n_renewals < MOST_RENEWALS {
                n_renewals += 1;
                // It is rare, and large.
                if Box::pin(self.renew(call, &hand, &mut failure)).await? {
                    continue;
                }
            }
            if failure.trouble == Trouble::Throttled && call.body.is_some() {
                self.store.lanes().halve();
            }
            let (elapsed, answered) = (begun.elapsed(), self.store.has_answered());
            let tried = Tried { attempt, elapsed, answered, asked: failure.retry_after };
            let pause = self.store.retry_config().pause(&failure.trouble, tried, chance());
            let Some(pause) = pause.filter(|_| call.may_be_repeated(&failure)) else {
                return Err(failure);
            };
            self.retry_after(call, &failure, (attempt, pause)).await?;
        }
    }

    /// Looks for newer credentials; returns whether there are any, and tells why not in the failure.
    async fn renew(
        &self,
        call: Call<'_>,
        hand: &Hand,
        failure: &mut CallFailure,
    ) -> Result<bool, CallFailure> {
        let renewed = tokio::select! {
            biased;
            failure = self.interrupted(call) => return Err(failure),
            renewed = self.store.access().renew(hand) => renewed,
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
    pub(crate) async fn heed(&self, call: Call<'_>) -> Result<(), CallFailure> {
        if call.cancel_policy != CancelPolicy::Never && self.cancel_token.check().is_err() {
            return Err(self.interrupted(call).await);
        }
        Ok(())
    }

    /// Waits before the next attempt, and tells of it.
    pub(crate) async fn retry_after(
        &self,
        call: Call<'_>,
        failure: &CallFailure,
        (attempt, pause): (u32, Duration),
    ) -> Result<(), CallFailure> {
        self.tell_retry(failure, attempt, pause);
        self.pause(call, pause).await
    }

    fn tell_retry(&self, failure: &CallFailure, attempt: u32, pause: Duration) {
        (self.events)(Event::Retry {
            operation: failure.operation,
            attempt,
            pause,
            reason: failure.to_string(),
        });
    }

    async fn pause(&self, call: Call<'_>, pause: Duration) -> Result<(), CallFailure> {
        tokio::select! {
            biased;
            failure = self.interrupted(call) => Err(failure),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    async fn interrupted(&self, call: Call<'_>) -> CallFailure {
        if call.cancel_policy == CancelPolicy::Never {
            return std::future::pending().await;
        }
        let cancelled = self.cancel_token.requested().await;
        if call.cancel_policy == CancelPolicy::AfterAMoment {
            tokio::time::sleep(self.store.retry_config().after_signal.answer).await;
        }
        CallFailure::local(call.operation, Trouble::Interrupted(cancelled), cancelled.to_string())
    }

    async fn attempt(&self, call: Call<'_>, sending: Sending<'_>) -> Result<(), CallFailure> {
        let result = tokio::select! {
            biased;
            failure = self.interrupted(call) => Err(failure),
            sent = sending => sent,
            failure = self.overdue(call) => Err(failure),
        };
        if let Some((watch, size)) = call.body {
            // What was reported on the way is made right: all of it, or nothing.
            let reported = watch.take_reported();
            let right = if result.is_ok() { size } else { 0 };
            (self.events)(Event::Moved(right.cast_signed() - reported.cast_signed()));
        }
        result
    }

    /// Waits until the request has taken too long.
    async fn overdue(&self, call: Call<'_>) -> CallFailure {
        let message = match call.body {
            None => {
                tokio::time::sleep(call.answer).await;
                "no answer in time"
            }
            Some((watch, size)) => {
                let limits = (self.store.retry_config().stall, call.answer);
                watch
                    .stalled(size, limits, |moved| (self.events)(Event::Moved(moved.cast_signed())))
                    .await;
                "the connection stands still"
            }
        };
        CallFailure::local(call.operation, Trouble::Broken, message)
    }
}
