//! Another try where the store knows less than hoped, or another writer was quicker.

use std::time::Duration;

use super::{
    checksum_strategy::Protection,
    condition::Condition,
    error::S3Error,
    event::Event,
    failure::{CallFailure, Trouble},
    link::Link,
};

/// What was changed after a store's refusal.
#[derive(Default)]
pub(crate) struct Adjustments {
    conflicts: u32,
}

/// Other writers of the same key are waited for this often.
const CONFLICTS: u32 = 3;

impl Adjustments {
    /// Prepares another try, or gives the failure back.
    pub(crate) async fn adjust(
        &mut self,
        link: Link<'_>,
        protection: Protection,
        condition: &Condition,
        failure: CallFailure,
    ) -> Result<(), S3Error> {
        let store = link.store;
        let news = match failure.trouble {
            Trouble::ChecksumRefused if matches!(protection, Protection::Checksum(_)) => {
                store.give_up_checksums().then_some("checksum headers")
            }
            // Of the headers that are not implemented, these are left.
            Trouble::ConditionRefused
                if *condition == Condition::None
                    && matches!(protection, Protection::Checksum(_)) =>
            {
                store.give_up_checksums().then_some("checksum headers")
            }
            Trouble::ConditionRefused if *condition != Condition::None => {
                store.give_up_conditions().then_some("conditional writes")
            }
            // After this answer S3 wants a multipart upload begun anew.
            Trouble::Conflict if self.conflicts < CONFLICTS => {
                self.conflicts += 1;
                tokio::time::sleep(Duration::from_millis(100 << self.conflicts)).await;
                None
            }
            _ => return Err(failure.into()),
        };
        if let Some(what) = news {
            (link.events)(Event::Weaker(what));
        }
        Ok(())
    }
}

/// Says of a write whose condition failed, though the key was looked at before, that someone was quicker.
pub(crate) fn lost_race(error: S3Error) -> S3Error {
    let is_condition = |failure: &CallFailure| {
        // S3 answers 404 where `If-Match` meets no object at all.
        matches!(failure.trouble, Trouble::Exists | Trouble::NoObject)
    };
    let message = "someone else changed the object meanwhile";
    match error {
        S3Error::Exists(_) => {
            CallFailure::local("PutObject", Trouble::Conflict, message.to_owned()).into()
        }
        S3Error::Call(failure) if is_condition(&failure) => {
            CallFailure { trouble: Trouble::Conflict, message: message.into(), ..*failure }.into()
        }
        S3Error::LeftBehind { uri, upload_id, source } => {
            S3Error::LeftBehind { uri, upload_id, source: Box::new(lost_race(*source)) }
        }
        other => other,
    }
}
