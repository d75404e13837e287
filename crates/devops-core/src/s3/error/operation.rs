//! Errors of operations on a store.

use super::request_error::{RequestError, RequestErrorKind};
use crate::s3::{
    object::{
        proof::Proof,
        protection::{Feature, Left},
        text::StoreText,
        uri::S3Uri,
    },
    plan::parts::PlanError,
};
use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
    units::count,
};
use std::path::PathBuf;

/// An error of an operation on objects.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// A signal came; nothing half-made is left unless [`S3Error::AbortFailed`] says so.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A local file cannot be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An unfinished upload is not taken up.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store, or the way to it, said no.
    #[error(transparent)]
    Request(#[from] Box<RequestError>),
    /// The key is taken by other content.
    #[error("`{0}` exists already")]
    Exists(S3Uri),
    /// The stored bytes are not those that were sent or expected.
    #[error("`{uri}` is not what was sent: {found} in the store, {expected} here")]
    Mismatch {
        /// The object.
        uri: S3Uri,
        /// The checksum or size computed here.
        expected: String,
        /// The checksum or size the store gave.
        found: String,
    },
    /// An object is not protected as asked for, or would not be.
    #[error("{}", unprotected(.uri, .features, .left))]
    Unprotected {
        /// The object.
        uri: S3Uri,
        /// The missing features.
        features: Box<[Feature]>,
        /// The state it is left in.
        left: Left,
    },
    /// The source is not what it was, or was said to be, or cannot be cut into parts as asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The outcome of a write is unknown.
    #[error("outcome unknown: `{uri}` may or may not be stored (multipart upload {upload_id})")]
    Uncertain {
        /// The object.
        uri: S3Uri,
        /// The upload that may still be there, or `none`.
        upload_id: StoreText,
        /// The last error.
        source: Box<RequestError>,
    },
    /// The object is there, but the store confirms less than was asked for.
    #[error("`{uri}` is proven by {reached} only, asked for {required}")]
    ProofTooWeak {
        /// The object.
        uri: S3Uri,
        /// The proof that was reached; `nothing` without even the size.
        reached: &'static str,
        /// The proof that was required.
        required: Proof,
    },
    /// The uploaded parts are kept: the same put resumes.
    #[error("{source}")]
    Resumable {
        /// The id of the job in the journals.
        id: String,
        /// The error that interrupted it.
        source: Box<Self>,
    },
    /// A failed upload could not be removed; its parts cost money until it is.
    #[error("{source}; the multipart upload {upload_id} of `{uri}` could not be aborted")]
    AbortFailed {
        /// The object.
        uri: S3Uri,
        /// The upload that is still there.
        upload_id: StoreText,
        /// The reason the upload failed.
        source: Box<Self>,
    },
}

impl From<PlanError> for S3Error {
    fn from(error: PlanError) -> Self {
        Self::Source(error.into())
    }
}

impl From<RequestError> for S3Error {
    fn from(failure: RequestError) -> Self {
        match failure.error_kind {
            RequestErrorKind::Interrupted(cancelled) => Self::Cancelled(cancelled),
            _ => Self::Request(Box::new(failure)),
        }
    }
}

impl HasKind for S3Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled(error) => error.kind(),
            Self::Path(error) => error.kind(),
            Self::Journal(error) => error.kind(),
            Self::Request(failure) => failure.kind(),
            Self::Exists(_) => Kind::Exists,
            Self::Mismatch { .. } | Self::Unprotected { .. } => Kind::Mismatch,
            Self::Source(error) => error.kind(),
            Self::ProofTooWeak { .. } => Kind::Failed,
            Self::Uncertain { .. } => Kind::Uncertain,
            Self::Resumable { source, .. } | Self::AbortFailed { source, .. } => source.kind(),
        }
    }
}

/// The file and the object of an unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedName {
    /// The file.
    pub path: PathBuf,
    /// The object.
    pub uri: S3Uri,
}

/// The reason an unfinished upload is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the file cannot be used.
    #[error(transparent)]
    Unusable(#[from] PathError),
    /// Another process is at it.
    #[error("another process is uploading `{}` to `{}`", .0.path.display(), .0.uri)]
    Busy(Box<UnfinishedName>),
    /// There is nothing to take up any more.
    #[error("the upload of `{}` to `{}` is not unfinished any more", .0.path.display(), .0.uri)]
    Gone(Box<UnfinishedName>),
    /// The file is not what it was.
    #[error("`{}` is not what it was when its upload to `{}` began", .0.path.display(), .0.uri)]
    Changed(Box<UnfinishedName>),
    /// It was begun in another way.
    #[error("the unfinished upload of `{}` to `{}` was begun with another {what}", .upload.path.display(), .upload.uri)]
    Otherwise {
        /// The upload.
        upload: Box<UnfinishedName>,
        /// The option that differs: `checksum`.
        what: &'static str,
    },
}

impl HasKind for JournalError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unusable(error) => error.kind(),
            Self::Busy(_) => Kind::Temporary,
            Self::Gone(_) => Kind::NotFound,
            Self::Changed(_) => Kind::Denied,
            Self::Otherwise { .. } => Kind::Usage,
        }
    }
}

/// The source is not what it was, or was said to be, or cannot be cut into parts as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It has not the length it was said to have.
    #[error("`{name}` has {}, expected {expected}", known_length(*.found, *.expected))]
    Length {
        /// The file, or `-`.
        name: String,
        /// The number of bytes that were expected.
        expected: u64,
        /// The number of them; of one that is longer, how many were read until that was seen.
        found: u64,
    },
    /// It changed while it was read.
    #[error("`{0}` changed while it was read")]
    Changed(String),
    /// It has content, which its size does not tell, as files in `/proc` have.
    #[error("`{0}` says that it has no bytes, and has some")]
    Unsized(String),
    /// It cannot be cut into parts as asked.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl HasKind for SourceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Length { .. } | Self::Changed(_) | Self::Unsized(_) => Kind::Failed,
            Self::Plan(_) => Kind::Usage,
        }
    }
}

pub(in crate::s3) fn unprotected(uri: &S3Uri, features: &[Feature], left: &Left) -> String {
    let features: Vec<_> = features.iter().map(|feature| feature.name()).collect();
    let without = format!("without the {} asked for", features.join(" and "));
    match left {
        Left::Unsent => {
            format!("`{uri}` was not stored: the store takes objects {without}")
        }
        Left::Removed => format!("the store took `{uri}` {without}, and it was removed again"),
        Left::There => format!("`{uri}` is stored {without}"),
        Left::Stuck(reason) => {
            format!("`{uri}` is stored {without}, and could not be removed: {reason}")
        }
        Left::Before => format!("`{uri}` has the same content already, {without}"),
    }
}

/// Returns the length of a source; one that is too long already is not read to its end.
pub(in crate::s3) fn known_length(found: u64, expected: u64) -> String {
    if found > expected {
        format!("more than {}", count(expected, "byte"))
    } else {
        count(found, "byte")
    }
}
