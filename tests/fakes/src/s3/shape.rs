//! What a request is, by its line and headers.

use hyper::{Method, Request, body::Incoming};

/// The operation that a request asks for.
pub(super) struct Shape {
    /// S3's name of it.
    pub(super) operation: &'static str,
    /// The part's number, in requests that have one.
    pub(super) part: Option<u32>,
}

/// Reads what a request is.
pub(super) fn shape(request: &Request<Incoming>) -> Shape {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let value =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let path = request.uri().path().trim_start_matches('/');
    let is_object = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let operation = match (request.method(), is_object) {
        (&Method::PUT, true) if has("partNumber") => {
            let copies = request.headers().contains_key("x-amz-copy-source");
            if copies { "UploadPartCopy" } else { "UploadPart" }
        }
        (&Method::PUT, true) if has("retention") => "PutObjectRetention",
        (&Method::GET, true) if has("attributes") => "GetObjectAttributes",
        (&Method::GET, true) if has("retention") => "GetObjectRetention",
        (&Method::PUT, false) if has("versioning") => "PutBucketVersioning",
        (&Method::GET, false) if has("object-lock") => "GetObjectLockConfiguration",
        (&Method::GET, true) if has("legal-hold") => "GetObjectLegalHold",
        (&Method::GET, true) if has("tagging") => "GetObjectTagging",
        (&Method::GET, false) if has("versioning") => "GetBucketVersioning",
        (&Method::GET, false) if has("versions") => "ListObjectVersions",
        (&Method::POST, false) if has("delete") => "DeleteObjects",
        (&Method::PUT, true) if request.headers().contains_key("x-amz-copy-source") => "CopyObject",
        (&Method::PUT, true) => "PutObject",
        (&Method::PUT, false) => "CreateBucket",
        (&Method::GET, false) if path.is_empty() => "ListBuckets",
        (&Method::DELETE, false) => "DeleteBucket",
        (&Method::POST, true) if has("restore") => "RestoreObject",
        (&Method::POST, true) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, true) => "CompleteMultipartUpload",
        (&Method::DELETE, true) if has("uploadId") => "AbortMultipartUpload",
        (&Method::DELETE, _) => "DeleteObject",
        (&Method::GET, true) if has("uploadId") => "ListParts",
        (&Method::GET, false) if has("uploads") => "ListMultipartUploads",
        (&Method::GET, true) => "GetObject",
        (&Method::GET, false) if !has("list-type") => "ListObjects",
        (&Method::GET, false) => "ListObjectsV2",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::HEAD, false) => "HeadBucket",
        _ => "Other",
    };
    Shape { operation, part: value("partNumber").and_then(|number| number.parse().ok()) }
}
