//! A put in parts, which an earlier run may have begun.

use std::{cell::Cell, time::Duration};

use super::{
    confirm::PutResult,
    file_upload::FileUpload,
    object_upload::ObjectUpload,
    resume::{FoundUpload, Resumption},
    uploaded_parts::UploadedParts,
};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{event::Event, proof::UploadedObject, response::Upload},
    plan::layout::Layout,
    request::{context::S3Context, source_file::OpenFile},
};

/// Puts a file in parts; begins again, once, if the upload is removed while it is under way.
pub(crate) async fn put_parts(
    object: &ObjectUpload<'_>,
    file: &OpenFile,
    layout: &Layout,
    resumption: &mut Resumption,
) -> Result<(UploadedObject, PutResult), S3Error> {
    let moved = Cell::new(0);
    let events = |event: Event| {
        if let Event::BytesTransferred(bytes) = event {
            moved.update(|moved| moved + bytes);
        }
        (object.context.events)(event);
    };
    let reporting =
        ObjectUpload { context: S3Context { events: &events, ..object.context }, ..object.clone() };
    let mut result = put_parts_once(&reporting, file, layout, resumption).await;
    let Some(failure) = removal(&mut result) else { return result };
    (object.context.events)(Event::BytesTransferred(-moved.get()));
    (object.context.events)(Event::Retry {
        operation: failure.operation,
        attempt: 1,
        pause: Duration::ZERO,
        reason: format!("{failure}; the upload was removed, and another one begins"),
    });
    if let Err(S3Error::Uncertain { upload_id, .. }) = result {
        // A completion without a clear end leaves its upload; this one is not needed any more.
        let _gone = object.context.abort(&Upload { uri: object.uri.clone(), id: upload_id }).await;
    }
    let mut result = put_parts_once(object, file, layout, resumption).await;
    if let Some(failure) = removal(&mut result) {
        let said = failure.message.as_sent().trim_end_matches('.');
        let message = format!("{said}; the one before was removed under way, too");
        failure.message = message.into();
    }
    result
}

async fn put_parts_once(
    object: &ObjectUpload<'_>,
    file: &OpenFile,
    layout: &Layout,
    resumption: &mut Resumption,
) -> Result<(UploadedObject, PutResult), S3Error> {
    let (upload, uploaded_parts) = match resumption.find_upload(object, layout).await? {
        FoundUpload::Upload(upload, uploaded_parts) => (upload, uploaded_parts),
        FoundUpload::Nothing => (resumption.begin(object, layout).await?, UploadedParts::default()),
    };
    let journal = resumption.journal();
    let work = FileUpload { upload: upload.clone(), file, uploaded_parts, journal };
    let result = object.upload_all_parts(&work, layout).await;
    if resumption.is_resumable(&result) {
        return result;
    }
    resumption.forget();
    object.end_upload(upload, result).await
}

/// Returns the failure that says that somebody removed an upload that was under way, if one does.
///
/// A completion that is answered so was not carried out either, unless the answer to an earlier attempt
/// was lost.
fn removal(result: &mut Result<(UploadedObject, PutResult), S3Error>) -> Option<&mut RequestError> {
    let failure = match result {
        Err(S3Error::Request(failure)) => failure,
        Err(S3Error::Uncertain { source, .. }) if !source.is_after_lost_response => source,
        _ => return None,
    };
    (failure.error_kind == RequestErrorKind::NoUpload).then_some(&mut **failure)
}
