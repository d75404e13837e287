//! Buckets, objects and multipart uploads, kept in memory and, if asked, written to a folder.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Component, Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use md5::{Digest, Md5};
use s3s::{
    S3Result,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto::{Checksum, ServerSideEncryption, Tag},
    s3_error,
};

use super::{
    Options,
    encryption::Encryption,
    lock,
    versions::{Earlier, Keeping},
};

/// S3's minimum for every part but the last.
const MIN_PART: usize = 5 << 20;

/// What an object was stored with, beside its bytes.
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
    /// How many parts it was uploaded in; 0 when it came in one piece.
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

    /// Returns whether nobody may delete it until that is lifted.
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

pub(crate) struct Store {
    buckets: Mutex<BTreeMap<String, Bucket>>,
    dir: Option<PathBuf>,
    restores_take: Option<Duration>,
    next_upload: AtomicU64,
}

impl Store {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let names = options.buckets.iter();
        let mut buckets: BTreeMap<_, _> =
            names.map(|name| (name.clone(), Bucket::default())).collect();
        if let Some(dir) = &options.dir {
            load(dir, &mut buckets)?;
        }
        Ok(Self {
            buckets: Mutex::new(buckets),
            dir: options.dir.clone(),
            restores_take: options.restores_take,
            next_upload: AtomicU64::new(1),
        })
    }

    pub(crate) fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        lock(&self.buckets)
    }

    /// Returns how long a restoration takes, unless it ends only when it is told to.
    pub(crate) fn restores_take(&self) -> Option<Duration> {
        self.restores_take
    }

    /// Runs `work` on a bucket that exists.
    pub(crate) fn with<T>(
        &self,
        bucket: &str,
        work: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        match self.buckets().get_mut(bucket) {
            Some(bucket) => work(bucket),
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
        }
    }

    pub(crate) fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let is_empty = self.with(name, |bucket| Ok(bucket.objects.is_empty()))?;
        if !is_empty {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        self.buckets().remove(name);
        Ok(())
    }

    pub(crate) fn new_upload_id(&self) -> String {
        format!("upload-{}", self.next_upload.fetch_add(1, Ordering::Relaxed))
    }

    /// Writes an object that became visible to the folder, if there is one.
    pub(crate) fn mirror(&self, bucket: &str, key: &str, object: &StoredObject) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let relative = Path::new(key);
        if !relative.components().all(|part| matches!(part, Component::Normal(_)))
            || key.ends_with('/')
        {
            return Ok(());
        }
        let path = dir.join(bucket).join(relative);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        object.pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        file.persist(path)?;
        Ok(())
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<StoredObject> {
        self.buckets().get(bucket)?.objects.get(key).cloned()
    }

    pub(crate) fn put_foreign(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let object = StoredObject::of_bytes(Bytes::copy_from_slice(bytes), Attributes::default());
        self.buckets().entry(bucket.to_owned()).or_default().store(key, object);
    }

    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let buckets = self.buckets();
        buckets
            .get(bucket)
            .map(|bucket| bucket.objects.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn pending_uploads(&self, bucket: &str) -> usize {
        self.buckets().get(bucket).map_or(0, |bucket| bucket.uploads.len())
    }
}

fn load(dir: &Path, buckets: &mut BTreeMap<String, Bucket>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            load_folder(&entry.path(), "", buckets.entry(name).or_default())?;
        }
    }
    Ok(())
}

fn load_folder(folder: &Path, prefix: &str, bucket: &mut Bucket) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            load_folder(&entry.path(), &format!("{key}/"), bucket)?;
        } else {
            let mut bytes = Vec::new();
            io::copy(&mut File::open(entry.path())?, &mut bytes)?;
            bucket.objects.insert(key, StoredObject::of_bytes(bytes.into(), Attributes::default()));
        }
    }
    Ok(())
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

    fn whole_checksum(&self, pieces: &[Bytes]) -> Checksum {
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

/// Computes one checksum of all pieces; without a name, CRC-64/NVME as S3 does.
pub(crate) fn hash<'a>(
    pieces: impl IntoIterator<Item = &'a Bytes>,
    algorithm: Option<&str>,
) -> Checksum {
    let mut hasher = ChecksumHasher::default();
    match algorithm.unwrap_or("CRC64NVME") {
        "CRC32" => hasher.crc32 = Some(Crc32::new()),
        "CRC32C" => hasher.crc32c = Some(Crc32c::new()),
        "SHA1" => hasher.sha1 = Some(Sha1::new()),
        "SHA256" => hasher.sha256 = Some(Sha256::new()),
        _ => hasher.crc64nvme = Some(Crc64Nvme::new()),
    }
    pieces.into_iter().for_each(|piece| hasher.update(piece));
    hasher.finalize()
}

pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    hex(&md5(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
