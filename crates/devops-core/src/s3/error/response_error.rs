//! Errors that travel inside an error of the SDK, and what lies beside an answer.

use std::error::Error;

use super::{error_chain::chain, request_error::RequestErrorKind};

/// The answer is for something else than was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OtherResponse {
    /// Another object has taken the place of the one that was asked for.
    #[error("the object was replaced while it was fetched")]
    Replaced,
    #[error("the store answered for the {name} `{told}`, and was asked for `{asked}`")]
    Other { name: &'static str, asked: String, told: String },
    #[error("the answer does not name the {name}, which may be another than `{asked}`")]
    Silent { name: &'static str, asked: String, error_kind: RequestErrorKind },
}

impl OtherResponse {
    pub(crate) fn error_kind(&self) -> RequestErrorKind {
        match self {
            Self::Replaced => RequestErrorKind::Conflict,
            Self::Other { .. } => RequestErrorKind::OtherResponse,
            Self::Silent { error_kind, .. } => error_kind.clone(),
        }
    }
}

/// The bucket of a request, beside the answer that something is not there: its message need not name it.
#[derive(Clone, Debug)]
pub(crate) struct AskedBucket(pub(crate) String);

/// The most bytes of a body that is no object: a page of 1,000 keys has less than 2 MiB.
pub(in crate::s3) const MOST_BODY: u64 = 16 << 20;

/// The most bytes of the headers: an object's metadata has 2 KiB.
pub(crate) const MOST_HEADERS: usize = 64 << 10;

/// An answer that is longer than any of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::s3) enum TooLong {
    #[error("an answer of more than {} MiB", MOST_BODY >> 20)]
    Body,
    #[error("an answer with more than {} KiB of headers", MOST_HEADERS >> 10)]
    Headers,
}

/// Names a bucket that does not exist.
pub(crate) fn does_not_exist(bucket: &str) -> String {
    format!("the bucket `{bucket}` does not exist")
}

pub(in crate::s3) fn too_long(error: &(dyn Error + 'static)) -> Option<TooLong> {
    chain(error).find_map(|cause| cause.downcast_ref().copied())
}
