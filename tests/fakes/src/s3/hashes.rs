//! Hashes of bytes, as S3 writes them.

use bytes::Bytes;
use md5::{Digest, Md5};
use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto::Checksum,
};

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
