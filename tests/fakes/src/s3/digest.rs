//! Checksums in requests and answers.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use s3s::{
    S3Result, TrailingHeaders,
    dto::{Checksum, ChecksumType, ETag},
    s3_error,
};

use super::{
    hashes::{hash, hex},
    object::StoredObject,
};

/// The checksum headers of a request, all of which must be right; `etag` is the MD5 of the bytes.
pub(crate) fn check(
    (bytes, etag): (&Bytes, &str),
    stated: &Checksum,
    md5: Option<&str>,
) -> S3Result<Checksum> {
    let mut known = Checksum::default();
    let mut wrong = false;
    macro_rules! check {
        ($($field:ident: $name:literal),*) => {$(
            if let Some(value) = &stated.$field {
                let ours = hash([bytes], Some($name)).$field;
                wrong |= ours.as_ref() != Some(value);
                known.$field = ours;
            }
        )*};
    }
    check!(
        checksum_crc32: "CRC32", checksum_crc32c: "CRC32C", checksum_crc64nvme: "CRC64NVME",
        checksum_sha1: "SHA1", checksum_sha256: "SHA256"
    );
    if let Some(md5) = md5 {
        wrong |= STANDARD.decode(md5).map_or(true, |md5| hex(&md5) != etag);
    }
    if wrong {
        return Err(s3_error!(
            BadDigest,
            "The checksum you specified did not match what we received."
        ));
    }
    Ok(known)
}

/// Adds what stands behind a chunked body, once that was read.
pub(crate) fn add_trailers(stated: &mut Checksum, trailers: Option<&TrailingHeaders>) {
    let Some(trailers) = trailers.and_then(TrailingHeaders::take) else { return };
    let value = |name: &str| Some(trailers.get(name)?.to_str().ok()?.to_owned());
    let Checksum { checksum_crc32, checksum_crc32c, checksum_crc64nvme, .. } = stated;
    for (field, name) in [
        (checksum_crc32, "x-amz-checksum-crc32"),
        (checksum_crc32c, "x-amz-checksum-crc32c"),
        (checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
        (&mut stated.checksum_sha1, "x-amz-checksum-sha1"),
        (&mut stated.checksum_sha256, "x-amz-checksum-sha256"),
    ] {
        if field.is_none() {
            *field = value(name);
        }
    }
}

/// Says what the checksum of an object covers.
pub(crate) fn checksum_type(object: &StoredObject) -> ChecksumType {
    let value = object.checksum.checksum_sha256.as_ref();
    let composite = value.is_some_and(|value| value.contains('-'));
    let name = if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    ChecksumType::from_static(name)
}

/// Collects the checksum fields of an input.
macro_rules! checksum_of {
    ($input:expr) => {
        Checksum {
            checksum_crc32: $input.checksum_crc32.clone(),
            checksum_crc32c: $input.checksum_crc32c.clone(),
            checksum_crc64nvme: $input.checksum_crc64nvme.clone(),
            checksum_sha1: $input.checksum_sha1.clone(),
            checksum_sha256: $input.checksum_sha256.clone(),
            ..Checksum::default()
        }
    };
}

/// Makes an output with the fields of a checksum.
macro_rules! with_checksum {
    ($checksum:expr, $output:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let checksum = $checksum;
        $output {
            checksum_crc32: checksum.checksum_crc32.clone(),
            checksum_crc32c: checksum.checksum_crc32c.clone(),
            checksum_crc64nvme: checksum.checksum_crc64nvme.clone(),
            checksum_sha1: checksum.checksum_sha1.clone(),
            checksum_sha256: checksum.checksum_sha256.clone(),
            $($field: $value,)*
            ..$output::default()
        }
    }};
}

pub(crate) use {checksum_of, with_checksum};

/// Returns an `ETag` for an answer.
pub(crate) fn strong(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}
