//! The requests of S3 that read objects.

use std::{cell::RefCell, collections::HashMap, ops::Range, sync::OnceLock};

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{BoxError, ConnectorError, SdkError},
    operation::{
        get_object::GetObjectOutput,
        head_object::{HeadObjectError, HeadObjectOutput},
    },
    types::{ChecksumMode, Part as SdkPart, ServerSideEncryption, StorageClass},
};

use super::{
    context::{RequestOptions, S3Context},
    pages::Pages,
    stall_detector::StallDetector,
};
use crate::s3::{
    error::{
        request_error::{RequestError, RequestErrorKind},
        response_error::OtherResponse,
    },
    object::{
        attributes::UPLOAD_TOKEN_KEY,
        preserved::Preserved,
        protection::{Given, encryption_given, is_on, lock_of},
        response::{ListedPart, ObjectHead, Upload, unquoted},
        storage_class::RestoreStatus,
        text::{StoreText, as_sent},
        uri::S3Uri,
    },
    store::buffer_pool::PooledBuffer,
};

/// Returns the header that asks for these bytes, of which there is at least one.
fn range_header(bytes: &Range<u64>) -> String {
    format!("bytes={}-{}", bytes.start, bytes.end - 1)
}

/// Picks the checksum from an output that has a field for each algorithm, with the type it states.
macro_rules! checksum_of {
    ($output:expr, $kind:expr) => {{
        let output = &$output;
        let composite = $kind == Some(&aws_sdk_s3::types::ChecksumType::Composite);
        let found = |algorithm, value: Option<&str>| {
            value.map(|value| {
                $crate::s3::Checksum::shown(algorithm, value, composite, output.e_tag())
            })
        };
        found($crate::s3::Algorithm::Crc64Nvme, output.checksum_crc64_nvme())
            .or_else(|| found($crate::s3::Algorithm::Crc32c, output.checksum_crc32_c()))
            .or_else(|| found($crate::s3::Algorithm::Sha256, output.checksum_sha256()))
    }};
}
pub(crate) use checksum_of;

/// Reads what an answer tells of an object of this size.
macro_rules! head_of {
    ($output:expr, $size:expr) => {{
        let output = &$output;
        ObjectHead {
            size: $size,
            etag: unquoted(output.e_tag()),
            etag_is_opaque: is_opaque(
                output.server_side_encryption(),
                output.sse_customer_algorithm(),
                output.storage_class(),
            ),
            checksum: checksum_of!(output, output.checksum_type()),
            id: output.metadata().and_then(|metadata| metadata.get(UPLOAD_TOKEN_KEY)).cloned(),
            version_id: output.version_id().map(StoreText::from),
            storage_class: output.storage_class().map(|class| class.as_str().into()),
            // What is read here can be read.
            restore_status: RestoreStatus::default(),
            preserved: output.metadata().map(Preserved::read).unwrap_or_default(),
            given: encryption_given!(output),
        }
    }};
}

