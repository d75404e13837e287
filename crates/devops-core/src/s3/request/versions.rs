//! Versions of objects, and the locks that keep them.

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::SdkError,
    operation::head_object::{HeadObjectError, HeadObjectOutput},
    types::{
        BucketVersioningStatus, DeleteMarkerEntry, EncodingType, ObjectLockRetention,
        ObjectLockRetentionMode, ObjectVersion,
    },
};
use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

use super::{
    context::{CancelPolicy, RequestOptions, S3Context},
    delete::{DeleteTarget, Md5Alone},
    list::size_of,
    pages::{Pages, are_encoded, is_below},
    read::{is_of_object, none_of_s3, size_of_object},
};
use crate::s3::{
    RetentionMode,
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        protection::{is_on, lock_of},
        response::{decoded, unquoted},
        text::{StoreText, as_sent},
        timestamp::time_of,
        uri::S3Uri,
    },
};

/// A version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// The object and the version.
    pub target: DeleteTarget,
    /// Is set if it is what its key has.
    pub is_latest: bool,
    /// Is set if it is a delete marker, which has no bytes.
    pub is_marker: bool,
    /// The number of bytes it has.
    pub size: u64,
    /// The time it was stored.
    pub modified: Option<OffsetDateTime>,
    /// Its `ETag`, without quotes.
    pub etag: Option<String>,
    /// Its storage class, where the store names it.
    pub storage_class: Option<StoreText>,
}

/// The retention or legal hold of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectHold {
    /// The mode of its lock, and when that ends.
    pub lock: Option<(RetentionMode, OffsetDateTime)>,
    /// Is set if it is held until somebody lifts that.
    pub is_legal: bool,
}

impl ObjectHold {
    /// Returns whether it keeps the version at that time.
    pub fn is_in_force(&self, now: OffsetDateTime) -> bool {
        self.is_legal || self.lock.is_some_and(|(_, until)| until > now)
    }
}

/// The state of a version before it is deleted or locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionStatus {
    /// The number of bytes it has.
    pub size: u64,
    /// Its `ETag`, without quotes.
    pub etag: Option<String>,
    /// The time it was stored, to the second.
    pub modified: Option<OffsetDateTime>,
    /// Its version, where the bucket keeps versions.
    pub version_id: Option<StoreText>,
    /// Its retention or legal hold, where the credentials allow the request.
    pub hold: ObjectHold,
}

/// Returns all versions and delete markers of keys that begin with that of `prefix`, those of a key from
/// the newest to the oldest; fails rather than give a part of them.
pub fn list_versions<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
) -> LocalBoxFuture<'a, Result<Vec<ListedVersion>, S3Error>> {
    Box::pin(async move {
        let mut versions = Vec::new();
        let mut markers: (Option<String>, Option<String>) = (None, None);
        let mut pages = Pages::default();
        loop {
            let send = |client: Client| {
                client
                    .list_object_versions()
                    .bucket(&prefix.bucket)
                    .prefix(&prefix.key)
                    .encoding_type(EncodingType::Url)
                    .set_key_marker(markers.0.clone())
                    .set_version_id_marker(markers.1.clone())
                    .send()
            };
            let (page, _) =
                context.execute(context.metadata_request("ListObjectVersions"), send).await?;
            let keys = page.versions().iter().map(ObjectVersion::key);
            let keys = keys.chain(page.delete_markers().iter().map(DeleteMarkerEntry::key));
            let encoded = are_encoded(page.encoding_type(), keys);
            let start = versions.len();
            for version in page.versions() {
                versions.push(of_version(prefix, version, encoded)?);
            }
            let deleted = page.delete_markers().iter();
            versions.extend(deleted.map(|marker| of_marker(prefix, marker, encoded)));
            let mut below = Vec::new();
            for listed in versions.drain(start..) {
                if is_below(prefix, &listed.target.uri.key, page.prefix())? {
                    below.push(listed);
                }
            }
            versions.append(&mut below);
            // Versions and markers come in two lists; the latest of a key must stand first.
            versions[start..].sort_by(newest_first);
            if page.is_truncated() != Some(true) {
                return Ok(versions);
            }
            let next = page.next_key_marker().map(|key| Some(decoded(key, encoded)));
            let next = next.map(|key| (key, page.next_version_id_marker().map(str::to_owned)));
            let listed: Vec<_> = versions[start..]
                .iter()
                .map(|version| (&version.target.uri.key, &version.target.version_id))
                .collect();
            markers =
                pages.next("ListObjectVersions", next, &listed).map_err(RequestError::from)?;
        }
    })
}

/// Orders the versions of a key. Where stores know times to the second only, a marker is taken for newer than
/// a version of the same second, which it hides.
fn newest_first(a: &ListedVersion, b: &ListedVersion) -> std::cmp::Ordering {
    let by_key = a.target.uri.key.cmp(&b.target.uri.key);
    let by_time = b.is_latest.cmp(&a.is_latest).then(b.modified.cmp(&a.modified));
    by_key.then(by_time).then(b.is_marker.cmp(&a.is_marker))
}

