//! Pages of objects, parts and uploads.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::{
    S3Result,
    dto::{
        self, CommonPrefix, ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput,
        ListMultipartUploadsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput,
        ListPartsOutput, MultipartUpload, Object, Part,
    },
    s3_error,
};

use super::{
    digest::strong,
    object::{Bucket, StoredPart},
    store::Store,
};

/// The number of entries a page of a listing has at most.
const PAGE: i32 = 1000;

pub(crate) fn no_upload() -> s3s::S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

/// Encodes a key as S3 does where it is asked to; as a token, it says nothing to anybody.
fn encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

fn decoded(token: &str) -> String {
    percent_decode_str(token).decode_utf8_lossy().into_owned()
}

/// Returns a page of `ListBuckets`, or all of them where no size is asked for.
pub(crate) fn buckets(store: &Store, input: &ListBucketsInput) -> ListBucketsOutput {
    let shown = |name: &String| dto::Bucket { name: Some(name.clone()), ..dto::Bucket::default() };
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_deref().map(decoded).unwrap_or_default();
    let all = store.buckets();
    let mut matching = all.keys().filter(|name| name.starts_with(prefix) && **name > after);
    let page = input.max_buckets.and_then(|page| usize::try_from(page).ok()).unwrap_or(usize::MAX);
    let buckets: Vec<_> = matching.by_ref().take(page).map(shown).collect();
    let last = buckets.last().and_then(|last| last.name.as_deref().map(encoded));
    ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token: last.filter(|_| matching.next().is_some()),
        ..ListBucketsOutput::default()
    }
}

/// Returns a page of `ListObjectsV2`.
pub(crate) fn objects(bucket: &Bucket, input: &ListObjectsV2Input) -> ListObjectsV2Output {
    let prefix = input.prefix.clone().unwrap_or_default();
    let token = input.continuation_token.as_deref().map(decoded);
    let after = token.or(input.start_after.clone()).unwrap_or_default();
    let encodes = input.encoding_type.is_some();
    let page = usize::try_from(input.max_keys.unwrap_or(PAGE).clamp(1, PAGE)).expect("clamped");
    let mut matching = bucket
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix) && key.as_str() > after.as_str());
    let mut last = None;
    let delimiter = input.delimiter.as_deref();
    let mut prefixes: Vec<String> = Vec::new();
    let contents: Vec<Object> = matching
        .by_ref()
        .take(page)
        .inspect(|(key, _)| last = Some(encoded(key)))
        .filter(|(key, _)| {
            let rest = &key[prefix.len()..];
            let Some((first, _)) = delimiter.and_then(|text| rest.split_once(text)) else {
                return true;
            };
            let common = format!("{prefix}{first}{}", delimiter.unwrap_or_default());
            if prefixes.last() != Some(&common) {
                prefixes.push(common);
            }
            false
        })
        .map(|(key, object)| Object {
            key: Some(if encodes { encoded(key) } else { key.clone() }),
            size: i64::try_from(object.size()).ok(),
            e_tag: Some(strong(&object.etag)),
            last_modified: Some(object.modified.into()),
            storage_class: Some(object.storage_class().unwrap_or("STANDARD").to_owned().into()),
            ..Object::default()
        })
        .collect();
    let more = matching.next().is_some();
    ListObjectsV2Output {
        next_continuation_token: last.filter(|_| more),
        encoding_type: input.encoding_type.clone(),
        key_count: i32::try_from(contents.len()).ok(),
        contents: Some(contents),
        common_prefixes: Some(
            prefixes.into_iter().map(|prefix| shown_prefix(prefix, encodes)).collect(),
        ),
        is_truncated: Some(more),
        name: Some(input.bucket.clone()),
        prefix: Some(if encodes { encoded(&prefix) } else { prefix }),
        ..ListObjectsV2Output::default()
    }
}

fn shown_prefix(prefix: String, encodes: bool) -> CommonPrefix {
    CommonPrefix { prefix: Some(if encodes { encoded(&prefix) } else { prefix }) }
}

/// Returns a page of `ListParts`.
pub(crate) fn parts(bucket: &Bucket, input: &ListPartsInput) -> S3Result<ListPartsOutput> {
    let after = input.part_number_marker.unwrap_or(0);
    let page = usize::try_from(input.max_parts.unwrap_or(PAGE).clamp(1, PAGE)).expect("clamped");
    let upload = bucket.uploads.get(&input.upload_id).ok_or_else(no_upload)?;
    let mut matching = upload.parts.iter().filter(|(number, _)| **number > after);
    let parts: Vec<Part> =
        matching.by_ref().take(page).map(|(number, part)| shown(*number, part)).collect();
    let more = matching.next().is_some();
    Ok(ListPartsOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        is_truncated: Some(more),
        next_part_number_marker: parts.last().filter(|_| more).and_then(|part| part.part_number),
        parts: Some(parts),
        upload_id: Some(input.upload_id.clone()),
        ..ListPartsOutput::default()
    })
}

/// Returns a page of `ListMultipartUploads`.
pub(crate) fn uploads(
    bucket: &Bucket,
    input: &ListMultipartUploadsInput,
) -> ListMultipartUploadsOutput {
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = (
        input.key_marker.clone().unwrap_or_default(),
        input.upload_id_marker.clone().unwrap_or_default(),
    );
    let page = usize::try_from(input.max_uploads.unwrap_or(PAGE).clamp(1, PAGE)).expect("clamped");
    let mut sorted: Vec<_> = bucket
        .uploads
        .iter()
        .map(|(id, upload)| (upload.key.clone(), id.clone(), upload.begun))
        .collect();
    sorted.sort();
    let mut matching = sorted
        .into_iter()
        .filter(|(key, id, _)| key.starts_with(&prefix) && (key, id) > (&after.0, &after.1));
    let uploads: Vec<MultipartUpload> = matching
        .by_ref()
        .take(page)
        .map(|(key, id, begun)| MultipartUpload {
            key: Some(key),
            upload_id: Some(id),
            initiated: Some(begun.into()),
            ..MultipartUpload::default()
        })
        .collect();
    let more = matching.next().is_some();
    let last = uploads.last().filter(|_| more);
    ListMultipartUploadsOutput {
        bucket: Some(input.bucket.clone()),
        is_truncated: Some(more),
        next_key_marker: last.and_then(|upload| upload.key.clone()),
        next_upload_id_marker: last.and_then(|upload| upload.upload_id.clone()),
        uploads: Some(uploads),
        ..ListMultipartUploadsOutput::default()
    }
}

fn shown(number: i32, part: &StoredPart) -> Part {
    let checksum = &part.checksum;
    Part {
        checksum_crc32: checksum.checksum_crc32.clone(),
        checksum_crc32c: checksum.checksum_crc32c.clone(),
        checksum_crc64nvme: checksum.checksum_crc64nvme.clone(),
        checksum_sha1: checksum.checksum_sha1.clone(),
        checksum_sha256: checksum.checksum_sha256.clone(),
        e_tag: Some(strong(&part.etag)),
        last_modified: Some(part.modified.into()),
        part_number: Some(number),
        size: i64::try_from(part.bytes.len()).ok(),
    }
}
