//! The operations of S3 that the tools use, over the honest store.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::{
    Shared,
    digest::{add_trailers, check, checksum_of, strong, with_checksum},
    listing::{self, no_upload},
    ranges::{copy_range, cut},
    removal,
    store::{Attributes, StoredObject, StoredPart, Upload, hash, hex, md5, md5_hex},
    versions::{self, Keeping},
};

/// Marks a request whose conditions are not to be looked at.
#[derive(Clone)]
pub(crate) struct WithoutConditions;

#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Shared>);

#[allow(clippy::unnecessary_wraps, reason = "what every operation returns")]
fn ok<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut bytes = Vec::new();
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| s3_error!(IncompleteBody, "{error}"))?);
        }
    }
    Ok(bytes.into())
}

fn attributes(
    metadata: Option<Metadata>,
    content_type: Option<String>,
    storage_class: Option<StorageClass>,
) -> Attributes {
    Attributes {
        metadata: metadata.into_iter().flatten().collect::<BTreeMap<_, _>>(),
        content_type,
        storage_class: storage_class.map(|class| class.as_str().to_owned()),
        ..Attributes::default()
    }
}

fn refuse_if_taken(condition: Option<&IfNoneMatch>, taken: bool) -> S3Result<()> {
    if condition.is_some() && taken {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    Ok(())
}

pub(crate) fn refuse_if_other(
    condition: Option<&ETagCondition>,
    object: &StoredObject,
) -> S3Result<()> {
    match condition.and_then(ETagCondition::as_etag) {
        Some(etag) if etag.value() != object.etag => Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        )),
        _ => Ok(()),
    }
}

