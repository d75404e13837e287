//! Objects in S3-compatible stores: put them, prove them, get them back.
//!
//! `plan`, `checksum`, `proof`, `retry`, `sync::plan` and `targets` only decide; `connect` makes a
//! [`Store`]; `put`, `tree`, `sync`, `stream`, `spool`, `get`, `verify`, `list`, `thaw`, `presign` and
//! `uploads` act through a [`S3Context`].
//! Everything here is asynchronous and runs on the caller's runtime; file access and hashing go to its
//! blocking threads.

mod abandoned;
mod absent_keys;
mod alike;
mod asked;
mod at_rest;
mod attributes;
mod aws_config;
mod batch;
mod blocking;
mod bounded;
mod bucket;
mod buffer_pool;
mod bundle;
mod cancel_token;
mod capabilities;
pub mod checksum;
mod checksum_strategy;
mod client;
mod compare;
mod completion;
mod concurrency;
mod confirm;
mod connect;
mod connect_options;
mod context;
mod copy;
mod credential_error;
mod credentials;
mod delete;
mod doctor;
mod download_items;
mod echoed;
mod endpoint;
mod error;
mod error_chain;
mod event;
mod existing;
mod fallback;
mod fetch;
mod file_upload;
mod filter;
mod get;
mod get_many;
mod get_options;
mod get_stream;
mod headers;
mod journal;
mod layout;
mod lenient;
mod list;
mod metrics_file;
mod moving;
mod multipart;
mod object_pages;
mod object_upload;
mod output_file;
mod pages;
mod parse_response;
mod partial;
mod parts;
mod past;
mod path_serde;
mod payload;
pub mod plan;
mod precondition;
mod preserved;
mod presign;
mod proof;
mod protection;
mod prove;
mod proxy;
mod put;
mod put_options;
mod put_parts;
mod quirks;
mod ranges;
mod rate_limit;
mod reads;
mod remove;
mod request_body;
mod request_error;
mod requests;
mod response;
mod response_error;
mod response_interceptor;
mod resume;
mod resume_options;
mod retry;
mod server_side_copy;
mod source;
mod spool;
mod stall_detector;
mod storage_class;
mod store;
mod stored_with;
mod stream;
mod stream_destination;
mod summary;
mod sync;
mod text;
mod thaw;
mod timestamp;
mod tls;
mod transfer;
mod unanswered;
mod undelete;
mod upload_items;
mod upload_parts;
mod uploaded_parts;
mod uploads;
mod uri;
mod verify;
mod versions;
mod wrong_length;
mod xml;

pub use self::{
    absent_keys::list_absent_keys,
    attributes::{Attributes, BadTags, Encryption, Method, ObjectLock, RetentionMode, Tags},
    batch::{for_each_concurrent, upload_to_all},
    bucket::{BadBucketName, check_bucket, check_bucket_name, create_bucket},
    cancel_token::CancelToken,
    capabilities::{CachedCapabilities, Capabilities, Conditions},
    checksum::{Algorithm, Checksum},
    connect::connect,
    connect_options::{Addresses, ConnectError, ConnectOptions},
    context::S3Context,
    credential_error::CredentialError,
    delete::{DeleteOutcome, DeleteTarget, delete},
    doctor::{Diagnosis, DoctorOptions, Finding, Severity, diagnose},
    download_items::{DownloadItem, DownloadItems, plan_download_items},
    error::{JournalError, SourceError, UnfinishedName},
    event::{Event, ObjectSummary, Outcome},
    filter::{Filter, FilterError},
    get::{Existing, GetPreview, get, preview_get, preview_stream},
    get_many::{find_download_items, get_download_item, preview_download_item},
    get_options::{GetOptions, GetSummary},
    get_stream::get_stream,
    headers::{CustomerKey, RequestHeaders},
    journal::{Job, Journals, Unfinished},
    list::{LevelEntry, list, list_level},
    metrics_file::{RunMetrics, RunRecord, write_metrics},
    moving::{move_object, preview_move},
    past::{find_at, find_download_items_at},
    plan::{Limits, Part, PartPlan, PartSize, PlanError, StreamPlan},
    presign::{MAX_LIFETIME, Permission, presign},
    proof::Proof,
    protection::{Feature, Lack, Left},
    put::{Compose, Preview, preview, put, put_composed},
    put_options::{Listed, OverwritePolicy, PutOptions},
    quirks::{Quirks, Support},
    rate_limit::{RateError, RateLimit, RateLimiter},
    remove::{PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions, plan_removal, remove},
    request_error::{RequestError, RequestErrorKind},
    response::{ListedObject, ObjectHead},
    resume::discard_upload,
    resume_options::{Resume, ResumePolicy},
    retry::{AfterSignal, RetryConfig},
    server_side_copy::{Composition, SharedRange},
    spool::{Spool, has_resumable_spool, remove_unused_spool},
    storage_class::{ColdTier, RestoreStatus},
    store::{Store, StoreOptions},
    stream::{UploadStream, ensure_absent, put_stream},
    sync::{
        Deletion, DownPlan, ExtraFile, NotDeletable, PlannedFile, SyncAction, SyncError, SyncPlan,
        SyncScope, check_extra, check_listing, delete_extra, plan_sync, plan_sync_down, unchanged,
        upload_if_changed,
    },
    text::StoreText,
    thaw::{
        ColdObjects, RetrievalTier, ThawOptions, ThawOutcome, ThawStep, Waited, Waiting,
        check_tier, find_cold_objects, inspect, plan_thaw, thaw, wait_for_thaw,
    },
    transfer::{CopyOptions, CopyPreview, CopySummary, copy_object, preview_copy},
    undelete::{HiddenObject, UndeletePlan, plan_undelete, undelete},
    upload_items::{
        Skipped, UploadItem, UploadItems, UploadItemsError, find_in_folder, find_upload_items,
    },
    uploads::{PendingUpload, abort_upload, pending_uploads},
    uri::{S3Uri, UriError},
    verify::{Depth, Verification, verify},
    versions::{ListedVersion, ObjectHold, VersionStatus, keeps_versions, list_versions},
};

pub(crate) use blocking::blocking;
pub use error::S3Error;
