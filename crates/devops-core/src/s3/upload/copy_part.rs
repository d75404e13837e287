//! A part that the store copies from another object, compared with the file here.

use aws_sdk_s3::Client;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{file_upload::FileUpload, object_upload::ObjectUpload};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        checksum::{Sum, hex},
        checksum_strategy::ChecksumStrategy,
        protection::encryption_given,
        response::{StoredPart, Upload, WriteResponse, unquoted},
        text::StoreText,
        uri::S3Uri,
    },
    plan::{layout::CopySource, parts::Part},
    request::{
        context::{CancelPolicy, RequestOptions, S3Context},
        read::checksum_of,
        source_file::OpenFile,
    },
};

const OPERATION: &str = "UploadPartCopy";

/// The characters of a key that are escaped in the header that names the source, as in a path.
pub(crate) const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Returns how a request names the object, or the version of one, that is copied from.
pub(crate) fn source_name(uri: &S3Uri) -> String {
    // The key of an access point stands behind a word of its own (S3 API reference, `x-amz-copy-source`).
    let object = if uri.bucket.starts_with("arn:") { "/object" } else { "" };
    let version = uri.version_id.as_ref().map(StoreText::as_sent);
    let version = version.map(|id| format!("?versionId={}", utf8_percent_encode(id, ENCODED)));
    let key = utf8_percent_encode(&uri.key, ENCODED);
    format!("{}{object}/{key}{}", uri.bucket, version.unwrap_or_default())
}

impl ObjectUpload<'_> {
    /// Lets the store copy one part.
    ///
    /// The base is not believed: the store's checksum of what it copied has to be that of the bytes here.
    pub(crate) async fn copy_part(
        &self,
        of: &FileUpload<'_>,
        part: Part,
        source: CopySource<'_>,
    ) -> Result<StoredPart, S3Error> {
        let copying = async {
            match self.context.copy_part(&of.upload, part, source, of.cancel_policy()).await {
                Err(failure) => Err(self.judged(of, source, failure).await.into()),
                Ok(copied) => Ok::<_, S3Error>(copied),
            }
        };
        let (sum, (response, attempts)) =
            tokio::try_join!(self.read_gracefully(of, self.sum(of.file, part)), copying)?;
        self.check_key(&response.given)?;
        let stored = StoredPart {
            number: part.number,
            size: part.size,
            etag: response.etag.clone().unwrap_or_default(),
            confirmed: sum.as_ref().map(Sum::checksum) == response.checksum && sum.is_some(),
            sum,
            md5: None,
            attempts,
            is_copied: true,
        };
        self.proven(of.file, part, stored).await
    }

    /// Tells a store that will not copy this from one that cannot be reached, or has no such upload.
    async fn judged(
        &self,
        of: &FileUpload<'_>,
        source: CopySource<'_>,
        failure: RequestError,
    ) -> RequestError {
        let is_refused = match failure.error_kind {
            // What was sent by an earlier run is worth asking for the permission again.
            RequestErrorKind::NoBucket | RequestErrorKind::Denied => {
                !of.uploaded_parts.is_resumed()
            }
            RequestErrorKind::NoObject
            | RequestErrorKind::Exists
            | RequestErrorKind::ChecksumRefused
            | RequestErrorKind::ConditionRefused
            | RequestErrorKind::InColdStorage
            | RequestErrorKind::Damaged
            | RequestErrorKind::Rejected
            | RequestErrorKind::Server
            | RequestErrorKind::Unreadable
            | RequestErrorKind::OtherResponse => true,
            // A copy that takes longer than some proxy waits never ends well; if the store itself
            // answers, it is that.
            RequestErrorKind::Broken => self.context.head(source.uri).await.is_ok(),
            _ => false,
        };
        let error_kind =
            if is_refused { RequestErrorKind::CopyRefused } else { failure.error_kind };
        RequestError { error_kind, ..failure }
    }

    async fn sum(&self, file: &OpenFile, part: Part) -> Result<Option<Sum>, S3Error> {
        match self.checksum_strategy {
            ChecksumStrategy::Checksum(algorithm) => {
                file.sum(part, algorithm, self.context.cancel_token).await.map(Some)
            }
            ChecksumStrategy::Md5 | ChecksumStrategy::Nothing => Ok(None),
        }
    }

    /// Fails unless the store's checksum or its `ETag` says that the copied bytes are the same.
    async fn proven(
        &self,
        file: &OpenFile,
        part: Part,
        stored: StoredPart,
    ) -> Result<StoredPart, S3Error> {
        if stored.confirmed {
            return Ok(stored);
        }
        let md5 = file.md5(part, self.context.cancel_token).await?;
        if hex(&md5) == stored.etag {
            return Ok(StoredPart { md5: Some(md5), ..stored });
        }
        let message = "the store does not confirm that the copied bytes are the same";
        Err(RequestError::local(OPERATION, RequestErrorKind::CopyRefused, message).into())
    }
}

impl S3Context<'_> {
    /// Lets the store copy bytes of an object into a part.
    pub(crate) async fn copy_part(
        &self,
        upload: &Upload,
        part: Part,
        source: CopySource<'_>,
        cancel_policy: CancelPolicy,
    ) -> Result<(WriteResponse, u32), RequestError> {
        let CopySource { uri, etag, offset } = source;
        let name = source_name(uri);
        let send = |client: Client| {
            client
                .upload_part_copy()
                .bucket(&upload.uri.bucket)
                .key(&upload.uri.key)
                .upload_id(upload.id.as_sent())
                .part_number(part.number.cast_signed())
                .copy_source(&name)
                .copy_source_range(format!("bytes={offset}-{}", offset + part.size - 1))
                .copy_source_if_match(format!("\"{etag}\""))
                .send()
        };
        let _permit = self.store.limiter().acquire().await;
        let request = RequestOptions {
            response_timeout: self.store.retry_config().completion(),
            cancel_policy,
            ..self.metadata_request(OPERATION)
        };
        let (output, attempts) = self.execute(request, send).await?;
        let Some(result) = output.copy_part_result() else {
            let message = "the answer says nothing of the part";
            return Err(RequestError::local(OPERATION, RequestErrorKind::CopyRefused, message));
        };
        let etag = unquoted(result.e_tag());
        let (checksum, given) = (checksum_of!(result, None), encryption_given!(output));
        Ok((WriteResponse { etag, checksum, version_id: None, given }, attempts))
    }
}
