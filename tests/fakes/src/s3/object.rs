//! Buckets, objects, their versions, and uploads.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use s3s::{
    S3Result,
    crypto::Sha256,
    dto::{
        Checksum, ObjectLockLegalHoldStatus, ObjectLockMode, ServerSideEncryption, Tag, Timestamp,
    },
    s3_error,
};
use time::OffsetDateTime;

use super::{
    encryption::Encryption,
    hashes::{hash, md5_hex},
};

/// S3's minimum for every part but the last.
pub(crate) const MIN_PART: usize = 5 << 20;

/// The attributes an object was stored with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) storage_class: Option<String>,
    pub(crate) encryption: Encryption,
    /// Its tags, as the header has them.
    pub(crate) tagging: Option<String>,
    pub(crate) keeping: Keeping,
}

/// An object.
#[derive(Clone, Debug)]
pub struct StoredObject {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) attributes: Attributes,
    pub(crate) modified: SystemTime,
    pub(crate) checksum: Checksum,
    /// Without quotes.
    pub etag: String,
    /// The number of parts it was uploaded in; 0 when it came in one piece.
    pub parts: usize,
}

impl StoredObject {
    /// Returns its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// Returns its size.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Returns its user metadata.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.attributes.metadata
    }

    /// Returns its media type.
    pub fn content_type(&self) -> Option<&str> {
        self.attributes.content_type.as_deref()
    }

    /// Returns its version, where its bucket keeps them.
    pub fn version_id(&self) -> Option<&str> {
        self.attributes.keeping.version_id.as_deref()
    }

    /// Returns the mode of its lock and when that ends, if it has one.
    pub fn lock(&self) -> Option<&(String, SystemTime)> {
        self.attributes.keeping.lock.as_ref()
    }

    /// Returns whether it cannot be deleted until that is lifted.
    pub fn has_legal_hold(&self) -> bool {
        self.attributes.keeping.legal_hold
    }

    /// Returns how it is encrypted: the method, the id of its key, and the MD5 of the customer's key.
    pub fn encryption(&self) -> [Option<&str>; 3] {
        let Encryption { method, key_id, key_md5, .. } = &self.attributes.encryption;
        [method.as_ref().map(ServerSideEncryption::as_str), key_id.as_deref(), key_md5.as_deref()]
    }

    /// Returns its tags, as the header had them.
    pub fn tagging(&self) -> Option<&str> {
        self.attributes.tagging.as_deref()
    }

    /// Returns its tags, one by one.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        let pairs = self.tagging().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text);
            Some(text.decode_utf8_lossy().into_owned())
        };
        pairs
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                Tag { key: decoded(key), value: decoded(value) }
            })
            .collect()
    }

    /// Returns its storage class.
    pub fn storage_class(&self) -> Option<&str> {
        self.attributes.storage_class.as_deref()
    }
}

pub(crate) struct StoredPart {
    pub(crate) bytes: Bytes,
    pub(crate) md5: [u8; 16],
    pub(crate) etag: String,
    pub(crate) checksum: Checksum,
    pub(crate) modified: SystemTime,
}

pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) begun: SystemTime,
    pub(crate) attributes: Attributes,
    pub(crate) algorithm: Option<String>,
    pub(crate) composite: bool,
    pub(crate) parts: BTreeMap<i32, StoredPart>,
}

#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, StoredObject>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    pub(crate) is_versioned: bool,
    /// Behind the object of a key, the newest last; a delete marker there hides the key.
    pub(crate) earlier: BTreeMap<String, Vec<Earlier>>,
    pub(crate) n_versions: u64,
}

impl StoredObject {
    /// S3 gives an object that came without a checksum a CRC-64/NVME.
    pub(crate) fn of_bytes(bytes: Bytes, attributes: Attributes) -> Self {
        let etag = md5_hex(&bytes);
        Self::tagged(bytes, etag, attributes)
    }

    /// An object whose MD5 is known already.
    pub(crate) fn tagged(bytes: Bytes, etag: String, attributes: Attributes) -> Self {
        let checksum = hash([&bytes], Some("CRC64NVME"));
        Self {
            etag,
            pieces: vec![bytes],
            attributes,
            modified: SystemTime::now(),
            checksum,
            parts: 0,
        }
    }
}

