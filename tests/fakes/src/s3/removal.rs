//! The operations that delete, keep versions and lock.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::BodyExt;
use hyper::Request;
use md5::{Digest, Md5};
#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;
use s3s::{Body, S3Request, S3Result, s3_error};
use time::OffsetDateTime;

use super::{
    conditions::refuse_if_other,
    store::{Bucket, Store},
    versions::{Deletion, Keeping},
};

/// The most keys that S3 takes at once.
const MAX_KEYS: usize = 1000;

/// Marks a request in which the deletion of this key fails.
#[derive(Clone)]
pub(crate) struct FailingKey(pub(crate) String);

/// Reads the body of a `DeleteObjects` and compares it with its `Content-MD5`, for which many stores ask;
/// returns the code and message of what is wrong.
pub(crate) async fn checked(
    request: Request<Body>,
) -> Result<Request<Body>, (&'static str, &'static str)> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(|_| ("IncompleteBody", "It ended early."))?.to_bytes();
    match parts.headers.get("content-md5") {
        None => Err(("InvalidRequest", "Missing required header for this request: Content-MD5")),
        Some(stated) if stated.as_bytes() != STANDARD.encode(Md5::digest(&bytes)).as_bytes() => {
            Err(("BadDigest", "The Content-MD5 you specified did not match what we received."))
        }
        Some(_) => Ok(Request::from_parts(parts, Body::from(bytes))),
    }
}

pub(crate) fn delete_object(
    bucket: &mut Bucket,
    input: &DeleteObjectInput,
) -> S3Result<DeleteObjectOutput> {
    if let Some(object) = bucket.objects.get(&input.key) {
        refuse_if_other(input.if_match.as_ref(), object)?;
    }
    let bypass = input.bypass_governance_retention == Some(true);
    let Deletion { version_id, is_marker } =
        bucket.delete(&input.key, input.version_id.as_deref(), bypass)?;
    Ok(DeleteObjectOutput {
        delete_marker: is_marker.then_some(true),
        version_id,
        ..DeleteObjectOutput::default()
    })
}

pub(crate) fn delete_objects(
    store: &Store,
    request: &S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    let input = &request.input;
    if input.delete.objects.len() > MAX_KEYS {
        return Err(s3_error!(MalformedXML, "More than 1,000 keys."));
    }
    let failing = request.extensions.get::<FailingKey>().map(|FailingKey(key)| key);
    let bypass = input.bypass_governance_retention == Some(true);
    store.with(&input.bucket, |bucket| {
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for target in &input.delete.objects {
            let version = target.version_id.as_deref();
            let result = if failing == Some(&target.key) {
                Err(s3_error!(InternalError, "We encountered an internal error."))
            } else {
                bucket.delete(&target.key, version, bypass)
            };
            match result {
                Ok(deletion) => deleted.push(answer(target, &deletion)),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(target.key.clone()),
                    message: error.message().map(str::to_owned),
                    version_id: target.version_id.clone(),
                }),
            }
        }
        if input.delete.quiet == Some(true) {
            deleted.clear();
        }
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    })
}

fn answer(target: &ObjectIdentifier, deletion: &Deletion) -> DeletedObject {
    DeletedObject {
        delete_marker: deletion.is_marker.then_some(true),
        delete_marker_version_id: deletion.version_id.clone().filter(|_| deletion.is_marker),
        key: Some(target.key.clone()),
        version_id: target.version_id.clone(),
    }
}

/// Returns what a bucket says of keeping versions.
pub(crate) fn versioning(bucket: &Bucket) -> GetBucketVersioningOutput {
    let status = bucket
        .is_versioned
        .then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
    GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }
}

/// Locks a version for longer, or for less where that is allowed.
pub(crate) fn put_retention(
    bucket: &mut Bucket,
    input: &PutObjectRetentionInput,
) -> S3Result<PutObjectRetentionOutput> {
    if !bucket.is_versioned {
        return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
    }
    let lock = input.retention.as_ref().and_then(|retention| {
        let until = OffsetDateTime::from(retention.retain_until_date.clone()?);
        Some((retention.mode.as_ref()?.as_str().to_owned(), SystemTime::from(until)))
    });
    let Some(lock) = lock else { return Err(s3_error!(MalformedXML, "No retention.")) };
    let keeping = bucket.keeping(&input.key, input.version_id.as_deref())?;
    if let Some((mode, until)) = &keeping.lock {
        let is_weaker = lock.1 < *until || (mode == "COMPLIANCE" && lock.0 != *mode);
        let may = mode == "GOVERNANCE" && input.bypass_governance_retention == Some(true);
        if is_weaker && !may {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
    }
    keeping.lock = Some(lock);
    Ok(PutObjectRetentionOutput::default())
}

pub(crate) fn retention(keeping: &Keeping) -> S3Result<GetObjectRetentionOutput> {
    let Some((mode, until)) = keeping.lock.clone() else {
        return Err(s3_error!(
            NoSuchObjectLockConfiguration,
            "The specified object does not have a ObjectLock configuration"
        ));
    };
    let retention = ObjectLockRetention {
        mode: Some(ObjectLockRetentionMode::from(mode)),
        retain_until_date: Some(until.into()),
    };
    Ok(GetObjectRetentionOutput { retention: Some(retention) })
}

/// Adds to the answer to HEAD what is known of versions and locks.
pub(crate) fn show(keeping: &Keeping, output: &mut HeadObjectOutput) {
    output.version_id.clone_from(&keeping.version_id);
    if let Some((mode, until)) = keeping.lock.clone() {
        output.object_lock_mode = Some(ObjectLockMode::from(mode));
        output.object_lock_retain_until_date = Some(until.into());
    }
    output.object_lock_legal_hold_status = keeping
        .legal_hold
        .then(|| ObjectLockLegalHoldStatus::from_static(ObjectLockLegalHoldStatus::ON));
}
