//! The completion of a multipart upload: on a condition, confirmed, and found out about when its answer is lost.

use super::{
    confirm::{PutResult, confirm_write, find_ours, resolve_lost_response},
    object_upload::ObjectUpload,
};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        event::Event,
        precondition::Precondition,
        proof::UploadedObject,
        response::{StoredPart, Upload, WriteResponse},
    },
    request::{context::S3Context, write::Form},
};

impl ObjectUpload<'_> {
    /// Makes the parts into an object and confirms it.
    pub(crate) async fn complete(
        &self,
        upload: &Upload,
        mut parts: Vec<StoredPart>,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        parts.sort_by_key(|part| part.number);
        let sent = UploadedObject::of_parts(parts);
        let write = self.write(&sent, Some(&upload.id));
        let put_result = match self.complete_on_condition(upload, &sent).await {
            Ok(mut response) => {
                // It does not tell of a customer's key; the answers to all parts did.
                response.given.customer_algorithm =
                    write.wanted.key_md5.map(|_| "AES256".to_owned());
                confirm_write(&self.context, &upload.uri, write, &response).await?
            }
            Err(failure) if leaves_open(&failure) => {
                resolve_lost_response(&self.context, &upload.uri, write, failure).await?
            }
            // This attempt was refused; an earlier one may have been carried out.
            Err(failure) if failure.is_after_lost_response => {
                let ours = find_ours(&self.context, &upload.uri, write).await?;
                if ours.is_none() {
                    // A signal may have ended the look.
                    self.context.cancel_token.check()?;
                }
                ours.ok_or(failure)?
            }
            Err(failure) => return Err(failure.into()),
        };
        Ok((sent, put_result))
    }

    /// Completes an upload; where the store does not know the condition, after a look whether it holds.
    async fn complete_on_condition(
        &self,
        upload: &Upload,
        sent: &UploadedObject,
    ) -> Result<WriteResponse, RequestError> {
        let response = self.context.complete_as_taken(upload, sent, &self.precondition).await;
        let is_refused =
            |failure: &RequestError| failure.error_kind == RequestErrorKind::ConditionRefused;
        if self.precondition == Precondition::None || !response.as_ref().is_err_and(is_refused) {
            return response;
        }
        if self.context.store.disable_preconditions() {
            (self.context.events)(Event::FeatureUnsupported("conditional writes"));
        }
        self.check_condition().await?;
        self.context.complete_as_taken(upload, sent, &Precondition::None).await
    }

    /// Fails like a conditional completion would, unless the condition holds now.
    async fn check_condition(&self) -> Result<(), RequestError> {
        let head = self.context.head(self.uri).await?;
        let error_kind = match (&self.precondition, head) {
            (Precondition::None, _) | (Precondition::Absent, None) => return Ok(()),
            (_, Some(head)) if head.id.as_ref() == Some(&self.upload_token) => return Ok(()),
            (Precondition::Etag(etag), Some(head)) if head.etag.as_ref() == Some(etag) => {
                return Ok(());
            }
            (Precondition::Etag(_), None) => RequestErrorKind::NoObject,
            (_, Some(_)) => RequestErrorKind::Exists,
        };
        let message = "the object is not what it was";
        Err(RequestError::local("CompleteMultipartUpload", error_kind, message))
    }
}

impl S3Context<'_> {
    /// Completes an upload; again in the plain form where the store does not take what says more.
    pub(crate) async fn complete_as_taken(
        &self,
        upload: &Upload,
        sent: &UploadedObject,
        precondition: &Precondition,
    ) -> Result<WriteResponse, RequestError> {
        if self.store.knows_checksums() {
            let response = self.complete(upload, sent, precondition, Form::Checked).await;
            if !response.as_ref().is_err_and(|failure| says_too_much(failure, precondition)) {
                return response;
            }
            if self.store.disable_checksums() {
                (self.events)(Event::FeatureUnsupported("checksum headers"));
            }
        }
        self.complete(upload, sent, precondition, Form::Plain).await
    }
}

/// Returns whether a completion failed because of what it said beside its parts, and surely was not carried out.
fn says_too_much(failure: &RequestError, precondition: &Precondition) -> bool {
    if failure.is_after_lost_response {
        return false;
    }
    let is_malformed = failure.code.as_ref().is_some_and(|code| code == "MalformedXML");
    let is_of_header = failure.message.as_sent().to_ascii_lowercase().contains("header");
    match failure.error_kind {
        RequestErrorKind::ChecksumRefused => true,
        RequestErrorKind::ConditionRefused => *precondition == Precondition::None,
        RequestErrorKind::Rejected => is_malformed || is_of_header,
        _ => false,
    }
}

/// Returns whether a completion that failed like this may have happened.
fn leaves_open(failure: &RequestError) -> bool {
    match failure.error_kind {
        // A signal ends the upload; removing it cannot harm an object that is complete.
        RequestErrorKind::Interrupted(_) => false,
        // The answer to an earlier attempt was lost.
        RequestErrorKind::NoUpload | RequestErrorKind::Exists => true,
        _ => failure.is_ambiguous(),
    }
}
