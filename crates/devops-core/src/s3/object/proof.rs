//! How well a store confirms that it holds what was sent.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    checksum::{Checksum, Sum, is_md5, multipart_etag},
    response::{ObjectHead, StoredPart},
};
use crate::units::count;

/// How well an object is confirmed; the order is from weakest to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The store tells the right size.
    Size,
    /// The store's `ETag` is the MD5 of what was sent.
    Etag,
    /// The store confirmed the checksum of every part.
    Parts,
    /// The store confirmed our checksum of the whole object.
    Full,
}

impl Proof {
    /// Returns its name in output and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Etag => "etag",
            Self::Parts => "parts",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Proof {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Full, Self::Parts, Self::Etag, Self::Size]
            .into_iter()
            .find(|proof| proof.name() == text)
            .ok_or_else(|| format!("`{text}` is none of full, parts, etag, size"))
    }
}

/// An object that was sent, as this client knows it.
#[derive(Clone, Debug)]
pub(crate) struct UploadedObject {
    pub(crate) size: u64,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) parts: Vec<StoredPart>,
    pub(crate) is_multipart: bool,
}

/// The level of proof that responses reach.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProofResult {
    Proven(Proof),
    /// The store holds something else.
    Different {
        expected: String,
        found: String,
    },
    /// The answers do not even tell the size.
    Nothing,
}

impl UploadedObject {
    pub(crate) fn of_parts(parts: Vec<StoredPart>) -> Self {
        let sums: Option<Vec<Sum>> = parts.iter().map(|part| part.sum.clone()).collect();
        let checksum = sums.and_then(|sums| Sum::of_upload(&sums));
        let size = parts.iter().map(|part| part.size).sum();
        Self { size, checksum, parts, is_multipart: true }
    }

    pub(crate) fn single(part: StoredPart) -> Self {
        let checksum = part.sum.as_ref().map(Sum::checksum);
        Self { checksum, is_multipart: false, ..Self::of_parts(vec![part]) }
    }

    /// Describes an object that was there before.
    pub(crate) fn there_already(head: ObjectHead) -> Self {
        Self { size: head.size, checksum: head.checksum, parts: Vec::new(), is_multipart: false }
    }

    /// Returns how many bytes of it this run sent; a part of an earlier one took no attempt.
    pub(crate) fn n_sent(&self) -> u64 {
        let is_earlier = |part: &&StoredPart| part.attempts == 0 && !part.is_copied;
        self.size - self.n_bytes(is_earlier) - self.n_copied()
    }

    /// Returns how many bytes of it were copied inside the store.
    pub(crate) fn n_copied(&self) -> u64 {
        self.n_bytes(|part| part.is_copied)
    }

    fn n_bytes(&self, of: impl FnMut(&&StoredPart) -> bool) -> u64 {
        self.parts.iter().filter(of).map(|part| part.size).sum()
    }

    /// Describes an object that has the bytes of a file and need not be sent.
    pub(crate) fn unsent(size: u64) -> Self {
        Self { size, checksum: None, parts: Vec::new(), is_multipart: false }
    }

    /// Describes bytes whose write has no response.
    pub(crate) fn unanswered(size: u64, checksum: Option<Checksum>) -> Self {
        Self { size, checksum, parts: Vec::new(), is_multipart: false }
    }

    /// Judges an answer that may hold a checksum and an `ETag`, as those to `PutObject` and
    /// `CompleteMultipartUpload` do, without asking the store again.
    pub(crate) fn compare_with_response(
        &self,
        checksum: Option<&Checksum>,
        etag: Option<&str>,
    ) -> ProofResult {
        if let (Some(ours), Some(theirs)) = (&self.checksum, checksum)
            && ours.algorithm == theirs.algorithm
        {
            return match ours.value == theirs.value {
                true if ours.is_full() => ProofResult::Proven(Proof::Full),
                true => ProofResult::Proven(Proof::Parts),
                // A store that makes a checksum of checksums of what we combine says nothing about the
                // whole, but it has checked the parts.
                false if self.is_composite(theirs) => ProofResult::Proven(Proof::Parts),
                false => {
                    ProofResult::Different { expected: ours.to_string(), found: theirs.to_string() }
                }
            };
        }
        self.judge_parts(etag)
    }

    /// Returns whether `theirs` is made of our checksums of the parts, with or without their count.
    fn is_composite(&self, theirs: &Checksum) -> bool {
        let sums: Option<Vec<Sum>> = self.parts.iter().map(|part| part.sum.clone()).collect();
        let ours = sums.filter(|_| self.is_multipart).and_then(|sums| Sum::composite(&sums));
        ours.is_some_and(|ours| ours.digits() == theirs.digits())
    }

    fn judge_parts(&self, etag: Option<&str>) -> ProofResult {
        if !self.parts.is_empty() && self.parts.iter().all(|part| part.confirmed) {
            return ProofResult::Proven(Proof::Parts);
        }
        match (self.etag(), etag) {
            (Some(ours), Some(theirs)) if ours == theirs => ProofResult::Proven(Proof::Etag),
            // What looks like one is one; another ETag need not be an MD5.
            (Some(ours), Some(theirs)) if looks_alike(&ours, theirs) => ProofResult::Different {
                expected: format!("ETag {ours}"),
                found: format!("ETag {theirs}"),
            },
            _ => ProofResult::Nothing,
        }
    }

