//! Multipart uploads that were begun and neither completed nor aborted: their parts cost money.

use aws_sdk_s3::types::{EncodingType, MultipartUpload};
use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        response::{Upload, decoded},
        text::StoreText,
        timestamp::time_of,
        uri::S3Uri,
    },
    request::{
        context::S3Context,
        pages::{Pages, are_encoded},
    },
};

/// A multipart upload that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpload {
    /// The object it would become.
    pub uri: S3Uri,
    /// Its id.
    pub id: StoreText,
    /// The time it was begun.
    pub begun: Option<OffsetDateTime>,
}

/// Returns the unfinished uploads of keys that begin with the key of `prefix`.
///
/// With `before`, only those begun earlier; one whose beginning nobody tells counts as young.
pub fn pending_uploads<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    before: Option<OffsetDateTime>,
) -> LocalBoxFuture<'a, Result<Vec<PendingUpload>, S3Error>> {
    Box::pin(async move {
        let mut uploads = Vec::new();
        let mut markers: (Option<String>, Option<String>) = (None, None);
        let mut pages = Pages::default();
        loop {
            let send = |client: aws_sdk_s3::Client| {
                client
                    .list_multipart_uploads()
                    .bucket(&prefix.bucket)
                    .prefix(&prefix.key)
                    .encoding_type(EncodingType::Url)
                    .set_key_marker(markers.0.clone())
                    .set_upload_id_marker(markers.1.clone())
                    .send()
            };
            let page =
                match context.execute(context.metadata_request("ListMultipartUploads"), send).await
                {
                    Ok((page, _)) => page,
                    // So rclone says that there are none.
                    Err(failure) if failure.error_kind == RequestErrorKind::NoUpload => break,
                    Err(failure) => return Err(failure.into()),
                };
            let keys = page.uploads().iter().map(MultipartUpload::key);
            let encoded = are_encoded(page.encoding_type(), keys);
            uploads.extend(page.uploads().iter().map(|upload| pending(prefix, upload, encoded)));
            if page.is_truncated() != Some(true) {
                break;
            }
            let next = page.next_key_marker().map(|key| Some(decoded(key, encoded)));
            let next = next.map(|key| (key, page.next_upload_id_marker().map(str::to_owned)));
            let ids: Vec<_> = page.uploads().iter().map(MultipartUpload::upload_id).collect();
            markers = pages.next("ListMultipartUploads", next, &ids).map_err(RequestError::from)?;
        }
        uploads.retain(|upload| upload.is_meant(prefix, before));
        Ok(uploads)
    })
}

impl PendingUpload {
    /// Uploads of other keys are not the caller's, whatever the store lists.
    fn is_meant(&self, prefix: &S3Uri, before: Option<OffsetDateTime>) -> bool {
        let is_old = before.is_none_or(|before| self.begun.is_some_and(|begun| begun < before));
        is_old && self.uri.key.starts_with(&prefix.key) && !self.id.is_empty()
    }
}

fn pending(prefix: &S3Uri, upload: &MultipartUpload, encoded: bool) -> PendingUpload {
    let key = decoded(upload.key().unwrap_or_default(), encoded);
    PendingUpload {
        uri: prefix.with_key(key),
        id: upload.upload_id().unwrap_or_default().into(),
        begun: upload.initiated().and_then(time_of),
    }
}

/// Removes an unfinished upload with its parts; one that is gone already is no error.
pub fn abort_upload<'a>(
    context: S3Context<'a>,
    upload: &'a PendingUpload,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        context.cancel_token.check()?;
        let upload = Upload { uri: upload.uri.clone(), id: upload.id.clone() };
        Ok(context.abort(&upload).await?)
    })
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn is_meant(key: &str, id: &str, begun: Option<OffsetDateTime>) -> bool {
        let uri = |key| S3Uri::new("backups", key).unwrap();
        let upload = PendingUpload { uri: uri(key), id: id.into(), begun };
        upload.is_meant(&uri("mine/"), Some(NOW))
    }

    #[test]
    fn uploads_of_other_keys_are_left_alone_whatever_the_store_lists() {
        let old = Some(NOW - Duration::DAY);

        assert!(is_meant("mine/a", "id", old));
        assert!(!is_meant("yours/a", "id", old));
        assert!(!is_meant("x/mine/a", "id", old));
        assert!(!is_meant("mine", "id", old));
        assert!(!is_meant("", "id", old));
        assert!(!is_meant("mine/a", "", old));
    }

    #[test]
    fn an_upload_whose_beginning_nobody_tells_is_young() {
        assert!(!is_meant("mine/a", "id", None));
        assert!(!is_meant("mine/a", "id", Some(NOW)));
    }
}
