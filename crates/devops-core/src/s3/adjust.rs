//! Another try where the store knows less than hoped, or another writer was quicker.

use std::time::Duration;

use super::{
    S3Error,
    condition::Condition,
    event::Event,
    failure::{CallFailure, Trouble},
    payload::Protection,
    task::Task,
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
        task: &Task<'_>,
        failure: CallFailure,
    ) -> Result<(), S3Error> {
        let store = task.link.store;
        let news = match failure.trouble {
            Trouble::ChecksumRefused if matches!(task.protection, Protection::Checksum(_)) => {
                store.give_up_checksums().then_some("checksum headers")
            }
            // Of the headers that are not implemented, these are left.
            Trouble::ConditionRefused
                if task.condition == Condition::None
                    && matches!(task.protection, Protection::Checksum(_)) =>
            {
                store.give_up_checksums().then_some("checksum headers")
            }
            Trouble::ConditionRefused if task.condition != Condition::None => {
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
            (task.link.events)(Event::Weaker(what));
        }
        Ok(())
    }
}
