//! The completion of a multipart upload: on a condition, confirmed, and found out about when its answer is lost.

use super::{
    condition::Condition,
    error::S3Error,
    event::Event,
    failure::{CallFailure, Trouble},
    link::Link,
    proof::Sent,
    requests::Form,
    response::{Answer, StoredPart, Upload},
    settle::{Settled, confirm, find_ours, resolve},
    task::Task,
};

impl Task<'_> {
    /// Makes the parts into an object and confirms it.
    pub(crate) async fn complete(
        &self,
        upload: &Upload,
        mut parts: Vec<StoredPart>,
    ) -> Result<(Sent, Settled), S3Error> {
        parts.sort_by_key(|part| part.number);
        let sent = Sent::of_parts(parts);
        let write = self.write(&sent, Some(&upload.id));
        let settled = match self.complete_on_condition(upload, &sent).await {
            Ok(mut answer) => {
                // It does not tell of a customer's key; the answers to all parts did.
                answer.given.customer_algorithm = write.wanted.key_md5.map(|_| "AES256".to_owned());
                confirm(&self.link, &upload.uri, write, &answer).await?
            }
            Err(failure) if leaves_open(&failure) => {
                resolve(&self.link, &upload.uri, write, failure).await?
            }
            // This attempt was refused; an earlier one may have been carried out.
            Err(failure) if failure.is_after_lost_answer => {
                let ours = find_ours(&self.link, &upload.uri, write).await?;
                if ours.is_none() {
                    // A signal may have ended the look.
                    self.link.cancel_token.check()?;
                }
                ours.ok_or(failure)?
            }
            Err(failure) => return Err(failure.into()),
        };
        Ok((sent, settled))
    }

    /// Completes an upload; where the store does not know the condition, after a look whether it holds.
    async fn complete_on_condition(
        &self,
        upload: &Upload,
        sent: &Sent,
    ) -> Result<Answer, CallFailure> {
        let answer = self.link.complete_as_taken(upload, sent, &self.condition).await;
        let is_refused = |failure: &CallFailure| failure.trouble == Trouble::ConditionRefused;
        if self.condition == Condition::None || !answer.as_ref().is_err_and(is_refused) {
            return answer;
        }
        if self.link.store.give_up_conditions() {
            (self.link.events)(Event::Weaker("conditional writes"));
        }
        self.check_condition().await?;
        self.link.complete_as_taken(upload, sent, &Condition::None).await
    }

    /// Fails like a conditional completion would, unless the condition holds now.
    async fn check_condition(&self) -> Result<(), CallFailure> {
        let head = self.link.head(self.uri).await?;
        let trouble = match (&self.condition, head) {
            (Condition::None, _) | (Condition::Free, None) => return Ok(()),
            (_, Some(head)) if head.id.as_ref() == Some(&self.id) => return Ok(()),
            (Condition::Is(etag), Some(head)) if head.etag.as_ref() == Some(etag) => return Ok(()),
            (Condition::Is(_), None) => Trouble::NoObject,
            (_, Some(_)) => Trouble::Exists,
        };
        let message = "the object is not what it was";
        Err(CallFailure::local("CompleteMultipartUpload", trouble, message))
    }
}

impl Link<'_> {
    /// Completes an upload; again in the plain form where the store does not take what says more.
    pub(crate) async fn complete_as_taken(
        &self,
        upload: &Upload,
        sent: &Sent,
        condition: &Condition,
    ) -> Result<Answer, CallFailure> {
        if self.store.knows_checksums() {
            let answer = self.complete(upload, sent, condition, Form::Checked).await;
            if !answer.as_ref().is_err_and(|failure| says_too_much(failure, condition)) {
                return answer;
            }
            if self.store.give_up_checksums() {
                (self.events)(Event::Weaker("checksum headers"));
            }
        }
        self.complete(upload, sent, condition, Form::Plain).await
    }
}

/// Returns whether a completion failed because of what it said beside its parts, and surely was not carried out.
fn says_too_much(failure: &CallFailure, condition: &Condition) -> bool {
    if failure.is_after_lost_answer {
        return false;
    }
    let is_malformed = failure.code.as_ref().is_some_and(|code| code == "MalformedXML");
    let is_of_header = failure.message.as_sent().to_ascii_lowercase().contains("header");
    match failure.trouble {
        Trouble::ChecksumRefused => true,
        Trouble::ConditionRefused => *condition == Condition::None,
        Trouble::Rejected => is_malformed || is_of_header,
        _ => false,
    }
}

/// Returns whether a completion that failed like this may have happened.
fn leaves_open(failure: &CallFailure) -> bool {
    match failure.trouble {
        // A signal ends the upload; removing it cannot harm an object that is complete.
        Trouble::Interrupted(_) => false,
        // The answer to an earlier attempt was lost.
        Trouble::NoUpload | Trouble::Exists => true,
        _ => failure.may_have_happened(),
    }
}
