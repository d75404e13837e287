//! Events of operations.

use std::{path::PathBuf, time::Duration};

use time::OffsetDateTime;

use super::{checksum::Checksum, proof::Proof, protection::Lack, text::StoreText, uri::S3Uri};
use crate::fs::PathError;

/// Something a long operation tells its caller.
#[derive(Debug)]
pub enum Event {
    /// An object is about to be sent or fetched.
    Started {
        /// The object.
        uri: S3Uri,
        /// The file, or nothing for a stream.
        path: Option<PathBuf>,
        /// The number of bytes, if known.
        size: Option<u64>,
        /// The number of parts it is sent in, if known.
        parts: Option<u32>,
    },
    /// An upload of an earlier run goes on.
    Resumed {
        /// The object.
        uri: S3Uri,
        /// The time it was begun.
        begun: OffsetDateTime,
        /// The number of parts the store lists.
        parts: u32,
        /// The number of bytes they have; each is told as moved once it is found to be right.
        size: u64,
    },
    /// An object is made of another one in the store, as far as that has the same bytes.
    Composed {
        /// The object.
        uri: S3Uri,
        /// The other one.
        base: S3Uri,
        /// The number of bytes that are copied inside the store.
        copied: u64,
        /// The number of parts the object has.
        parts: u32,
    },
    /// Nothing is copied inside the store, for this reason; all is sent.
    NoServerSideCopy {
        /// The object.
        uri: S3Uri,
        /// The reason.
        reason: String,
    },
    /// The object that was named to copy from is in an archive.
    InColdStorage(S3Uri),
    /// A download resumes.
    Continued {
        /// The object.
        uri: S3Uri,
        /// The number of ranges that are there.
        parts: u32,
        /// The number of bytes they have; each is told as moved.
        size: u64,
    },
    /// A download restarts: the partial file is of another object, or of this one before it changed.
    RestartedDownload {
        /// The object.
        uri: S3Uri,
    },
    /// The partial file of an interrupted download stays, so that a later run resumes it.
    PartialKept {
        /// The path.
        path: PathBuf,
        /// The number of bytes it has.
        size: u64,
    },
    /// An upload that breaks off will have to begin anew, because there is no place for its journal.
    JournalUnavailable(PathError),
    /// A stream is being written into a spool, which has so many bytes now.
    Spooled(u64),
    /// An upload that an earlier run left is aborted, and another one begins.
    AbandonedUpload {
        /// The object.
        uri: S3Uri,
        /// The reason it is of no use.
        reason: String,
    },
    /// An upload that is given up could not be aborted: its parts stay.
    AbortFailed {
        /// The object.
        uri: S3Uri,
        /// The store's name for the upload.
        upload_id: StoreText,
        /// The reason the store keeps it.
        reason: String,
    },
    /// Bytes moved; negative when an attempt failed and its bytes must be sent again.
    BytesTransferred(i64),
    /// A part is stored.
    Part {
        /// The object.
        uri: S3Uri,
        /// The part's number, from 1.
        number: u32,
        /// Its size in bytes.
        size: u64,
        /// The number of attempts it took.
        attempts: u32,
    },
    /// A request failed and is tried again after a pause.
    Retry {
        /// S3's name of the operation.
        operation: &'static str,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The pause.
        pause: Duration,
        /// The error.
        reason: String,
    },
    /// The bucket was found in this region instead.
    Region(StoreText),
    /// The credentials had ended, and the chain gave newer ones.
    Renewed,
    /// The store does not know something that protects the object, which goes on without it.
    FeatureUnsupported(&'static str),
    /// An object that served to find something out could not be removed.
    ProbeLeft {
        /// The object.
        uri: S3Uri,
        /// The reason.
        reason: String,
    },
    /// An object is stored, or was there already.
    Object(ObjectSummary),
}

/// The outcome of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was sent.
    Stored,
    /// The same content was there already.
    Unchanged,
}

/// One object that is stored.
#[derive(Clone, Debug)]
pub struct ObjectSummary {
    /// The object.
    pub uri: S3Uri,
    /// Is set if it was sent or there already.
    pub outcome: Outcome,
    /// The number of bytes it has.
    pub size: u64,
    /// The checksum computed here, unless none was asked for or the store knows none.
    pub checksum: Option<Checksum>,
    /// How well the store confirms it.
    pub proof: Proof,
    /// The version, where the bucket keeps versions.
    pub version_id: Option<StoreText>,
    /// The number of parts it was sent in; 0 when it was not sent.
    pub parts: u32,
    /// How many bytes of content were sent, those of failed attempts excluded.
    pub bytes_sent: u64,
    /// How many bytes of content were copied inside the store.
    pub bytes_copied: u64,
    /// The number of attempts all its data requests took.
    pub attempts: u32,
    /// The features that were asked for and are missing or unconfirmed.
    pub lacks: Vec<Lack>,
    /// The duration.
    pub elapsed: Duration,
}