fn target(prefix: &S3Uri, key: Option<&str>, id: Option<&str>, encoded: bool) -> DeleteTarget {
    let key = decoded(key.unwrap_or_default(), encoded);
    let uri = prefix.with_key(key);
    DeleteTarget { uri, version_id: id.map(StoreText::from) }
}

fn of_version(
    prefix: &S3Uri,
    version: &ObjectVersion,
    encoded: bool,
) -> Result<ListedVersion, S3Error> {
    let target = target(prefix, version.key(), version.version_id(), encoded);
    Ok(ListedVersion {
        size: size_of("ListObjectVersions", &target.uri.key, version.size())?,
        target,
        is_latest: version.is_latest() == Some(true),
        is_marker: false,
        modified: version.last_modified().and_then(time_of),
        etag: unquoted(version.e_tag()),
        storage_class: version.storage_class().map(|class| class.as_str().into()),
    })
}

fn of_marker(prefix: &S3Uri, marker: &DeleteMarkerEntry, encoded: bool) -> ListedVersion {
    ListedVersion {
        target: target(prefix, marker.key(), marker.version_id(), encoded),
        is_latest: marker.is_latest() == Some(true),
        is_marker: true,
        size: 0,
        modified: marker.last_modified().and_then(time_of),
        etag: None,
        storage_class: None,
    }
}

/// Returns whether a deletion in this bucket only hides objects, or nothing where the store does not say.
pub fn keeps_versions<'a>(
    context: S3Context<'a>,
    bucket: &'a str,
) -> LocalBoxFuture<'a, Result<Option<bool>, S3Error>> {
    Box::pin(async move {
        let send = |client: Client| client.get_bucket_versioning().bucket(bucket).send();
        match context.execute(context.metadata_request("GetBucketVersioning"), send).await {
            // A bucket where that was suspended has the versions from before.
            Ok((output, _)) => Ok(Some(matches!(
                output.status(),
                Some(BucketVersioningStatus::Enabled | BucketVersioningStatus::Suspended)
            ))),
            Err(failure) if failure.error_kind.is_unknown() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    })
}

impl S3Context<'_> {
    /// Returns what the store tells about an object, or one version of it; nothing when there is none.
    pub(crate) async fn version_status(
        &self,
        target: &DeleteTarget,
    ) -> Result<Option<VersionStatus>, RequestError> {
        let send = async |client: Client| -> Result<_, SdkError<HeadObjectError, HttpResponse>> {
            let request = client.head_object().bucket(&target.uri.bucket).key(&target.uri.key);
            let output = request.set_version_id(as_sent(target.version_id.as_ref())).send().await?;
            if is_of_object(&output) { Ok(output) } else { Err(none_of_s3()) }
        };
        match self.execute(self.metadata_request("HeadObject"), send).await {
            Ok((output, _)) => Ok(Some(version_status_of(&output))),
            Err(failure) if failure.error_kind == RequestErrorKind::NoObject => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Locks a version until then.
    pub(crate) async fn put_retention(
        &self,
        target: &DeleteTarget,
        mode: RetentionMode,
        until: OffsetDateTime,
    ) -> Result<(), RequestError> {
        let mode = match mode {
            RetentionMode::Governance => ObjectLockRetentionMode::Governance,
            RetentionMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        let seconds = aws_sdk_s3::primitives::DateTime::from_secs(until.unix_timestamp());
        let retention =
            ObjectLockRetention::builder().mode(mode).retain_until_date(seconds).build();
        let send = |client: Client| {
            client
                .put_object_retention()
                .bucket(&target.uri.bucket)
                .key(&target.uri.key)
                .set_version_id(as_sent(target.version_id.as_ref()))
                .retention(retention.clone())
                .customize()
                .interceptor(Md5Alone)
                .send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.metadata_request("PutObjectRetention")
        };
        self.execute(request, send).await.map(|_| ())
    }
}

fn version_status_of(output: &HeadObjectOutput) -> VersionStatus {
    VersionStatus {
        size: size_of_object(output).unwrap_or_default(),
        etag: unquoted(output.e_tag()),
        modified: output.last_modified().and_then(time_of),
        version_id: output.version_id().map(StoreText::from),
        hold: ObjectHold {
            lock: lock_of(output),
            is_legal: is_on(output.object_lock_legal_hold_status()),
        },
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_marker_hides_the_version_of_its_second() {
        let listed = |id: &str, is_latest| ListedVersion {
            target: DeleteTarget {
                uri: S3Uri::new("backups", "a").expect("it is one"),
                version_id: Some(id.into()),
            },
            is_latest,
            is_marker: id.starts_with('x'),
            size: 1,
            modified: Some(datetime!(2026-11-30 12:00 UTC)),
            etag: None,
            storage_class: None,
        };
        let order = |mut versions: Vec<ListedVersion>| {
            versions.sort_by(newest_first);
            let ids = versions.iter().filter_map(|it| it.target.version_id.as_ref());
            ids.map(StoreText::as_sent).collect::<Vec<_>>().join(" ")
        };

        let hidden = vec![listed("1", false), listed("x3", true), listed("x2", false)];
        assert_eq!(order(hidden), "x3 x2 1");
        let there = vec![listed("2", true), listed("1", false), listed("x1", false)];
        assert_eq!(order(there), "2 x1 1");
    }
}
