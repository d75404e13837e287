//! Checksums as S3 shows them: computed while reading, combined from parts, compared.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::terminal::Escaped;
pub use algorithm::Algorithm;
use crc::{Field, Piece};
pub(crate) use pair::Sha256Pair;

mod algorithm;
mod crc;
mod pair;

/// A checksum in base64, with `-N` when it is made of the checksums of N parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// The value as S3 shows it.
    pub value: String,
}

impl Checksum {
    /// Reads a value as a store shows it, with what else the store says of the object.
    ///
    /// Some stores leave the count off a checksum of checksums: then the `ETag` has it. SHA-256 of a
    /// multipart upload is always of that kind (S3 user guide, "Checking object integrity").
    pub(crate) fn shown(
        algorithm: Algorithm,
        value: &str,
        composite: bool,
        etag: Option<&str>,
    ) -> Self {
        let count = etag.and_then(|etag| etag.trim_matches('"').rsplit_once('-')).map(|(_, n)| n);
        // Some stores make tags of another sort, with hyphens in them.
        let count = count.filter(|n| n.parse::<u16>().is_ok());
        let composite = composite || (algorithm == Algorithm::Sha256 && count.is_some());
        // No checksum has what this changes.
        let value = Escaped(value).to_string();
        let value = match (composite && !value.contains('-'), count) {
            (true, count) => format!("{value}-{}", count.unwrap_or("0")),
            (false, _) => value,
        };
        Self { algorithm, value }
    }

    /// Returns whether a value as a store shows it has as many bytes as checksums of this algorithm have.
    pub(crate) fn has_length_of(algorithm: Algorithm, value: &str) -> bool {
        decoded(algorithm, digits(value)).is_some()
    }

    /// Returns whether it covers the object's bytes rather than the checksums of parts.
    pub fn is_full(&self) -> bool {
        // A hyphen is not in base64's alphabet.
        !self.value.contains('-')
    }

    /// Returns the value without the count of parts.
    pub(crate) fn digits(&self) -> &str {
        digits(&self.value)
    }

    /// Returns of how many parts it is made, where it is and that is known.
    pub(crate) fn n_parts(&self) -> Option<u32> {
        self.value.split_once('-')?.1.parse().ok()
    }
}

/// Returns a value without the count of parts.
fn digits(value: &str) -> &str {
    value.split_once('-').map_or(value, |(digits, _)| digits)
}

/// Returns the bytes of a value, if they are as many as the algorithm has.
fn decoded(algorithm: Algorithm, value: &str) -> Option<Vec<u8>> {
    STANDARD.decode(value).ok().filter(|bytes| bytes.len() == algorithm.n_bytes())
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm.name(), self.value)
    }
}

/// The checksum of one part, in a form that combines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    algorithm: Algorithm,
    bytes: Vec<u8>,
    size: u64,
}

impl Sum {
    /// Computes the checksum of `bytes`.
    pub(crate) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the checksum whose value was written down for `size` bytes.
    pub(crate) fn of_value(algorithm: Algorithm, value: &str, size: u64) -> Option<Self> {
        Some(Self { algorithm, bytes: decoded(algorithm, value)?, size })
    }

    /// Returns the value for a header.
    pub(crate) fn checksum(&self) -> Checksum {
        Checksum { algorithm: self.algorithm, value: STANDARD.encode(&self.bytes) }
    }

    /// Returns the checksum S3 gives the object made of `parts` in order.
    pub(crate) fn combine(parts: &[Self]) -> Option<Checksum> {
        let (first, rest) = parts.split_first()?;
        if rest.is_empty() {
            return Some(first.checksum());
        }
        let Some(field) = Field::of(first.algorithm) else { return Self::composite(parts) };
        let whole = rest.iter().fold(first.piece(), |sum, part| field.join(sum, part.piece()));
        Some(Self::of_crc(first.algorithm, whole).checksum())
    }

    /// Returns the checksum S3 gives the object of a multipart upload, even one of a single part.
    pub(crate) fn of_upload(parts: &[Self]) -> Option<Checksum> {
        let combines = parts.first()?.algorithm.combines();
        if combines { Self::combine(parts) } else { Self::composite(parts) }
    }

    /// Returns the checksum of the checksums of `parts`, which some stores keep instead.
    pub(crate) fn composite(parts: &[Self]) -> Option<Checksum> {
        let mut hasher = Hasher::new(parts.first()?.algorithm);
        for part in parts {
            hasher.update(&part.bytes);
        }
        let mut composite = hasher.finish().checksum();
        composite.value = format!("{}-{}", composite.value, parts.len());
        Some(composite)
    }

