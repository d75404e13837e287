//! What a store can do, found out by asking it, and what that means for puts.
//!
//! `reach` finds the store, `settings` reads the bucket's, and `probe` stores small objects of its own and
//! deletes them. Each tells [`Finding`]s; what later runs can use is [`Known`].

mod deletion;
mod encryption;
mod multipart;
mod probe;
mod reach;
mod settings;

use std::{cell::Cell, time::Duration};

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

use super::{
    failure::{CallFailure, Trouble},
    known::Known,
    link::{Call, Link, StopPolicy},
    proof::Proof,
    text::StoreText,
    uri::S3Uri,
};
use crate::{
    cancel::Cancelled,
    kind::{HasKind, Kind},
};
use probe::Probe;

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Puts work, but something is worth knowing.
    Warn,
    /// Puts or gets do not work.
    Fail,
}

impl Level {
    /// Returns its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `versioning`.
    pub check: &'static str,
    /// How good it is.
    pub level: Level,
    /// What was found, and what it means.
    pub message: StoreText,
    /// What to do about it.
    pub advice: Option<StoreText>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<StoreText>) -> Self {
        Self { check, level: Level::Ok, message: message.into(), advice: None }
    }

    fn warn(
        check: &'static str,
        message: impl Into<StoreText>,
        advice: impl Into<Option<&'static str>>,
    ) -> Self {
        let advice = advice.into().map(StoreText::from);
        Self { check, level: Level::Warn, message: message.into(), advice }
    }

    fn fail(
        check: &'static str,
        message: impl Into<StoreText>,
        advice: impl Into<Option<&'static str>>,
    ) -> Self {
        Self { level: Level::Fail, ..Self::warn(check, message, advice) }
    }
}

/// What is to be examined.
#[derive(Clone, Copy, Debug)]
pub struct Examined<'a> {
    /// The bucket, and the prefix below which probes are stored.
    pub prefix: &'a S3Uri,
    /// Whether anything is written; much cannot be found out without.
    pub write: bool,
    /// The time here.
    pub now: OffsetDateTime,
}

/// What all findings come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What later runs can use.
    pub known: Known,
    /// How well puts will be proven; nothing if that was not found out.
    pub proof: Option<Proof>,
    /// Why puts or gets do not work, if they do not.
    pub failed: Option<Kind>,
}

/// Examines a store and tells what it finds; fails only when a signal comes.
///
/// What it stored is deleted at its end, whatever that is.
pub fn diagnose<'a>(
    link: Link<'a>,
    examined: Examined<'a>,
    tell: &'a dyn Fn(Finding),
) -> LocalBoxFuture<'a, Result<Diagnosis, Cancelled>> {
    Box::pin(async move {
        let (failed, keeps_versions) = (Cell::default(), Cell::default());
        let examination = Examination { link, examined, tell, failed, keeps_versions };
        let mut diagnosis = Diagnosis::default();
        examination.credentials();
        if examination.reach().await? {
            let locks = examination.settings().await?;
            if examined.write && !locks {
                diagnosis = Probe::new(&examination).run().await?;
            } else {
                let why = if locks { "new objects would be locked" } else { "--no-write" };
                let message =
                    format!("not tried ({why}): nothing is known of checksums and conditions");
                examination.tell(Finding::warn("put", message, None));
            }
        }
        diagnosis.failed = examination.failed.get();
        Ok(diagnosis)
    })
}

/// An examination under way.
struct Examination<'a> {
    link: Link<'a>,
    examined: Examined<'a>,
    tell: &'a dyn Fn(Finding),
    failed: Cell<Option<Kind>>,
    /// Whether the bucket has versions, if the store tells.
    keeps_versions: Cell<Option<bool>>,
}

/// A store that asks for patience gets this much of it.
const ATTEMPTS: u32 = 3;

impl Examination<'_> {
    fn tell(&self, finding: Finding) {
        if finding.level == Level::Fail && self.failed.get().is_none() {
            // What the store cannot do is the answer no; a failed request says more.
            self.failed.set(Some(Kind::Mismatch));
        }
        (self.tell)(finding);
    }

    /// Tells that something which has to work does not.
    fn tell_failure(&self, check: &'static str, failure: &CallFailure, advice: &'static str) {
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
    async fn ask<T, E, F>(
        &self,
        operation: &'static str,
        send: impl Fn(Client) -> F,
    ) -> Result<Result<T, CallFailure>, Cancelled>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let call = Call { retry: false, ..self.link.short(operation) };
        self.ask_as(call, send).await
    }

    /// Makes a request that clears up, which no signal ends.
    async fn ask_to_the_end<T, E, F>(
        &self,
        operation: &'static str,
        send: impl Fn(Client) -> F,
    ) -> Result<T, CallFailure>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let short = self.link.short(operation);
        let call = Call { retry: false, stop: StopPolicy::Never, ..short };
        match self.ask_as(call, send).await {
            Ok(answer) => answer,
            Err(cancelled) => {
                let message = cancelled.to_string();
                Err(CallFailure::local(operation, Trouble::Interrupted(cancelled), message))
            }
        }
    }

    async fn ask_as<T, E, F>(
        &self,
        call: Call<'_>,
        send: impl Fn(Client) -> F,
    ) -> Result<Result<T, CallFailure>, Cancelled>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut attempt = 1;
        loop {
            let failure = match self.link.call(call, &send).await {
                Ok((answer, _)) => return Ok(Ok(answer)),
                Err(failure) => failure,
            };
            if let Trouble::Interrupted(cancelled) = failure.trouble {
                return Err(cancelled);
            }
            let passes = matches!(failure.trouble, Trouble::Throttled | Trouble::Server);
            if attempt == ATTEMPTS || !passes {
                return Ok(Err(failure));
            }
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            attempt += 1;
        }
    }
}