    /// Judges what `HeadObject` says.
    pub(crate) fn compare_with_head(&self, head: &ObjectHead) -> ProofResult {
        if head.size != self.size {
            return ProofResult::Different {
                expected: count(self.size, "byte"),
                found: count(head.size, "byte"),
            };
        }
        match self.compare_with_response(head.checksum.as_ref(), head.etag.as_deref()) {
            ProofResult::Nothing => ProofResult::Proven(Proof::Size),
            verdict => verdict,
        }
    }

    /// Returns the `ETag` a store with MD5 tags gives, where the MD5s are known.
    fn etag(&self) -> Option<String> {
        let md5s: Option<Vec<_>> = self.parts.iter().map(|part| part.md5).collect();
        match md5s?.as_slice() {
            [] => None,
            [single] if !self.is_multipart => Some(super::checksum::hex(single)),
            md5s => Some(multipart_etag(md5s)),
        }
    }
}

/// Returns whether two `ETag`s are MD5s of the same sort: of the content, or of as many parts.
fn looks_alike(ours: &str, theirs: &str) -> bool {
    let split = |etag: &str| {
        let (digits, parts) = etag.split_once('-').unwrap_or((etag, ""));
        is_md5(digits).then(|| parts.to_owned())
    };
    split(theirs).is_some_and(|parts| split(ours) == Some(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::object::checksum::{Algorithm, md5};

    fn part(number: u32, bytes: &[u8], confirmed: bool) -> StoredPart {
        StoredPart {
            number,
            size: bytes.len() as u64,
            etag: String::new(),
            sum: Some(Sum::of(Algorithm::Crc64Nvme, bytes)),
            confirmed,
            md5: (!confirmed).then(|| md5(bytes)),
            attempts: 1,
            is_copied: false,
        }
    }

    fn checksum(bytes: &[u8]) -> Checksum {
        Sum::of(Algorithm::Crc64Nvme, bytes).checksum()
    }

    #[test]
    fn the_same_checksum_of_the_whole_is_the_best_proof() {
        let sent = UploadedObject::of_parts(vec![part(1, b"ab", true), part(2, b"c", true)]);

        let verdict = sent.compare_with_response(Some(&checksum(b"abc")), None);

        assert_eq!(verdict, ProofResult::Proven(Proof::Full));
    }

    #[test]
    fn another_checksum_is_never_a_proof() {
        let sent = UploadedObject::of_parts(vec![part(1, b"ab", true), part(2, b"c", true)]);

        let verdict = sent.compare_with_response(Some(&checksum(b"abd")), None);

        assert!(matches!(verdict, ProofResult::Different { .. }));
    }

    #[test]
    fn a_checksum_of_checksums_proves_the_parts() {
        let sent = UploadedObject::of_parts(vec![part(1, b"ab", true), part(2, b"c", true)]);
        let sums = sent.parts.iter().filter_map(|part| part.sum.clone()).collect::<Vec<_>>();

        let verdict = sent.compare_with_response(Sum::composite(&sums).as_ref(), None);

        assert_eq!(verdict, ProofResult::Proven(Proof::Parts));
    }

    #[test]
    fn confirmed_parts_prove_less_than_the_whole() {
        let sent = UploadedObject::of_parts(vec![part(1, b"ab", true), part(2, b"c", true)]);

        assert_eq!(sent.compare_with_response(None, None), ProofResult::Proven(Proof::Parts));
        assert!(Proof::Parts < Proof::Full && Proof::Etag < Proof::Parts);
    }

    #[test]
    fn an_etag_counts_only_when_it_is_the_md5() {
        let sent = UploadedObject::of_parts(vec![part(1, b"ab", false), part(2, b"c", false)]);
        let etag = multipart_etag(&[md5(b"ab"), md5(b"c")]);

        assert_eq!(sent.compare_with_response(None, Some(&etag)), ProofResult::Proven(Proof::Etag));
        assert_eq!(sent.compare_with_response(None, Some("other")), ProofResult::Nothing);
    }

    #[test]
    fn an_etag_that_could_be_the_md5_and_is_another_contradicts() {
        let single = UploadedObject::single(part(1, b"ab", false));
        let parts = UploadedObject::of_parts(vec![part(1, b"ab", false), part(2, b"c", false)]);
        let other = "0".repeat(32);
        let is_different = |sent: &UploadedObject, etag: &str| {
            matches!(sent.compare_with_response(None, Some(etag)), ProofResult::Different { .. })
        };

        assert!(is_different(&single, &other));
        assert!(is_different(&parts, &format!("{other}-2")));
        assert!(!is_different(&single, &format!("{other}-2")));
        assert!(!is_different(&parts, &format!("{other}-3")));
        assert!(!is_different(&single, "0x8DC"));
    }

    #[test]
    fn a_wrong_size_is_a_different_object() {
        let sent = UploadedObject::of_parts(vec![part(1, b"ab", true)]);
        let head = ObjectHead { size: 3, ..ObjectHead::default() };

        assert!(matches!(sent.compare_with_head(&head), ProofResult::Different { .. }));
        let head = ObjectHead { size: 2, ..ObjectHead::default() };
        assert_eq!(sent.compare_with_head(&head), ProofResult::Proven(Proof::Parts));
    }
}
