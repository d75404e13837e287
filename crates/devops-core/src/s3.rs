//! Objects in S3-compatible stores: put them, prove them, get them back.
//!
//! `plan`, `checksum`, `proof`, `retry`, `sync::plan` and `targets` only decide; `connect` makes a
//! [`Store`]; `put`, `tree`, `sync`, `stream`, `spool`, `get`, `verify`, `list`, `thaw`, `presign` and
//! `uploads` act through a [`Link`].
//! Everything here is asynchronous and runs on the caller's runtime; file access and hashing go to its
//! blocking threads.

mod abandoned;
mod access;
mod adjust;
mod alike;
mod answer;
mod asked;
mod at_rest;
mod attributes;
mod body;
mod bounded;
mod bring;
mod bucket;
mod buffers;
mod bundle;
pub mod checksum;
mod cold;
mod compare;
mod completion;
mod compose;
mod condition;
mod connect;
mod content;
mod copy;
mod credential_error;
mod credentials;
mod delete;
mod doctor;
mod earlier;
mod echoed;
mod escaped;
mod event;
mod existing;
mod failure;
mod fetch;
mod figures;
mod filter;
mod get;
mod get_many;
mod get_options;
mod get_stream;
mod headers;
mod journal;
mod known;
mod landing;
mod lanes;
mod layout;
mod leg;
mod lenient;
mod link;
mod list;
mod moving;
mod multipart;
mod object_pages;
mod observe;
mod pace;
mod pages;
mod partial;
mod parts;
mod past;
mod payload;
pub mod plan;
mod preserved;
mod presign;
mod proof;
mod protection;
mod prove;
mod proxy;
mod put;
mod quirks;
mod ranges;
mod reads;
mod remove;
mod requests;
mod resume;
mod retry;
mod settle;
mod source;
mod sources;
mod spool;
mod stop;
mod store;
mod stored_with;
mod stream;
mod sync;
mod targets;
mod task;
mod text;
mod thaw;
mod tls;
mod transfer;
mod tree;
mod unanswered;
mod undelete;
mod uploads;
mod uri;
mod vacant;
mod verify;
mod versions;
mod wrong_length;
mod xml;

pub use self::{
    attributes::{Attributes, BadTags, Encryption, Lock, LockMode, Method, Tags},
    bucket::{BadBucketName, check_bucket, check_bucket_name, create_bucket},
    checksum::{Algorithm, Checksum},
    cold::{Archive, ArchiveState},
    compose::{Composition, Shared},
    connect::{Addresses, ConnectError, ConnectOptions, connect},
    credential_error::CredentialError,
    delete::{DeleteOutcome, DeleteTarget, delete},
    doctor::{Diagnosis, Examined, Finding, Level, diagnose},
    event::{Event, ObjectSummary, Outcome},
    failure::{CallFailure, Trouble},
    figures::{Figures, Run, write_metrics},
    filter::{Filter, FilterError},
    get::{Existing, GetPreview, get, preview_get, preview_stream},
    get_many::{find_targets, get_target, preview_target},
    get_options::{GetOptions, GetSummary},
    get_stream::get_stream,
    headers::{CustomerKey, RequestHeaders},
    journal::{Job, JournalError, Journals, Unfinished},
    known::{Conditions, Known, Remembered},
    link::Link,
    list::{LevelEntry, ListedObject, list, list_level},
    moving::{move_object, preview_move},
    pace::{Pace, RateError, RateLimit},
    past::{find_at, find_targets_at},
    plan::{Limits, Part, PartPlan, PartSize, PlanError, StreamPlan},
    presign::{MAX_LIFETIME, Permission, presign},
    proof::Proof,
    protection::{Feature, Lack, Left},
    put::{Compose, Listed, Preview, PutOptions, Replace, preview, put, put_composed},
    quirks::{Quirks, Support},
    reads::ObjectHead,
    remove::{PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions, plan_removal, remove},
    resume::{EarlierRun, Resume, give_up},
    retry::{AfterSignal, Patience},
    source::SourceError,
    sources::{Skipped, Source, Sources, SourcesError, find_in_folder, find_sources},
    spool::{Spool, goes_on, release},
    stop::Stop,
    store::{Store, StoreOptions},
    stream::{Stream, put_stream, refuse_taken},
    sync::{
        Deletion, DownPlan, Kept, Pair, PlannedFile, Step, Surplus, SyncError, SyncPlan, bring,
        check_listing, check_surplus, delete_surplus, plan_sync, plan_sync_down, unchanged,
    },
    targets::{Target, Targets, plan_targets},
    text::StoreText,
    thaw::{
        ArchivedObjects, RetrievalTier, ThawOptions, ThawOutcome, ThawStep, Waited, Waiting,
        check_tier, find_archived, inspect, plan_thaw, thaw, wait_for_thaw,
    },
    transfer::{CopyOptions, CopyPreview, CopySummary, copy_object, preview_copy},
    tree::{put_everywhere, run_all},
    undelete::{HiddenObject, UndeletePlan, plan_undelete, undelete},
    uploads::{PendingUpload, abort_upload, pending_uploads},
    uri::{S3Uri, UriError},
    vacant::find_free_keys,
    verify::{Depth, Verification, verify},
    versions::{Hold, ListedVersion, Standing, keeps_versions, list_versions},
};

