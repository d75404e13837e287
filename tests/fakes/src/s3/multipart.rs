//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::Bytes;
#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::{
    archived::refuse_if_archived,
    conditions::{check_write, refuse_if_other},
    digest::{check, checksum_of, checksum_type, strong, with_checksum},
    encryption::show_encryption,
    hashes::{hash, hex, md5},
    inputs::{attributes, collect},
    listing::no_upload,
    object::{Attributes, Keeping, StoredPart, Upload},
    ranges::{copy_range, cut},
    store::Store,
};

/// Begins an upload.
pub(crate) fn create(
    store: &Store,
    input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    let id = store.new_upload_id();
    let upload = Upload {
        key: input.key.clone(),
        begun: std::time::SystemTime::now(),
        attributes: attributes!(input),
        algorithm: input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned()),
        composite: input
            .checksum_type
            .as_ref()
            .is_some_and(|kind| kind.as_str() == ChecksumType::COMPOSITE),
        parts: BTreeMap::new(),
    };
    store.with(&input.bucket, |bucket| {
        let mut answer = CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            upload_id: Some(id.clone()),
            ..CreateMultipartUploadOutput::default()
        };
        show_encryption!(upload.attributes.encryption, answer);
        bucket.uploads.insert(id, upload);
        Ok(answer)
    })
}

/// Takes a part.
pub(crate) async fn upload(
    store: &Store,
    mut input: UploadPartInput,
) -> S3Result<UploadPartOutput> {
    let bytes = collect(input.body.take()).await?;
    let md5 = md5(&bytes);
    let etag = hex(&md5);
    let checksum = check((&bytes, &etag), &checksum_of!(input), input.content_md5.as_deref())?;
    let modified = std::time::SystemTime::now();
    let part = StoredPart { bytes, md5, etag, checksum, modified };
    store.with(&input.bucket, |bucket| {
        let upload = bucket.uploads.get_mut(&input.upload_id).ok_or_else(no_upload)?;
        let encryption = &upload.attributes.encryption;
        encryption.refuse_other_key(input.sse_customer_key_md5.as_ref())?;
        let mut answer =
            with_checksum!(&part.checksum, UploadPartOutput { e_tag: Some(strong(&part.etag)) });
        show_encryption!(encryption, answer);
        upload.parts.insert(input.part_number, part);
        Ok(answer)
    })
}

/// Takes a part from an object.
pub(crate) fn copy(store: &Store, input: &UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
        return Err(s3_error!(NotImplemented, "This is not implemented."));
    };
    let condition = input.copy_source_if_match.as_ref();
    let source = store.with(bucket, |bucket| {
        let object = bucket.find(key, None)?;
        refuse_if_other(condition, object)?;
        refuse_if_archived(object)?;
        Ok(object.clone())
    })?;
    let range = copy_range(input.copy_source_range.as_deref(), source.size() as u64)?;
    let bytes = Bytes::from(cut(&source.pieces, &range).concat());
    store.with(&input.bucket, |bucket| {
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
        Ok(UploadPartCopyOutput { copy_part_result, ..UploadPartCopyOutput::default() })
    })
}

/// Makes an object of parts; `heeds` says whether conditions count.
pub(crate) fn complete(
    store: &Store,
    input: &CompleteMultipartUploadInput,
    heeds: bool,
) -> S3Result<CompleteMultipartUploadOutput> {
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
            || stated.checksum_sha256.is_some()
                && stated.checksum_sha256 != object.checksum.checksum_sha256
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
        store.mirror(&input.bucket, &input.key, &object).map_err(s3s::S3Error::internal_error)?;
        let mut answer = with_checksum!(
            &object.checksum,
            CompleteMultipartUploadOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key.clone()),
                checksum_type: Some(checksum_type(&object)),
                e_tag: Some(strong(&object.etag)),
            }
        );
        // Of a customer's key, this answer alone tells nothing.
        answer.server_side_encryption.clone_from(&object.attributes.encryption.method);
        answer.ssekms_key_id.clone_from(&object.attributes.encryption.key_id);
        bucket.uploads.remove(&input.upload_id);
        answer.version_id = bucket.store(&input.key, object);
        Ok(answer)
    })
}
