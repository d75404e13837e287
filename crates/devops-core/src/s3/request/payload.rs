//! Bytes to send, with the headers that protect them on the way.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::{
    client::customize::CustomizableOperation,
    config::{ConfigBag, Intercept, RuntimeComponents},
    error::BoxError,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use bytes::Bytes;
use md5::{Digest, Md5};

use sha2::Sha256;

use super::request_body::Content;
use crate::s3::{
    object::{
        checksum::{Algorithm, Hasher, Sha256Pair, Sum, base64, hex},
        checksum_strategy::ChecksumStrategy,
        response::{StoredPart, WriteResponse},
    },
    store::cancel_token::CancelToken,
};

/// The checksums that the headers of a body need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashing {
    pub(crate) checksum_strategy: ChecksumStrategy,
    /// Is set if an MD5 goes with the checksum, because the store does not confirm that.
    pub(crate) with_md5: bool,
    /// Is set if the signature has to cover the bytes, which TLS would protect.
    pub(crate) plain_http: bool,
}

/// Bytes to send, with what the headers say of them.
pub(crate) struct Payload {
    pub(crate) content: Content,
    pub(crate) sum: Option<Sum>,
    md5: Option<[u8; 16]>,
    sha256: Option<String>,
}

/// The number of bytes that are hashed at once: they stay in the processor's cache from one hash to the next.
const PIECE: usize = 256 << 10;

/// Computes all that the headers say, piece by piece.
pub(crate) struct PayloadHasher {
    sum: Option<Hasher>,
    md5: Option<Md5>,
    sha256: Option<Sha256>,
}

impl PayloadHasher {
    pub(crate) fn new(hashing: Hashing) -> Self {
        let Hashing { checksum_strategy, with_md5, plain_http } = hashing;
        let sum = match checksum_strategy {
            ChecksumStrategy::Checksum(algorithm) => Some(Hasher::new(algorithm)),
            ChecksumStrategy::Md5 | ChecksumStrategy::Nothing => None,
        };
        let md5 = (checksum_strategy == ChecksumStrategy::Md5 || with_md5 && sum.is_some())
            .then(Md5::new);
        let sha256 = plain_http.then(Sha256::new);
        Self { sum, md5, sha256 }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        if let Some(sum) = &mut self.sum {
            sum.update(piece);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(piece);
        }
    }

    /// Takes the bytes that went through it.
    pub(crate) fn finish(self, content: Content) -> Payload {
        Payload {
            content,
            sum: self.sum.map(Hasher::finish),
            md5: self.md5.map(|md5| md5.finalize().into()),
            sha256: self.sha256.map(|sha256| hex(&sha256.finalize())),
        }
    }
}

/// Computes all that the headers of two payloads of one size say.
pub(crate) struct PairHasher {
    hashers: [PayloadHasher; 2],
    sha256: Option<Sha256Pair>,
}

impl PairHasher {
    pub(crate) fn new(hashing: Hashing) -> Self {
        // What the signature covers is hashed for both at once.
        let hasher = || PayloadHasher::new(Hashing { plain_http: false, ..hashing });
        Self { hashers: [hasher(), hasher()], sha256: hashing.plain_http.then(Sha256Pair::new) }
    }

    pub(crate) fn update(&mut self, pieces: [&[u8]; 2]) {
        for (hasher, piece) in self.hashers.iter_mut().zip(pieces) {
            hasher.update(piece);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(pieces);
        }
    }

    pub(crate) fn finish(self, contents: [Content; 2]) -> [Payload; 2] {
        let ([one, other], [content, other_content]) = (self.hashers, contents);
        let [hash, other_hash] =
            self.sha256.map_or([None, None], |sha256| sha256.finish().map(|hash| Some(hex(&hash))));
        [
            Payload { sha256: hash, ..one.finish(content) },
            Payload { sha256: other_hash, ..other.finish(other_content) },
        ]
    }
}

impl Payload {
    /// Hashes on the calling thread.
    pub(crate) fn new(bytes: Bytes, hashing: Hashing) -> Self {
        let mut hasher = PayloadHasher::new(hashing);
        bytes.chunks(PIECE).for_each(|piece| hasher.update(piece));
        hasher.finish(Content::Held(bytes))
    }

    pub(crate) fn size(&self) -> u64 {
        self.content.size()
    }

    pub(crate) fn value(&self, algorithm: Algorithm) -> Option<String> {
        let checksum = self.sum.as_ref()?.checksum();
        (checksum.algorithm == algorithm).then_some(checksum.value)
    }

    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        Some(self.sum.as_ref()?.checksum().algorithm)
    }

    pub(crate) fn content_md5(&self) -> Option<String> {
        self.md5.map(|md5| base64(&md5))
    }

    /// Makes the store's answer to these bytes into a part, hashing again where it confirms nothing.
    pub(crate) async fn stored(
        &self,
        number: u32,
        response: WriteResponse,
        attempts: u32,
        cancel_token: &CancelToken,
    ) -> StoredPart {
        let ours = self.sum.as_ref().map(Sum::checksum);
        let confirmed = ours.is_some() && ours == response.checksum;
        let md5 = match (self.md5, confirmed, &self.sum) {
            (Some(md5), _, _) => Some(md5),
            (None, false, Some(_)) => self.content.md5(cancel_token).await,
            _ => None,
        };
        let (size, sum) = (self.size(), self.sum.clone());
        StoredPart {
            number,
            size,
            etag: response.etag.unwrap_or_default(),
            sum,
            confirmed,
            md5,
            attempts,
            is_copied: false,
        }
    }
}

/// States the hash of a body that is streamed, which the SDK would otherwise leave unsigned.
#[derive(Debug)]
struct PayloadHash(String);

impl Intercept for PayloadHash {
    fn name(&self) -> &'static str {
        "PayloadHash"
    }

    fn modify_before_signing(
        &self,
        _request: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let hash = PayloadSigningOverride::Precomputed(self.0.clone());
        config.interceptor_state().store_put(hash);
        Ok(())
    }
}

/// Lets the signature cover a streamed body over plain HTTP.
pub(crate) fn signed<T, E, B>(
    operation: CustomizableOperation<T, E, B>,
    payload: &Payload,
) -> CustomizableOperation<T, E, B> {
    match &payload.sha256 {
        Some(hash) => operation.interceptor(PayloadHash(hash.clone())),
        None => operation,
    }
}