use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
};

/// Why an object was not put, proven or fetched.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// A signal came; nothing half-made is left unless [`S3Error::LeftBehind`] says so.
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
    Call(#[from] Box<CallFailure>),
    /// The key is taken by other content.
    #[error("`{0}` exists already")]
    Exists(S3Uri),
    /// What is stored is not what was sent or expected.
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
        /// What it lacks.
        features: Box<[Feature]>,
        /// The state it is left in.
        left: Left,
    },
    /// The source is not what it was, or was said to be, or cannot be cut into parts as asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nobody can say whether the object was stored.
    #[error("nobody can say whether `{uri}` was stored (multipart upload {upload_id})")]
    Uncertain {
        /// The object.
        uri: S3Uri,
        /// The upload that may still be there, or `none`.
        upload_id: StoreText,
        /// What went wrong last.
        source: Box<CallFailure>,
    },
    /// The object is there, but the store confirms less than was asked for.
    #[error("`{uri}` is proven by {reached} only, asked for {required}")]
    ProofTooWeak {
        /// The object.
        uri: S3Uri,
        /// What the store confirms; `nothing` if it does not even tell the size.
        reached: &'static str,
        /// What was asked for.
        required: Proof,
    },
    /// What was sent is kept: the same put goes on with it.
    #[error("{source}")]
    Kept {
        /// The id of the job in the journals.
        id: String,
        /// Why it broke off.
        source: Box<Self>,
    },
    /// A failed upload could not be removed; its parts cost money until it is.
    #[error("{source}; the multipart upload {upload_id} of `{uri}` could not be aborted")]
    LeftBehind {
        /// The object.
        uri: S3Uri,
        /// The upload that is still there.
        upload_id: StoreText,
        /// Why the upload failed.
        source: Box<Self>,
    },
}

fn unprotected(uri: &S3Uri, features: &[Feature], left: &Left) -> String {
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

impl From<PlanError> for S3Error {
    fn from(error: PlanError) -> Self {
        Self::Source(error.into())
    }
}

impl From<CallFailure> for S3Error {
    fn from(failure: CallFailure) -> Self {
        match failure.trouble {
            Trouble::Interrupted(cancelled) => Self::Cancelled(cancelled),
            _ => Self::Call(Box::new(failure)),
        }
    }
}

impl HasKind for S3Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Cancelled(error) => error.kind(),
            Self::Path(error) => error.kind(),
            Self::Journal(error) => error.kind(),
            Self::Call(failure) => failure.kind(),
            Self::Exists(_) => Kind::Exists,
            Self::Mismatch { .. } | Self::Unprotected { .. } => Kind::Mismatch,
            Self::Source(error) => error.kind(),
            Self::ProofTooWeak { .. } => Kind::Failed,
            Self::Uncertain { .. } => Kind::Uncertain,
            Self::Kept { source, .. } | Self::LeftBehind { source, .. } => source.kind(),
        }
    }
}

/// Runs `work` on a blocking thread of the runtime.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("blocking work does not panic")
}
