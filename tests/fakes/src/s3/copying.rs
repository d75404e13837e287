//! Copies of whole objects.

use bytes::Bytes;
use s3s::{
    S3Request, S3Result,
    dto::{
        CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETagCondition, IfNoneMatch,
    },
    s3_error,
};

use super::{
    archived::refuse_if_archived,
    conditions::{WithoutConditions, check_write, refuse_if_other},
    digest::strong,
    encryption::encryption_of,
    object::StoredObject,
    store::Store,
};

/// Copies an object with its attributes; its lock stays behind, and it gets one `ETag` for all its bytes.
pub(crate) fn copy(
    store: &Store,
    request: &S3Request<CopyObjectInput>,
) -> S3Result<CopyObjectOutput> {
    let input = &request.input;
    let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
        return Err(s3_error!(NotImplemented, "This is not implemented."));
    };
    let source = store.with(bucket, |bucket| {
        let object = bucket.find(key, version_id.as_deref())?;
        refuse_if_other(input.copy_source_if_match.as_ref(), object)?;
        refuse_if_archived(object)?;
        Ok(object.clone())
    })?;
    let mut attributes = source.attributes.clone();
    attributes.encryption = encryption_of!(input);
    attributes.keeping = super::object::Keeping::default();
    attributes.storage_class = input.storage_class.as_ref().map(|class| class.as_str().to_owned());
    let object = StoredObject::of_bytes(Bytes::from(source.bytes()), attributes);
    let heeds = request.extensions.get::<WithoutConditions>().is_none();
    let header = |name: &str| {
        request.headers.get(name).filter(|_| heeds).and_then(|value| value.to_str().ok())
    };
    let free = header("if-none-match").map(|_| IfNoneMatch::Any);
    let matching = header("if-match").and_then(|value| value.parse::<ETagCondition>().ok());
    let result = CopyObjectResult {
        e_tag: Some(strong(&object.etag)),
        last_modified: Some(object.modified.into()),
        ..CopyObjectResult::default()
    };
    store.with(&input.bucket, |bucket| {
        check_write(free.as_ref(), matching.as_ref(), bucket.objects.get(&input.key))?;
        let version_id = bucket.store(&input.key, object);
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            version_id,
            ..CopyObjectOutput::default()
        })
    })
}
