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
mod aws_config;
mod blocking;
mod body;
mod bounded;
mod bring;
mod bucket;
mod buffers;
mod bundle;
mod cancel_token;
pub mod checksum;
mod checksum_strategy;
mod compare;
mod completion;
mod compose;
mod condition;
mod connect;
mod connect_options;
mod content;
mod copy;
mod credential_error;
mod credentials;
mod delete;
mod doctor;
mod download_items;
mod earlier;
mod echoed;
mod endpoint;
mod error;
mod error_chain;
mod escaped;
mod event;
mod existing;
mod failure;
mod fetch;
mod figures;
mod file_upload;
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
mod put_options;
mod put_parts;
mod quirks;
mod ranges;
mod reads;
mod remove;
mod requests;
mod response;
mod response_error;
mod resume;
mod resume_options;
mod retry;
mod settle;
mod source;
mod spool;
mod storage_class;
mod store;
mod stored_with;
mod stream;
mod summary;
mod sync;
mod task;
mod text;
mod thaw;
mod timestamp;
mod tls;
mod transfer;
mod tree;
mod unanswered;
mod undelete;
mod upload_items;
mod uploads;
mod uri;
mod vacant;
mod verify;
mod versions;
mod wrong_length;
mod xml;

pub use self::{
    attributes::{Attributes, BadTags, Encryption, Method, ObjectLock, RetentionMode, Tags},
    bucket::{BadBucketName, check_bucket, check_bucket_name, create_bucket},
    cancel_token::CancelToken,
    checksum::{Algorithm, Checksum},
    compose::{Composition, Shared},
    connect::connect,
    connect_options::{Addresses, ConnectError, ConnectOptions},
    credential_error::CredentialError,
    delete::{DeleteOutcome, DeleteTarget, delete},
    doctor::{Diagnosis, Examined, Finding, Severity, diagnose},
    download_items::{DownloadItem, DownloadItems, plan_download_items},
    error::{JournalError, SourceError, UnfinishedName},
    event::{Event, ObjectSummary, Outcome},
    failure::{CallFailure, Trouble},
    figures::{Figures, Run, write_metrics},
    filter::{Filter, FilterError},
    get::{Existing, GetPreview, get, preview_get, preview_stream},
    get_many::{find_download_items, get_download_item, preview_download_item},
    get_options::{GetOptions, GetSummary},
    get_stream::get_stream,
    headers::{CustomerKey, RequestHeaders},
    journal::{Job, Journals, Unfinished},
    known::{Conditions, Known, Remembered},
    link::Link,
    list::{LevelEntry, list, list_level},
    moving::{move_object, preview_move},
    pace::{Pace, RateError, RateLimit},
    past::{find_at, find_download_items_at},
    plan::{Limits, Part, PartPlan, PartSize, PlanError, StreamPlan},
    presign::{MAX_LIFETIME, Permission, presign},
    proof::Proof,
    protection::{Feature, Lack, Left},
    put::{Compose, Preview, preview, put, put_composed},
    put_options::{Listed, OverwritePolicy, PutOptions},
    quirks::{Quirks, Support},
    remove::{PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions, plan_removal, remove},
    response::{ListedObject, ObjectHead},
    resume::give_up,
    resume_options::{EarlierRun, Resume},
    retry::{AfterSignal, RetryConfig},
    spool::{Spool, goes_on, release},
    storage_class::{ColdTier, RestoreStatus},
    store::{Store, StoreOptions},
    stream::{UploadStream, put_stream, refuse_taken},
    sync::{
        Deletion, DownPlan, NotDeletable, Pair, PlannedFile, Step, Surplus, SyncError, SyncPlan,
        bring, check_listing, check_surplus, delete_surplus, plan_sync, plan_sync_down, unchanged,
    },
    text::StoreText,
    thaw::{
        ColdObjects, RetrievalTier, ThawOptions, ThawOutcome, ThawStep, Waited, Waiting,
        check_tier, find_cold_objects, inspect, plan_thaw, thaw, wait_for_thaw,
    },
    transfer::{CopyOptions, CopyPreview, CopySummary, copy_object, preview_copy},
    tree::{put_everywhere, run_all},
    undelete::{HiddenObject, UndeletePlan, plan_undelete, undelete},
    upload_items::{
        Skipped, UploadItem, UploadItems, UploadItemsError, find_in_folder, find_upload_items,
    },
    uploads::{PendingUpload, abort_upload, pending_uploads},
    uri::{S3Uri, UriError},
    vacant::find_free_keys,
    verify::{Depth, Verification, verify},
    versions::{ListedVersion, ObjectHold, Standing, keeps_versions, list_versions},
};

pub(crate) use blocking::blocking;
pub use error::S3Error;
