//! Objects in S3-compatible stores: put them, prove them, get them back.
//!
//! Rooms stand on each other in this order: `object` and `plan` are data and decisions, `error` says what went
//! wrong, `store` is a connection, `request` a request; `upload`, `download`, `verify`, `maintain`, `sync` and `doctor`
//! act through an [`S3Context`].
//! Everything here is asynchronous and runs on the caller's runtime; file access and hashing go to its
//! blocking threads.

mod doctor;
mod download;
mod error;
mod maintain;
mod metrics_file;
mod object;
mod plan;
mod request;
mod store;
mod sync;
mod upload;
mod verify;

pub use self::{
    doctor::{Diagnosis, DoctorOptions, Finding, Severity, diagnose},
    download::{
        download_items::{DownloadItem, DownloadItems, plan_download_items},
        get::{Existing, GetPreview, get, preview_get, preview_stream},
        get_many::{find_download_items, get_download_item, preview_download_item},
        get_stream::get_stream,
        options::{GetOptions, GetSummary},
        past_objects::{find_at, find_download_items_at},
    },
    error::{
        credential_error::CredentialError,
        operation::{JournalError, SourceError, UnfinishedName},
        request_error::{RequestError, RequestErrorKind},
    },
    maintain::{
        copy_object::{CopyOptions, CopyPreview, CopySummary, copy_object, preview_copy},
        move_object::{move_object, preview_move},
        presign::{MAX_LIFETIME, Permission, presign},
        remove::{
            PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions, plan_removal, remove,
        },
        thaw::{
            ColdObjects, RetrievalTier, ThawOptions, ThawOutcome, ThawStep, Waited, Waiting,
            check_tier, find_cold_objects, inspect, plan_thaw, thaw, wait_for_thaw,
        },
        undelete::{HiddenObject, UndeletePlan, plan_undelete, undelete},
        unfinished_uploads::{PendingUpload, abort_upload, pending_uploads},
    },
    metrics_file::{RunMetrics, RunRecord, write_metrics},
    object::{
        attributes::{Attributes, BadTags, Encryption, Method, ObjectLock, RetentionMode, Tags},
        checksum::{Algorithm, Checksum},
        event::{Event, ObjectSummary, Outcome},
        headers::{CustomerKey, RequestHeaders},
        proof::Proof,
        protection::{Feature, Lack, Left},
        response::{ListedObject, ObjectHead},
        storage_class::{ColdTier, RestoreStatus},
        text::StoreText,
        uri::{S3Uri, UriError},
    },
    plan::{
        filter::{Filter, FilterError},
        parts::{Limits, MIN_PART, Part, PartPlan, PartSize, PlanError, StreamPlan},
        server_side_copy::{Composition, PartRules, SharedRange},
    },
    request::{
        bucket::{BadBucketName, check_bucket, check_bucket_name, create_bucket},
        context::S3Context,
        delete::{DeleteOutcome, DeleteTarget, delete},
        list::{LevelEntry, list, list_level},
        versions::{ListedVersion, ObjectHold, VersionStatus, keeps_versions, list_versions},
    },
    store::{
        cancel_token::CancelToken,
        capabilities::{CachedCapabilities, Capabilities, Conditions},
        connect::connect,
        options::{Addresses, ConnectError, ConnectOptions},
        quirks::{Quirks, Support},
        rate_limit::{RateError, RateLimit, RateLimiter},
        retry_policy::{AfterSignal, RetryConfig},
        s3_store::{Store, StoreOptions},
    },
    sync::{
        Deletion, DownPlan, ExtraFile, NotDeletable, PlannedFile, SyncAction, SyncError, SyncPlan,
        SyncScope, check_extra, check_listing, delete_extra, plan_sync, plan_sync_down, unchanged,
        upload_if_changed,
    },
    upload::{
        absent_keys::list_absent_keys,
        batch::{for_each_concurrent, upload_to_all},
        journal::{Job, Journals, Unfinished},
        options::{Listed, OverwritePolicy, PutOptions},
        put::{Compose, Preview, preview, put, put_composed},
        resume::discard_upload,
        resume_options::{Resume, ResumePolicy},
        spool::{Spool, has_resumable_spool, remove_unused_spool},
        stream::{UploadStream, ensure_absent, put_stream},
        upload_items::{
            Skipped, UploadItem, UploadItems, UploadItemsError, find_in_folder, find_upload_items,
        },
    },
    verify::{Depth, Verification, verify},
};

pub use error::operation::S3Error;
pub(crate) use store::blocking::blocking;