impl Upload {
    /// Makes the listed parts an object, checking what S3 checks.
    pub(crate) fn assemble(&self, listed: &[(i32, String)]) -> S3Result<StoredObject> {
        let mut parts = Vec::new();
        let mut last = 0;
        for (number, etag) in listed {
            if *number <= last {
                return Err(s3_error!(
                    InvalidPartOrder,
                    "The list of parts was not in ascending order."
                ));
            }
            last = *number;
            match self.parts.get(number).filter(|part| part.etag == *etag) {
                Some(part) => parts.push(part),
                None => {
                    return Err(s3_error!(
                        InvalidPart,
                        "One or more of the specified parts could not be found."
                    ));
                }
            }
        }
        let Some((_, all_but_last)) = parts.split_last() else {
            return Err(s3_error!(MalformedXML, "The list of parts is empty."));
        };
        if all_but_last.iter().any(|part| part.bytes.len() < MIN_PART) {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        let pieces: Vec<Bytes> = parts.iter().map(|part| part.bytes.clone()).collect();
        let tags: Vec<u8> = parts.iter().flat_map(|part| part.md5).collect();
        Ok(StoredObject {
            etag: format!("{}-{}", md5_hex(&tags), parts.len()),
            checksum: self.whole_checksum(&pieces),
            pieces,
            attributes: self.attributes.clone(),
            modified: SystemTime::now(),
            parts: parts.len(),
        })
    }

    pub(crate) fn whole_checksum(&self, pieces: &[Bytes]) -> Checksum {
        if !self.composite {
            return hash(pieces, self.algorithm.as_deref());
        }
        // Only SHA-256 is composite in the tests.
        let digests: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| <Sha256 as s3s::crypto::Checksum>::checksum(piece))
            .collect();
        let mut checksum = hash([&Bytes::from(digests)], Some("SHA256"));
        checksum.checksum_sha256 =
            checksum.checksum_sha256.map(|value| format!("{value}-{}", pieces.len()));
        checksum
    }
}

/// S3's name of the version that an object has from before its bucket kept versions.
pub(super) const NULL: &str = "null";

/// The version, locks and tier of an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeping {
    /// Nothing where the bucket kept no versions when it was stored.
    pub(crate) version_id: Option<String>,
    /// The mode, and when the lock ends.
    pub(crate) lock: Option<(String, SystemTime)>,
    pub(crate) legal_hold: bool,
    pub(crate) shelf: Shelf,
}

/// One that is not the object under its key, or a delete marker, which may be what its key has.
#[derive(Clone, Debug)]
pub(crate) enum Earlier {
    Object(Box<StoredObject>),
    Marker { id: String, modified: SystemTime },
}

impl Keeping {
    /// Reads the headers of a put.
    pub(crate) fn of(
        mode: Option<&ObjectLockMode>,
        until: Option<Timestamp>,
        hold: Option<&ObjectLockLegalHoldStatus>,
    ) -> Self {
        let lock = mode.zip(until).map(|(mode, until)| {
            (mode.as_str().to_owned(), SystemTime::from(OffsetDateTime::from(until)))
        });
        let legal_hold = hold.is_some_and(|hold| hold.as_str() == "ON");
        Self { lock, legal_hold, ..Self::default() }
    }

    pub(crate) fn id(&self) -> &str {
        self.version_id.as_deref().unwrap_or(NULL)
    }

    /// Fails while a lock forbids the removal of this version.
    pub(crate) fn refuse_if_locked(&self, bypass: bool) -> S3Result<()> {
        let in_force = self.lock.as_ref().is_some_and(|(mode, until)| {
            *until > SystemTime::now() && !(bypass && mode == "GOVERNANCE")
        });
        if in_force || self.legal_hold {
            return Err(s3_error!(
                AccessDenied,
                "Access Denied because object protected by object lock."
            ));
        }
        Ok(())
    }
}

impl Earlier {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Object(object) => object.attributes.keeping.id(),
            Self::Marker { id, .. } => id,
        }
    }
}

pub(crate) const A_DAY: u64 = 24 * 60 * 60;

/// The tier of an object in cold storage, beside its class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// The archive tier, in the class `INTELLIGENT_TIERING`.
    pub(crate) tier: Option<String>,
    pub(crate) restoration: Option<Restoration>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Restoration {
    /// The time the copy is there, if it comes by itself or has come.
    pub(crate) ready: Option<SystemTime>,
    pub(crate) days: Option<i32>,
}

impl Restoration {
    /// Returns since when the copy is there, if it is.
    pub(crate) fn done(&self) -> Option<SystemTime> {
        self.ready.filter(|ready| *ready <= SystemTime::now())
    }

    /// Returns when a copy that was ready then ends: at the midnight after that many days.
    pub(crate) fn end(&self, ready: SystemTime) -> SystemTime {
        let since = ready.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let days = u64::try_from(self.days.unwrap_or_default()).unwrap_or_default();
        let seconds = (since.as_secs() / A_DAY + days + 1) * A_DAY;
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}
