//! One of the places that a stream goes to: what it has of it, and how it failed if it did.

use std::cell::RefCell;

use super::{confirm::PutResult, object_upload::ObjectUpload};
use crate::s3::{
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{
        proof::UploadedObject,
        response::{StoredPart, Upload},
    },
    request::{context::CancelPolicy, payload::Payload},
};

/// One place's multipart upload.
pub(crate) struct StreamDestination<'a> {
    pub(crate) object: ObjectUpload<'a>,
    upload: Option<Upload>,
    parts: RefCell<Vec<StoredPart>>,
    failure: RefCell<Option<S3Error>>,
}

impl<'a> StreamDestination<'a> {
    /// Begins an upload, which may fail as all that follows.
    pub(crate) async fn begin(object: ObjectUpload<'a>) -> Self {
        let (upload, failure) = match object.create_upload().await {
            Ok(upload) => (Some(upload), None),
            Err(error) => (None, Some(error)),
        };
        Self { object, upload, parts: RefCell::default(), failure: RefCell::new(failure) }
    }

    /// Returns whether it may still become an object.
    pub(crate) fn is_live(&self) -> bool {
        self.failure.borrow().is_none()
    }

    /// Returns whether it failed because the store does not know checksum headers.
    pub(crate) fn lacks_checksums(&self) -> bool {
        let failure = self.failure.borrow();
        matches!(&*failure, Some(S3Error::Request(failure)) if failure.error_kind == RequestErrorKind::ChecksumRefused)
    }

    /// Sends a part, unless an earlier one failed.
    pub(crate) async fn send(&self, number: u32, payload: &Payload) {
        let Some(upload) = self.upload.as_ref().filter(|_| self.is_live()) else { return };
        match self.object.send_part(upload, number, payload, CancelPolicy::AtOnce).await {
            Ok(part) => self.parts.borrow_mut().push(part),
            Err(error) => drop(self.failure.borrow_mut().get_or_insert(error)),
        }
    }

    /// Makes an object of the parts, unless one failed; then the upload is removed.
    pub(crate) async fn end(self) -> Result<(UploadedObject, PutResult), S3Error> {
        let (failure, parts) = (self.failure.into_inner(), self.parts.into_inner());
        match (self.upload, failure) {
            (Some(upload), failure) => {
                let result = match failure {
                    None => self.object.complete(&upload, parts).await,
                    Some(failure) => Err(failure),
                };
                self.object.end_upload(upload, result).await
            }
            (None, failure) => Err(failure.expect("what has no upload has failed")),
        }
    }

    /// Removes the upload, and returns it if that fails.
    pub(crate) async fn abandon(self) -> Option<Upload> {
        let upload = self.upload?;
        self.object.context.abort(&upload).await.is_err().then_some(upload)
    }
}
