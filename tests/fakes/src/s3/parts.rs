//! The parts that objects were uploaded in.

use bytes::Bytes;
#[allow(clippy::wildcard_imports, reason = "every operation has an input and an output")]
use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::{hashes::hash, object::StoredObject};

/// The number of parts a page has at most; few, so that small objects have several.
const PAGE: usize = 2;

/// Tells of an object and its parts, which one that came in one piece has not.
pub(crate) fn attributes(
    object: &StoredObject,
    input: &GetObjectAttributesInput,
) -> GetObjectAttributesOutput {
    let first = input.part_number_marker.and_then(|marker| usize::try_from(marker).ok());
    let page = input.max_parts.and_then(|most| usize::try_from(most).ok());
    let (first, page) = (first.unwrap_or_default(), page.unwrap_or(PAGE).min(PAGE));
    let parts: Vec<_> = object.pieces.iter().zip(1..).skip(first).take(page).collect();
    let last = parts.last().map(|(_, number)| *number);
    let listed = GetObjectAttributesParts {
        is_truncated: Some(first + parts.len() < object.pieces.len()),
        next_part_number_marker: last,
        total_parts_count: i32::try_from(object.parts).ok(),
        parts: Some(parts.into_iter().map(|(piece, number)| part(object, piece, number)).collect()),
        ..GetObjectAttributesParts::default()
    };
    GetObjectAttributesOutput {
        e_tag: Some(ETag::Strong(object.etag.clone())),
        object_size: i64::try_from(object.size()).ok(),
        object_parts: (object.parts > 0).then_some(listed),
        checksum: Some(object.checksum.clone()),
        ..GetObjectAttributesOutput::default()
    }
}

fn part(object: &StoredObject, piece: &Bytes, number: i32) -> ObjectPart {
    let size = i64::try_from(piece.len()).ok();
    let sum = hash([piece], algorithm(&object.checksum));
    ObjectPart {
        part_number: Some(number),
        size,
        checksum_crc32: sum.checksum_crc32,
        checksum_crc32c: sum.checksum_crc32c,
        checksum_crc64nvme: sum.checksum_crc64nvme,
        checksum_sha1: sum.checksum_sha1,
        checksum_sha256: sum.checksum_sha256,
    }
}

fn algorithm(checksum: &Checksum) -> Option<&'static str> {
    let names = [
        (&checksum.checksum_crc32, "CRC32"),
        (&checksum.checksum_crc32c, "CRC32C"),
        (&checksum.checksum_sha1, "SHA1"),
        (&checksum.checksum_sha256, "SHA256"),
    ];
    names.into_iter().find_map(|(value, name)| value.as_ref().map(|_| name))
}

/// Returns how many bytes a part of an object has, or the whole where no part is named.
pub(crate) fn size(object: &StoredObject, part: Option<i32>) -> S3Result<i64> {
    let size = match part {
        None => object.size(),
        Some(number) => {
            let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let piece = index.and_then(|index| object.pieces.get(index));
            piece
                .ok_or_else(|| {
                    s3_error!(InvalidRange, "The requested partnumber is not satisfiable")
                })?
                .len()
        }
    };
    Ok(i64::try_from(size).unwrap_or(i64::MAX))
}
