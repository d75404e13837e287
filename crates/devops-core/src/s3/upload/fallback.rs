//! Another try where the store knows less than hoped, or another writer was quicker.

use std::time::Duration;

use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{checksum_strategy::ChecksumStrategy, event::Event, precondition::Precondition},
    request::context::S3Context,
};

/// The fallbacks after a store refused a feature.
#[derive(Default)]
pub(crate) struct Fallbacks {
    conflicts: u32,
}

/// Other writers of the same key are waited for this often.
const CONFLICTS: u32 = 3;

impl Fallbacks {
    /// Prepares another try, or gives the failure back.
    pub(crate) async fn fall_back(
        &mut self,
        context: S3Context<'_>,
        checksum_strategy: ChecksumStrategy,
        precondition: &Precondition,
        failure: RequestError,
    ) -> Result<(), S3Error> {
        let store = context.store;
        let news = match failure.error_kind {
            RequestErrorKind::ChecksumRefused
                if matches!(checksum_strategy, ChecksumStrategy::Checksum(_)) =>
            {
                store.disable_checksums().then_some("checksum headers")
            }
            // Of the headers that are not implemented, these are left.
            RequestErrorKind::ConditionRefused
                if *precondition == Precondition::None
                    && matches!(checksum_strategy, ChecksumStrategy::Checksum(_)) =>
            {
                store.disable_checksums().then_some("checksum headers")
            }
            RequestErrorKind::ConditionRefused if *precondition != Precondition::None => {
                store.disable_preconditions().then_some("conditional writes")
            }
            // After this answer S3 wants a multipart upload begun anew.
            RequestErrorKind::Conflict if self.conflicts < CONFLICTS => {
                self.conflicts += 1;
                tokio::time::sleep(Duration::from_millis(100 << self.conflicts)).await;
                None
            }
            _ => return Err(failure.into()),
        };
        if let Some(what) = news {
            (context.events)(Event::FeatureUnsupported(what));
        }
        Ok(())
    }
}

/// Says of a write whose condition failed, though the key was looked at before, that someone was quicker.
pub(crate) fn lost_race(error: S3Error) -> S3Error {
    let is_condition = |failure: &RequestError| {
        // S3 answers 404 where `If-Match` meets no object at all.
        matches!(failure.error_kind, RequestErrorKind::Exists | RequestErrorKind::NoObject)
    };
    let message = "someone else changed the object during the upload";
    match error {
        S3Error::Exists(_) => {
            RequestError::local("PutObject", RequestErrorKind::Conflict, message.to_owned()).into()
        }
        S3Error::Request(failure) if is_condition(&failure) => RequestError {
            error_kind: RequestErrorKind::Conflict,
            message: message.into(),
            ..*failure
        }
        .into(),
        S3Error::AbortFailed { uri, upload_id, source } => {
            S3Error::AbortFailed { uri, upload_id, source: Box::new(lost_race(*source)) }
        }
        other => other,
    }
}