impl S3Context<'_> {
    /// Returns what the store tells about an object, or nothing when it has none.
    pub(crate) async fn head(&self, uri: &S3Uri) -> Result<Option<ObjectHead>, RequestError> {
        let failure = match self.ask_head(uri).await {
            // The answer to HEAD has no body that could say more; that to GET has.
            Err(failure)
                if matches!(
                    failure.error_kind,
                    RequestErrorKind::Denied | RequestErrorKind::Rejected
                ) =>
            {
                failure
            }
            known => return known,
        };
        match self.peek(uri).await {
            Err(better) if better.code.is_none() => Err(failure),
            Err(better) if better.error_kind == RequestErrorKind::NoObject => Ok(None),
            // GET went through, and only the bytes are in an archive; HEAD needs none.
            Err(better) if better.error_kind == RequestErrorKind::InColdStorage => {
                self.ask_head(uri).await
            }
            Err(better) => Err(better),
            // It was the region, or the end of the credentials, which the answer to GET named.
            Ok(()) => self.ask_head(uri).await,
        }
    }

    async fn ask_head(&self, uri: &S3Uri) -> Result<Option<ObjectHead>, RequestError> {
        let send = async |client: Client| -> Result<HeadObjectOutput, SdkError<HeadObjectError, HttpResponse>> {
            let request = client.head_object().bucket(&uri.bucket).key(&uri.key);
            let request = request.set_version_id(as_sent(uri.version_id.as_ref()));
            let output = request.checksum_mode(ChecksumMode::Enabled).send().await?;
            if is_of_object(&output) { Ok(output) } else { Err(none_of_s3()) }
        };
        match self.execute(self.metadata_request("HeadObject"), send).await {
            Ok((output, _)) => {
                let size = size_of_object(&output).unwrap_or_default();
                let restore_status = RestoreStatus::of(&output);
                let head = head_of!(output, size);
                let given = Given {
                    lock: lock_of(&output),
                    legal_hold: is_on(output.object_lock_legal_hold_status()),
                    storage_class: output.storage_class().cloned(),
                    n_tags: output.tag_count().and_then(|n| usize::try_from(n).ok()),
                    ..head.given
                };
                Ok(Some(self.believed(ObjectHead { restore_status, given, ..head })))
            }
            Err(failure) if failure.error_kind == RequestErrorKind::NoObject => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Leaves out what the store only repeats.
    fn believed(&self, head: ObjectHead) -> ObjectHead {
        let checksum = head.checksum.filter(|_| self.store.checksums_prove());
        ObjectHead { checksum, ..head }
    }

    async fn peek(&self, uri: &S3Uri) -> Result<(), RequestError> {
        let send = |client: Client| {
            let request = client.get_object().bucket(&uri.bucket).key(&uri.key);
            request.set_version_id(as_sent(uri.version_id.as_ref())).range("bytes=0-0").send()
        };
        match self
            .execute(RequestOptions { retry: false, ..self.metadata_request("GetObject") }, send)
            .await
        {
            // An empty object has no first byte.
            Err(failure) if failure.code() == "InvalidRange" => Ok(()),
            peeked => peeked.map(drop),
        }
    }

    /// Returns the parts of an unfinished upload.
    pub(crate) async fn list_parts(
        &self,
        upload: &Upload,
    ) -> Result<HashMap<u32, ListedPart>, RequestError> {
        let mut parts = HashMap::new();
        let mut marker: Option<String> = None;
        let mut pages = Pages::default();
        loop {
            let send = |client: Client| {
                let request = client.list_parts().set_part_number_marker(marker.clone());
                request
                    .bucket(&upload.uri.bucket)
                    .key(&upload.uri.key)
                    .upload_id(upload.id.as_sent())
                    .send()
            };
            let (page, _) = self.execute(self.metadata_request("ListParts"), send).await?;
            let proves = self.store.checksums_prove();
            let believed = |(number, part): (u32, ListedPart)| {
                (number, ListedPart { checksum: part.checksum.filter(|_| proves), ..part })
            };
            parts.extend(page.parts().iter().filter_map(listed).map(believed));
            let next = page.next_part_number_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) || next.is_none() || next == marker {
                return Ok(parts);
            }
            let numbers: Vec<_> = page.parts().iter().map(SdkPart::part_number).collect();
            marker = Some(pages.next("ListParts", next, &numbers)?);
        }
    }

    /// Fetches these bytes of exactly the object with that `ETag`.
    pub(crate) async fn get_range(
        &self,
        uri: &S3Uri,
        etag: Option<&str>,
        bytes: Range<u64>,
    ) -> Result<PooledBuffer, RequestError> {
        let (range, size) = (range_header(&bytes), bytes.end - bytes.start);
        let (_, buffer) = self.get_bytes((uri, etag), Some(&range), size).await?;
        Ok(buffer)
    }

    /// Fetches these bytes of the object whose ranges came before.
    pub(crate) async fn get_part(
        &self,
        uri: &S3Uri,
        same: &SameObject,
        bytes: Range<u64>,
    ) -> Result<PooledBuffer, RequestError> {
        let (range, size) = (range_header(&bytes), bytes.end - bytes.start);
        let etag = same.0.get().map(String::as_str);
        let (response, buffer) = self.get_bytes((uri, etag), Some(&range), size).await?;
        if same.is(unquoted(response.e_tag())) {
            Ok(buffer)
        } else {
            Err(replaced(RequestError::local("GetObject", RequestErrorKind::Conflict, "")))
        }
    }

    /// Fetches the whole of exactly the object with that `ETag`, and what the store tells of it.
    pub(crate) async fn get_whole(
        &self,
        uri: &S3Uri,
        etag: Option<&str>,
        size: u64,
    ) -> Result<(ObjectHead, PooledBuffer), RequestError> {
        let (response, buffer) = self.get_bytes((uri, etag), None, size).await?;
        Ok((self.believed(head_of!(response, size)), buffer))
    }

    async fn get_bytes(
        &self,
        (uri, etag): (&S3Uri, Option<&str>),
        range: Option<&str>,
        size: u64,
    ) -> Result<(GetObjectOutput, PooledBuffer), RequestError> {
        let stall_detector = StallDetector::new(self.store.rate_limiter());
        let buffer = RefCell::new(self.store.buffer_pool().take(size).await);
        let send = |client: Client| {
            let request = client
                .get_object()
                .bucket(&uri.bucket)
                .key(&uri.key)
                .set_version_id(as_sent(uri.version_id.as_ref()))
                .set_range(range.map(str::to_owned))
                .set_if_match(etag.map(|etag| format!("\"{etag}\"")));
            let is_whole = range.is_none();
            // Asked for in the SDK's own way, it would compute the checksum a second time.
            let request = request.customize().mutate_request(move |request| {
                if is_whole {
                    request.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
                }
            });
            stall_detector.restart();
            let (stall_detector, buffer) = (&stall_detector, &buffer);
            async move {
                let mut response = request.send().await?;
                let mut body = std::mem::take(&mut response.body);
                let mut at = 0;
                while let Some(bytes) = body.try_next().await.map_err(lost)? {
                    let end = at + bytes.len();
                    if end as u64 > size {
                        return Err(lost("more bytes than asked for"));
                    }
                    buffer.borrow_mut().bytes_mut()[at..end].copy_from_slice(&bytes);
                    at = end;
                    stall_detector.pass(bytes.len()).await;
                }
                if at as u64 == size {
                    Ok(response)
                } else {
                    Err(lost("fewer bytes than asked for"))
                }
            }
        };
        let _permit = self.store.limiter().acquire().await;
        let stall = self.store.retry_config().stall;
        let request = RequestOptions {
            response_timeout: stall,
            body: Some((&stall_detector, size)),
            ..self.metadata_request("GetObject")
        };
        match self.execute(request, send).await {
            Ok((response, _)) => Ok((response, buffer.into_inner())),
            Err(failure) if failure.error_kind == RequestErrorKind::Exists => {
                Err(replaced(failure))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Holds the ranges of an object together: where nothing told its `ETag` before, the first one does.
pub(crate) struct SameObject(OnceLock<String>);

impl SameObject {
    pub(crate) fn new(head: &ObjectHead) -> Self {
        Self(head.etag.clone().map_or_else(OnceLock::new, OnceLock::from))
    }

    fn is(&self, etag: Option<String>) -> bool {
        etag.is_none_or(|etag| *self.0.get_or_init(|| etag.clone()) == etag)
    }
}

fn replaced(failure: RequestError) -> RequestError {
    let message = OtherResponse::Replaced.to_string().into();
    RequestError { error_kind: RequestErrorKind::Conflict, message, ..failure }
}

/// Returns whether an `ETag` is no MD5: with another key than the store's own, and in a directory bucket
/// (S3 API reference, `Object`).
fn is_opaque(
    encryption: Option<&ServerSideEncryption>,
    customer_algorithm: Option<&str>,
    storage_class: Option<&StorageClass>,
) -> bool {
    let has_other_key = encryption.is_some_and(|it| *it != ServerSideEncryption::Aes256);
    has_other_key
        || customer_algorithm.is_some()
        || storage_class == Some(&StorageClass::ExpressOnezone)
}

/// An object of no size or no properties is what something between us and the store made up.
pub(crate) fn is_of_object(output: &HeadObjectOutput) -> bool {
    let is_known = output.e_tag().is_some() || output.last_modified().is_some();
    is_known && size_of_object(output).is_some()
}

/// Returns the size that an answer tells, unless it is none.
pub(crate) fn size_of_object(output: &HeadObjectOutput) -> Option<u64> {
    output.content_length().and_then(|size| u64::try_from(size).ok())
}

pub(crate) fn none_of_s3<E>() -> SdkError<E, HttpResponse> {
    lost("an answer that is none of S3")
}

fn listed(part: &SdkPart) -> Option<(u32, ListedPart)> {
    let number = u32::try_from(part.part_number()?).ok()?;
    let size = u64::try_from(part.size()?).ok()?;
    let etag = unquoted(part.e_tag())?;
    Some((number, ListedPart { size, etag, checksum: checksum_of!(part, None) }))
}

fn lost<E>(error: impl Into<BoxError>) -> SdkError<E, HttpResponse> {
    SdkError::dispatch_failure(ConnectorError::io(error.into()))
}
