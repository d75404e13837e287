//! One multipart upload: its beginning, its parts on their way, and its removal when anything goes wrong.

use bytes::Bytes;

use super::{confirm::PutResult, object_upload::ObjectUpload};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        event::Event,
        proof::UploadedObject,
        protection::{Feature, Given, Left},
        response::{StoredPart, Upload, WriteResponse},
    },
    request::{
        context::{CancelPolicy, RequestOptions, S3Context},
        payload::Payload,
    },
    store::blocking::blocking,
};

/// The number of times that an upload is aborted: a part in flight may bring it back.
const ABORTS: usize = 3;

impl ObjectUpload<'_> {
    pub(crate) async fn hash(&self, bytes: Bytes) -> Payload {
        let hashing = self.hashing();
        blocking(move || Payload::new(bytes, hashing)).await
    }

    /// Sends bytes as a part.
    pub(crate) async fn send_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: &Payload,
        cancel_policy: CancelPolicy,
    ) -> Result<StoredPart, S3Error> {
        let sent = self.context.upload_part(upload, number, payload, cancel_policy).await;
        let (part, WriteResponse { checksum, given, .. }) =
            sent.map_err(|failure| payload.content.take_failure().unwrap_or(failure.into()))?;
        if let (Some(ours), Some(theirs)) = (&part.sum, checksum)
            && ours.checksum().algorithm == theirs.algorithm
            && ours.checksum() != theirs
        {
            let (expected, found) = (ours.checksum().to_string(), theirs.to_string());
            return Err(S3Error::Mismatch { uri: upload.uri.clone(), expected, found });
        }
        self.check_key(&given)?;
        self.context.store.note_confirmed(&part);
        (self.context.events)(Event::Part {
            uri: upload.uri.clone(),
            number,
            size: part.size,
            attempts: part.attempts,
        });
        Ok(part)
    }

    /// Fails unless a part is encrypted with the customer's key, if there is one.
    pub(crate) fn check_key(&self, given: &Given) -> Result<(), S3Error> {
        let lacking = self.context.wanted(self.attributes).lacking(given);
        if !lacking.contains(&Feature::CustomerKey) {
            return Ok(());
        }
        let features = vec![Feature::CustomerKey];
        Err(S3Error::Unprotected {
            uri: self.uri.clone(),
            features: features.into(),
            left: Left::Unsent,
        })
    }

    /// Begins an upload, which gets no part unless the object will be protected as asked.
    pub(crate) async fn create_upload(&self) -> Result<Upload, S3Error> {
        let (upload, given) = self
            .context
            .create_upload(self.uri, self.checksum_strategy, self.object_headers())
            .await?;
        match self.prove_protection(&given).await {
            Ok(()) => Ok(upload),
            Err(error) => match self.context.abort(&upload).await {
                Ok(()) => Err(error),
                Err(_failure) => Err(left_behind(upload, error)),
            },
        }
    }

    /// Removes an upload unless it became an object, or may still become one.
    pub(crate) async fn end_upload(
        &self,
        upload: Upload,
        result: Result<(UploadedObject, PutResult), S3Error>,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        match result {
            // Same content under another mark: ours was not needed.
            Ok((sent, put_result)) => {
                if put_result.outcome == crate::s3::object::event::Outcome::Unchanged {
                    self.context.abort(&upload).await.ok();
                }
                Ok((sent, put_result))
            }
            // The completion may still be at work, and a completed object is not the upload's any more.
            Err(error @ (S3Error::Uncertain { .. } | S3Error::ProofTooWeak { .. })) => Err(error),
            Err(error @ S3Error::Unprotected { .. }) if !is_unsent(&error) => Err(error),
            Err(error) => match self.context.abort(&upload).await {
                Ok(()) => Err(error),
                Err(_failure) => Err(left_behind(upload, error)),
            },
        }
    }
}

fn left_behind(upload: Upload, error: S3Error) -> S3Error {
    let source = Box::new(error);
    S3Error::AbortFailed { uri: upload.uri, upload_id: upload.id, source }
}

fn is_unsent(error: &S3Error) -> bool {
    matches!(error, S3Error::Unprotected { left: Left::Unsent, .. })
}

impl S3Context<'_> {
    /// Removes a multipart upload, parts that are still on their way included; a signal does not end it.
    pub(crate) async fn abort(&self, upload: &Upload) -> Result<(), RequestError> {
        let abort = async {
            for _ in 0..ABORTS {
                match self.abort_once(upload).await {
                    Err(failure) if failure.error_kind == RequestErrorKind::NoUpload => {
                        return Ok(());
                    }
                    Err(failure) if failure.error_kind == RequestErrorKind::NoObject => {
                        return Ok(());
                    }
                    Err(failure) => return Err(failure),
                    Ok(()) if !self.has_parts(upload).await => return Ok(()),
                    Ok(()) => {}
                }
            }
            Err(RequestError::local(
                "AbortMultipartUpload",
                RequestErrorKind::Broken,
                "parts keep coming",
            ))
        };
        tokio::select! {
            biased;
            result = abort => result,
            error_kind = self.too_late_to_abort() => {
                let message = "no answer in time";
                Err(RequestError::local("AbortMultipartUpload", error_kind, message))
            }
        }
    }

    /// Waits as long as clearing up may take, with a signal or without.
    async fn too_late_to_abort(&self) -> RequestErrorKind {
        let retry_config = self.store.retry_config();
        tokio::select! {
            cancelled = self.cancel_token.requested() => {
                tokio::time::sleep(retry_config.after_signal.abort).await;
                RequestErrorKind::Interrupted(cancelled)
            }
            () = tokio::time::sleep(retry_config.abort) => RequestErrorKind::Broken,
        }
    }

    async fn abort_once(&self, upload: &Upload) -> Result<(), RequestError> {
        let send = |client: aws_sdk_s3::Client| {
            let request = client.abort_multipart_upload();
            request
                .bucket(&upload.uri.bucket)
                .key(&upload.uri.key)
                .upload_id(upload.id.as_sent())
                .send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::Never,
            ..self.metadata_request("AbortMultipartUpload")
        };
        self.execute(request, send).await.map(|_| ())
    }

    /// Returns whether the upload still has parts, as far as the store tells.
    async fn has_parts(&self, upload: &Upload) -> bool {
        let send = |client: aws_sdk_s3::Client| {
            let request = client.list_parts().max_parts(1);
            request
                .bucket(&upload.uri.bucket)
                .key(&upload.uri.key)
                .upload_id(upload.id.as_sent())
                .send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::Never,
            retry: false,
            ..self.metadata_request("ListParts")
        };
        match self.execute(request, send).await {
            Ok((output, _)) => !output.parts().is_empty(),
            Err(_) => false,
        }
    }
}
