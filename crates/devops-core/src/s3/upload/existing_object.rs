//! Checks the object under a key before a put.

use super::{
    confirm::{PutResult, protected_by_head},
    object_upload::ObjectUpload,
    options::{OverwritePolicy, PutOptions},
};
use crate::s3::{
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{
        event::Outcome,
        precondition::Precondition,
        proof::{Proof, UploadedObject},
        response::ObjectHead,
        uri::S3Uri,
    },
    request::{compare::same_content, context::S3Context, source_file::OpenFile},
};

/// The object that has the key of a put.
pub(crate) enum ExistingObject {
    /// The same content.
    Identical(UploadedObject, PutResult),
    /// Something else or nothing, and what a write has to demand so that this is still so.
    Different(Precondition),
}

/// Looks what has the key; fails when it is other content that is not to be replaced.
pub(crate) async fn check_existing(
    context: S3Context<'_>,
    uri: &S3Uri,
    file: &OpenFile,
    options: &PutOptions,
) -> Result<ExistingObject, S3Error> {
    match options.known_precondition() {
        // What a listing said before counts only with a write that demands it.
        Some(precondition)
            if precondition == Precondition::None || context.store.supports_preconditions() =>
        {
            return Ok(ExistingObject::Different(precondition));
        }
        _ => {}
    }
    let head = match context.head(uri).await {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(ExistingObject::Different(Precondition::Absent)),
        // Who may write need not be allowed to read; the write's own condition has to do, if there is one.
        Err(failure)
            if failure.error_kind == RequestErrorKind::Denied
                && options.replace == OverwritePolicy::Refuse
                && context.store.supports_preconditions() =>
        {
            return Ok(ExistingObject::Different(Precondition::Absent));
        }
        Err(failure) => return Err(failure.into()),
    };
    match same_content(context, (uri, &head), file).await? {
        Some(proof) => identical(context, uri, head, proof, options).await,
        None if options.replace == OverwritePolicy::Refuse => Err(S3Error::Exists(uri.clone())),
        None => {
            Ok(ExistingObject::Different(head.etag.map_or(Precondition::None, Precondition::Etag)))
        }
    }
}

async fn identical(
    context: S3Context<'_>,
    uri: &S3Uri,
    head: ObjectHead,
    proof: Proof,
    options: &PutOptions,
) -> Result<ExistingObject, S3Error> {
    let (outcome, proof) = (Outcome::Unchanged, Some(proof));
    let put_result =
        PutResult { outcome, proof, version_id: head.version_id.clone(), lacks: Vec::new() };
    let sent = UploadedObject::there_already(head.clone());
    let object = ObjectUpload::new(context, uri, options);
    let write = object.write(&sent, None);
    let put_result = protected_by_head(&context, uri, write, put_result, &head).await?;
    Ok(ExistingObject::Identical(sent, put_result))
}