    /// Returns the checksum of bytes that have this CRC.
    fn of_crc(algorithm: Algorithm, Piece { crc, size }: Piece) -> Self {
        let bytes = match algorithm {
            Algorithm::Crc32c => crc.to_be_bytes()[4..].to_vec(),
            Algorithm::Crc64Nvme | Algorithm::Sha256 => crc.to_be_bytes().to_vec(),
        };
        Self { algorithm, bytes, size }
    }

    fn piece(&self) -> Piece {
        let crc = self.bytes.iter().fold(0, |crc, &byte| crc << 8 | u64::from(byte));
        Piece { crc, size: self.size }
    }
}

/// Computes a checksum piece by piece.
pub(crate) struct Hasher {
    algorithm: Algorithm,
    state: State,
    size: u64,
}

enum State {
    Crc(Box<crc_fast::Digest>),
    Sha256(Box<Sha256>),
}

impl Hasher {
    /// Starts with no bytes.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Crc64Nvme => {
                State::Crc(Box::new(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)))
            }
            Algorithm::Crc32c => {
                State::Crc(Box::new(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)))
            }
            Algorithm::Sha256 => State::Sha256(Box::default()),
        };
        Self { algorithm, state, size: 0 }
    }

    /// Adds `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        match &mut self.state {
            State::Crc(digest) => digest.update(bytes),
            State::Sha256(digest) => digest.update(bytes),
        }
    }

    /// Returns the checksum of all bytes.
    pub(crate) fn finish(self) -> Sum {
        let (algorithm, size) = (self.algorithm, self.size);
        match self.state {
            State::Crc(digest) => Sum::of_crc(algorithm, Piece { crc: digest.finalize(), size }),
            State::Sha256(digest) => Sum { algorithm, bytes: digest.finalize().to_vec(), size },
        }
    }
}

/// Returns whether an `ETag` may be the MD5 of an object's bytes.
pub(crate) fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the MD5 of `bytes`.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// Returns the `ETag` that stores with MD5 tags give an object made of parts with these MD5s.
pub(crate) fn multipart_etag(parts: &[[u8; 16]]) -> String {
    format!("{}-{}", hex(&md5(&parts.concat())), parts.len())
}

/// Returns `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the MD5 that [`hex`] shows like this.
pub(crate) fn unhex(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(number.to_be_bytes())
}

/// Returns `bytes` in base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_checksums_of_parts_combine_into_that_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 1..4000),
            part in 1_usize..1500,
        ) {
            for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32c] {
                let parts: Vec<_> = bytes.chunks(part).map(|part| Sum::of(algorithm, part)).collect();
                prop_assert_eq!(Sum::combine(&parts), Some(Sum::of(algorithm, &bytes).checksum()));
            }
        }
    }

    // The check values of the CRC catalogue for "123456789".
    #[test]
    fn agrees_with_the_published_check_values() {
        let crc64 = Sum::of(Algorithm::Crc64Nvme, b"123456789");
        let crc32c = Sum::of(Algorithm::Crc32c, b"123456789");

        assert_eq!(
            crc64.checksum().value,
            STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes())
        );
        assert_eq!(crc32c.checksum().value, STANDARD.encode(0xe306_9283_u32.to_be_bytes()));
    }

    #[test]
    fn sha256_of_parts_is_marked_as_composite() {
        let parts = [b"a", b"b"].map(|part| Sum::of(Algorithm::Sha256, part));

        let checksum = Sum::combine(&parts).unwrap();

        assert!(checksum.value.ends_with("=-2"), "{checksum}");
        assert!(!checksum.is_full());
    }

    #[test]
    fn a_checksum_of_checksums_is_known_by_its_type_or_its_etag() {
        let shown =
            |composite, etag| Checksum::shown(Algorithm::Sha256, "AA==", composite, etag).value;

        assert_eq!(shown(false, Some("\"abc\"")), "AA==");
        assert_eq!(shown(false, Some("\"abc-7\"")), "AA==-7");
        assert_eq!(shown(true, None), "AA==-0");
        assert_eq!(Checksum::shown(Algorithm::Crc32c, "AA==-3", true, None).value, "AA==-3");
    }

    #[test]
    fn an_etag_of_parts_is_the_md5_of_their_md5s() {
        assert_eq!(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(multipart_etag(&[md5(b"")]), "59adb24ef3cdbe0297f05b395827453f-1");
    }
}
