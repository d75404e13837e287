//! Responses about objects, parts and uploads.

use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use super::preserved::Preserved;
use super::{
    checksum::{Checksum, Sum},
    protection::Given,
    storage_class::RestoreStatus,
    text::StoreText,
    uri::S3Uri,
};
use crate::terminal::Escaped;

/// The fields of the response to a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteResponse {
    pub(crate) etag: Option<String>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) version_id: Option<StoreText>,
    /// The protection that it confirms.
    pub(crate) given: Given,
}

/// A multipart upload that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) uri: S3Uri,
    pub(crate) id: StoreText,
}

/// The metadata of an object.
#[derive(Clone, Debug, Default)]
pub struct ObjectHead {
    /// The number of bytes it has.
    pub size: u64,
    /// Its `ETag`, without quotes.
    pub etag: Option<String>,
    /// Is set if that is no MD5 because of how the object is encrypted or kept, as far as the store tells.
    pub etag_is_opaque: bool,
    /// The best checksum the store has of it.
    pub checksum: Option<Checksum>,
    /// The mark of the upload that made it.
    pub id: Option<String>,
    /// Its version, where the bucket keeps versions.
    pub version_id: Option<StoreText>,
    /// Its storage class, where the store names it.
    pub storage_class: Option<StoreText>,
    /// Is set if its bytes can be read.
    pub restore_status: RestoreStatus,
    /// The attributes of a file in its metadata.
    pub(crate) preserved: Preserved,
    /// The protection that the store reports.
    pub(crate) given: Given,
}

/// Reads an `ETag`; one with control characters, which none has (RFC 9110, 8.8.3), is escaped.
pub(crate) fn unquoted(etag: Option<&str>) -> Option<String> {
    etag.map(|etag| Escaped(etag.trim_matches('"')).to_string())
}

/// A part as the store lists it.
#[derive(Clone, Debug)]
pub(crate) struct ListedPart {
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) checksum: Option<Checksum>,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its address.
    pub uri: S3Uri,
    /// The number of bytes it has.
    pub size: u64,
    /// The time it was stored.
    pub modified: Option<OffsetDateTime>,
    /// Its `ETag`, without quotes.
    pub etag: Option<String>,
    /// Its storage class, where the store names it.
    pub storage_class: Option<StoreText>,
}

/// A part as the store confirmed it.
#[derive(Clone, Debug)]
pub(crate) struct StoredPart {
    pub(crate) number: u32,
    pub(crate) size: u64,
    pub(crate) etag: String,
    /// Our checksum, unless the object goes without.
    pub(crate) sum: Option<Sum>,
    /// Is set if the store repeated our checksum.
    pub(crate) confirmed: bool,
    /// Our MD5, computed where the store did not repeat the checksum.
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) attempts: u32,
    /// Is set if it was copied inside the store.
    pub(crate) is_copied: bool,
}

/// Undoes the encoding of a key, where the store did as it was asked.
pub(in crate::s3) fn decoded(key: &str, encoded: bool) -> String {
    if !encoded {
        return key.to_owned();
    }
    // S3 writes a space as `+` in encoded listings.
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}
