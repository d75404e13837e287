//! The operations of S3 that the tools use, over the honest store.

use std::sync::Arc;

use futures_util::stream;
#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::{
    archived,
    conditions::{WithoutConditions, check_write, refuse_if_other},
    copying,
    dialect::{self},
    digest::{add_trailers, check, checksum_of, checksum_type, strong, with_checksum},
    encryption::show_encryption,
    fault::Dialect,
    hashes::md5_hex,
    inputs::{attributes, collect},
    listing::{self, no_upload},
    multipart,
    object::{Attributes, Keeping, StoredObject},
    parts,
    ranges::cut,
    removal,
    shared::Shared,
    versions::{self},
};

/// Marks an answer that says of a request no more than that it was taken.
#[derive(Clone)]
pub(crate) struct Accepted;

#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Shared>);

#[allow(clippy::unnecessary_wraps, reason = "what every operation returns")]
fn ok<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

fn metadata_of(object: &StoredObject) -> Option<Metadata> {
    let metadata = &object.attributes.metadata;
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
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
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        ok(listing::buckets(&self.0.store, &request.input))
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
        let mut object = StoredObject::tagged(bytes, etag, attributes!(input));
        let mut answer =
            with_checksum!(&known, PutObjectOutput { e_tag: Some(strong(&object.etag)) });
        if known.checksum_crc32c.is_some()
            || known.checksum_sha256.is_some()
            || known.checksum_sha1.is_some()
            || known.checksum_crc32.is_some()
        {
            object.checksum = known;
        }
        show_encryption!(object.attributes.encryption, answer);
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
            let encryption = &object.attributes.encryption;
            encryption.refuse_other_key(input.sse_customer_key_md5.as_ref())?;
            let shown = if input.checksum_mode.is_some() {
                object.checksum.clone()
            } else {
                Checksum::default()
            };
            let mut output = with_checksum!(
                shown,
                HeadObjectOutput {
                    checksum_type: Some(checksum_type(object)),
                    content_length: Some(parts::size(object, input.part_number)?),
                    content_type: object.attributes.content_type.clone(),
                    e_tag: Some(strong(&object.etag)),
                    last_modified: Some(object.modified.into()),
                    metadata: metadata_of(object),
                }
            );
            show_encryption!(encryption, output);
            removal::show(&object.attributes.keeping, &mut output);
            archived::show(object, &mut output);
            ok(output)
        })
    }

    async fn get_object_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            let object = bucket.find(&input.key, input.version_id.as_deref())?;
            ok(parts::attributes(object, &input))
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
            let encryption = &object.attributes.encryption;
            encryption.refuse_other_key(input.sse_customer_key_md5.as_ref())?;
            archived::refuse_if_archived(object)?;
            let size = object.size() as u64;
            let range = input.range.map(|range| range.check(size)).transpose()?;
            let wanted = range.clone().unwrap_or(0..size);
            let pieces = cut(&object.pieces, &wanted);
            let body = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            let is_asked = input.checksum_mode.is_some() && range.is_none();
            let shown = if is_asked { object.checksum.clone() } else { Checksum::default() };
            let mut output = with_checksum!(
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
                    tag_count: i32::try_from(object.tags().len()).ok().filter(|&n| n > 0),
                    version_id: object.version_id().map(str::to_owned),
                }
            );
            show_encryption!(encryption, output);
            ok(output)
        })
    }

    async fn restore_object(
        &self,
        request: S3Request<RestoreObjectInput>,
    ) -> S3Result<S3Response<RestoreObjectOutput>> {
        let dialect = request.extensions.get::<Dialect>().copied();
        let (mut input, store) = (request.input, &self.0.store);
        if let (Some(dialect), Some(asked)) = (dialect, &mut input.restore_request) {
            asked.days = dialect.days(asked.days);
        }
        let takes = store.restores_take();
        let is_begun =
            store.with(&input.bucket, |bucket| archived::restore(bucket, &input, takes))?;
        let mut answer = S3Response::new(RestoreObjectOutput::default());
        if is_begun {
            answer.extensions.insert(Accepted);
        }
        Ok(answer)
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

    async fn get_object_legal_hold(
        &self,
        request: S3Request<GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            let object = bucket.find(&input.key, input.version_id.as_deref())?;
            ok(removal::legal_hold(&object.attributes.keeping))
        })
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let input = request.input;
        self.0.store.with(&input.bucket, |bucket| {
            let object = bucket.find(&input.key, input.version_id.as_deref())?;
            ok(GetObjectTaggingOutput { tag_set: object.tags(), version_id: None })
        })
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        self.0.store.with(&request.input.bucket, |bucket| ok(removal::locking(bucket)?))
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
        let dialect = request.extensions.get::<Dialect>().copied();
        let mut input = request.input;
        if let Some(dialect) = dialect {
            dialect.hear(&request.uri, &mut input);
        }
        self.0.store.with(&input.bucket, |bucket| {
            let mut output = listing::objects(bucket, &input);
            if let Some(dialect) = dialect {
                dialect.say(&mut output);
            }
            ok(output)
        })
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = dialect::of_version_1(request.input);
        self.0.store.with(&input.bucket, |bucket| {
            ok(dialect::in_version_1(listing::objects(bucket, &input)))
        })
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        ok(multipart::create(&self.0.store, request.input)?)
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        ok(multipart::upload(&self.0.store, request.input).await?)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        ok(multipart::copy(&self.0.store, &request.input)?)
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        ok(copying::copy(&self.0.store, &request)?)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let heeds = request.extensions.get::<WithoutConditions>().is_none();
        if let Some(dialect) = request.extensions.get::<Dialect>() {
            dialect.check(&request.input)?;
        }
        ok(multipart::complete(&self.0.store, &request.input, heeds)?)
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