/// Checks the conditions of a write as S3 does, which knows no object to match in a missing one.
fn check_write(
    none: Option<&IfNoneMatch>,
    matching: Option<&ETagCondition>,
    there: Option<&StoredObject>,
) -> S3Result<()> {
    refuse_if_taken(none, there.is_some())?;
    match (matching, there) {
        (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        (Some(_), Some(object)) => refuse_if_other(matching, object),
        (None, _) => Ok(()),
    }
}

fn metadata_of(object: &StoredObject) -> Option<Metadata> {
    let metadata = &object.attributes.metadata;
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

fn checksum_type(object: &StoredObject) -> ChecksumType {
    let value = object.checksum.checksum_sha256.as_ref();
    let composite = value.is_some_and(|value| value.contains('-'));
    let name = if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    ChecksumType::from_static(name)
}

/// Reads the headers of a put that lock.
macro_rules! keeping {
    ($input:expr) => {
        Keeping::of(
            $input.object_lock_mode.as_ref(),
            $input.object_lock_retain_until_date.clone(),
            $input.object_lock_legal_hold_status.as_ref(),
        )
    };
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.0.store.buckets().entry(request.input.bucket).or_default();
        ok(CreateBucketOutput::default())
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.store.with(&request.input.bucket, |_| ok(HeadBucketOutput::default()))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.0.store.delete_bucket(&request.input.bucket)?;
        ok(DeleteBucketOutput::default())
    }

    async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        ok(listing::buckets(&self.0.store))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let heeds = request.extensions.get::<WithoutConditions>().is_none();
        let mut input = request.input;
        let bytes = collect(input.body.take()).await?;
        let etag = md5_hex(&bytes);
        let mut stated = checksum_of!(input);
        add_trailers(&mut stated, request.trailing_headers.as_ref());
        let known = check((&bytes, &etag), &stated, input.content_md5.as_deref())?;
        let keeping = keeping!(input);
        let attributes = attributes(input.metadata, input.content_type, input.storage_class);
        let attributes = Attributes { keeping, ..attributes };
        let mut object = StoredObject::tagged(bytes, etag, attributes);
        let mut answer =
            with_checksum!(&known, PutObjectOutput { e_tag: Some(strong(&object.etag)) });
        if known.checksum_crc32c.is_some()
            || known.checksum_sha256.is_some()
            || known.checksum_sha1.is_some()
            || known.checksum_crc32.is_some()
        {
            object.checksum = known;
        }
        let store = &self.0.store;
        store.with(&input.bucket, |bucket| {
            check_write(
                input.if_none_match.as_ref().filter(|_| heeds),
                input.if_match.as_ref().filter(|_| heeds),
                bucket.objects.get(&input.key),
            )?;
            store
                .mirror(&input.bucket, &input.key, &object)
                .map_err(s3s::S3Error::internal_error)?;
            answer.version_id = bucket.store(&input.key, object);
            ok(answer)
        })
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            let object = bucket.find(&input.key, input.version_id.as_deref())?;
            let shown = if input.checksum_mode.is_some() {
                object.checksum.clone()
            } else {
                Checksum::default()
            };
            let mut output = with_checksum!(
                shown,
                HeadObjectOutput {
                    checksum_type: Some(checksum_type(object)),
                    content_length: i64::try_from(object.size()).ok(),
                    content_type: object.attributes.content_type.clone(),
                    e_tag: Some(strong(&object.etag)),
                    last_modified: Some(object.modified.into()),
                    metadata: metadata_of(object),
                }
            );
            removal::show(&object.attributes.keeping, &mut output);
            ok(output)
        })
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            let object = bucket.find(&input.key, input.version_id.as_deref())?;
            refuse_if_other(input.if_match.as_ref(), object)?;
            let size = object.size() as u64;
            let range = input.range.map(|range| range.check(size)).transpose()?;
            let wanted = range.clone().unwrap_or(0..size);
            let pieces = cut(&object.pieces, &wanted);
            let body = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            let is_asked = input.checksum_mode.is_some() && range.is_none();
            let shown = if is_asked { object.checksum.clone() } else { Checksum::default() };
            ok(with_checksum!(
                shown,
                GetObjectOutput {
                    body: Some(StreamingBlob::wrap(body)),
                    content_length: i64::try_from(wanted.end - wanted.start).ok(),
                    content_range: range.map(|range| format!(
                        "bytes {}-{}/{size}",
                        range.start,
                        range.end - 1
                    )),
                    e_tag: Some(strong(&object.etag)),
                    last_modified: Some(object.modified.into()),
                    metadata: metadata_of(object),
                }
            ))
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| ok(removal::delete_object(bucket, &input)?))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        ok(removal::delete_objects(&self.0.store, &request)?)
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| ok(versions::page(bucket, &input)))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.0.store.with(&request.input.bucket, |bucket| ok(removal::versioning(bucket)))
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let input = request.input;
        let status = input.versioning_configuration.status;
        self.0.store.with(&input.bucket, |bucket| {
            bucket.is_versioned = status.is_some_and(|status| status.as_str() == "Enabled");
            ok(PutBucketVersioningOutput::default())
        })
    }

    async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            let object = bucket.find(&input.key, input.version_id.as_deref())?;
            ok(removal::retention(&object.attributes.keeping)?)
        })
    }

    async fn put_object_retention(
        &self,
        request: S3Request<PutObjectRetentionInput>,
    ) -> S3Result<S3Response<PutObjectRetentionOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| ok(removal::put_retention(bucket, &input)?))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| ok(listing::objects(bucket, &input)))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let id = self.0.store.new_upload_id();
        let keeping = keeping!(input);
        let attributes = attributes(input.metadata, input.content_type, input.storage_class);
        let upload = Upload {
            key: input.key.clone(),
            begun: std::time::SystemTime::now(),
            attributes: Attributes { keeping, ..attributes },
            algorithm: input
                .checksum_algorithm
                .as_ref()
                .map(|algorithm| algorithm.as_str().to_owned()),
            composite: input
                .checksum_type
                .as_ref()
                .is_some_and(|kind| kind.as_str() == ChecksumType::COMPOSITE),
            parts: BTreeMap::new(),
        };
        self.0.store.with(&input.bucket, |bucket| {
            bucket.uploads.insert(id.clone(), upload);
            ok(CreateMultipartUploadOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key),
                checksum_algorithm: input.checksum_algorithm,
                checksum_type: input.checksum_type,
                upload_id: Some(id),
                ..CreateMultipartUploadOutput::default()
            })
        })
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let mut input = request.input;
        let bytes = collect(input.body.take()).await?;
        let md5 = md5(&bytes);
        let etag = hex(&md5);
        let checksum = check((&bytes, &etag), &checksum_of!(input), input.content_md5.as_deref())?;
        let modified = std::time::SystemTime::now();
        let part = StoredPart { bytes, md5, etag, checksum, modified };
        self.0.store.with(&input.bucket, |bucket| {
            let upload = bucket.uploads.get_mut(&input.upload_id).ok_or_else(no_upload)?;
            let answer = with_checksum!(
                &part.checksum,
                UploadPartOutput { e_tag: Some(strong(&part.etag)) }
            );
            upload.parts.insert(input.part_number, part);
            ok(answer)
        })
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "This is not implemented."));
        };
        let condition = input.copy_source_if_match.as_ref();
        let source = self.0.store.with(bucket, |bucket| {
            let object = bucket.find(key, None)?;
            refuse_if_other(condition, object)?;
            Ok(object.clone())
        })?;
        let range = copy_range(input.copy_source_range.as_deref(), source.size() as u64)?;
        let bytes = Bytes::from(cut(&source.pieces, &range).concat());
        self.0.store.with(&input.bucket, |bucket| {
            let upload = bucket.uploads.get_mut(&input.upload_id).ok_or_else(no_upload)?;
            let md5 = md5(&bytes);
            let part = StoredPart {
                etag: hex(&md5),
                md5,
                checksum: hash([&bytes], upload.algorithm.as_deref()),
                bytes,
                modified: std::time::SystemTime::now(),
            };
            let result =
                with_checksum!(&part.checksum, CopyPartResult { e_tag: Some(strong(&part.etag)) });
            upload.parts.insert(input.part_number, part);
            let copy_part_result = Some(result);
            ok(UploadPartCopyOutput { copy_part_result, ..UploadPartCopyOutput::default() })
        })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let heeds = request.extensions.get::<WithoutConditions>().is_none();
        let input = request.input;
        let listed: Vec<(i32, String)> = input
            .multipart_upload
            .as_ref()
            .and_then(|list| list.parts.as_ref())
            .into_iter()
            .flatten()
            .map(|part| {
                (
                    part.part_number.unwrap_or_default(),
                    part.e_tag.as_ref().map(|etag| etag.value().to_owned()).unwrap_or_default(),
                )
            })
            .collect();
        let store = &self.0.store;
        store.with(&input.bucket, |bucket| {
            check_write(
                input.if_none_match.as_ref().filter(|_| heeds),
                input.if_match.as_ref().filter(|_| heeds),
                bucket.objects.get(&input.key),
            )?;
            let upload = bucket.uploads.get(&input.upload_id).ok_or_else(no_upload)?;
            let object = upload.assemble(&listed)?;
            let stated = checksum_of!(input);
            if stated.checksum_crc64nvme.is_some()
                && stated.checksum_crc64nvme != object.checksum.checksum_crc64nvme
                || stated.checksum_crc32c.is_some()
                    && stated.checksum_crc32c != object.checksum.checksum_crc32c
            {
                return Err(s3_error!(
                    BadDigest,
                    "The checksum of the object is not the one you specified."
                ));
            }
            if input
                .mpu_object_size
                .is_some_and(|size| size != i64::try_from(object.size()).unwrap_or(-1))
            {
                return Err(s3_error!(
                    InvalidRequest,
                    "The size of the object is not the one you specified."
                ));
            }
            store
                .mirror(&input.bucket, &input.key, &object)
                .map_err(s3s::S3Error::internal_error)?;
            let mut answer = with_checksum!(
                &object.checksum,
                CompleteMultipartUploadOutput {
                    bucket: Some(input.bucket.clone()),
                    key: Some(input.key.clone()),
                    checksum_type: Some(checksum_type(&object)),
                    e_tag: Some(strong(&object.etag)),
                }
            );
            bucket.uploads.remove(&input.upload_id);
            answer.version_id = bucket.store(&input.key, object);
            ok(answer)
        })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            bucket.uploads.remove(&input.upload_id).ok_or_else(no_upload)?;
            ok(AbortMultipartUploadOutput::default())
        })
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| ok(listing::parts(bucket, &input)?))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| ok(listing::uploads(bucket, &input)))
    }
}
