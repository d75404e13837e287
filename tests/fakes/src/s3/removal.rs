//! The operations that delete, keep versions and lock.

use std::time::SystemTime;

use http_body_util::BodyExt;
use hyper::Request;
use md5::{Digest, Md5};
#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;
use s3s::{Body, S3Request, S3Result, s3_error};
use time::OffsetDateTime;

use super::{
    conditions::refuse_if_other,
    digest::check,
    hashes::hex,
    object::{Bucket, Keeping},
    store::Store,
    versions::Deletion,
};

/// The most keys that S3 takes at once.
const MAX_KEYS: usize = 1000;

/// Marks a request in which the deletion of this key fails.
#[derive(Clone)]
pub(crate) struct FailingKey(pub(crate) String);

/// Reads the body of a `DeleteObjects` and compares it with what protects it; returns the code and message
/// of what is wrong.
///
/// As S3 does, it asks for `Content-MD5` or a header with a checksum, and refuses a request that has neither.
pub(crate) async fn checked(
    request: Request<Body>,
) -> Result<Request<Body>, (&'static str, &'static str)> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(|_| ("IncompleteBody", "It ended early."))?.to_bytes();
    let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
    let stated = Checksum {
        checksum_crc32: header("x-amz-checksum-crc32"),
        checksum_crc32c: header("x-amz-checksum-crc32c"),
        checksum_crc64nvme: header("x-amz-checksum-crc64nvme"),
        checksum_sha1: header("x-amz-checksum-sha1"),
        checksum_sha256: header("x-amz-checksum-sha256"),
        ..Checksum::default()
    };
    let md5 = header("content-md5");
    if md5.is_none() && stated == Checksum::default() {
        return Err(("InvalidRequest", "Missing required header for this request: Content-MD5"));
    }
    match check((&bytes, &hex(&Md5::digest(&bytes))), &stated, md5.as_deref()) {
        Ok(_) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Err(_) => Err(("BadDigest", "The checksum you specified did not match what we received.")),
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

pub(crate) fn legal_hold(keeping: &Keeping) -> GetObjectLegalHoldOutput {
    let status = if keeping.legal_hold {
        ObjectLockLegalHoldStatus::ON
    } else {
        ObjectLockLegalHoldStatus::OFF
    };
    let status = Some(ObjectLockLegalHoldStatus::from_static(status));
    GetObjectLegalHoldOutput { legal_hold: Some(ObjectLockLegalHold { status }) }
}

/// Returns whether objects can be locked: where versions are kept.
pub(crate) fn locking(bucket: &Bucket) -> S3Result<GetObjectLockConfigurationOutput> {
    if !bucket.is_versioned {
        return Err(s3_error!(
            ObjectLockConfigurationNotFoundError,
            "Object Lock configuration does not exist for this bucket"
        ));
    }
    let enabled = ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED);
    let configuration =
        ObjectLockConfiguration { object_lock_enabled: Some(enabled), ..Default::default() };
    Ok(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) })
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

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    const BODY: &str = "123456789";

    async fn code(headers: &[(&str, &str)]) -> Option<&'static str> {
        let request = Request::post("/backups?delete");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::from(BODY.to_owned())).unwrap();
        checked(request).await.err().map(|(code, _)| code)
    }

    #[tokio::test]
    async fn one_of_the_headers_that_protect_a_deletion_is_enough_and_all_must_be_right() {
        let md5 = STANDARD.encode(Md5::digest(BODY));
        let md5 = ("content-md5", md5.as_str());
        let crc64 = ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=");
        let wrong = ("x-amz-checksum-crc32", "AAAAAA==");

        assert_eq!(code(&[md5]).await, None);
        assert_eq!(code(&[crc64]).await, None);
        assert_eq!(code(&[md5, crc64]).await, None);
        assert_eq!(code(&[]).await, Some("InvalidRequest"));
        assert_eq!(code(&[wrong]).await, Some("BadDigest"));
        assert_eq!(code(&[md5, wrong]).await, Some("BadDigest"));
        assert_eq!(code(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]).await, Some("BadDigest"));
    }
}
