//! The objects under a prefix as they were at a time, from the versions that the bucket keeps.

use futures_util::future::LocalBoxFuture;
use time::{Duration, OffsetDateTime};

use super::download_items::{DownloadItems, plan_download_items};
use crate::s3::{
    error::operation::S3Error,
    object::{response::ListedObject, uri::S3Uri},
    plan::filter::Filter,
    request::{
        context::S3Context,
        versions::{ListedVersion, list_versions},
    },
};

const LAST_OF_SECOND: Duration = Duration::nanoseconds(999_999_999);

/// Returns the version that an object had at a time; nothing if there was none, or it was deleted then.
pub fn find_at<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    at: OffsetDateTime,
) -> LocalBoxFuture<'a, Result<Option<ListedObject>, S3Error>> {
    Box::pin(async move {
        let mut versions = list_versions(context, uri).await?;
        versions.retain(|version| version.target.uri.key == uri.key);
        Ok(objects_at(versions, at).pop())
    })
}

/// Decides which files the objects that were under a prefix at a time become, as
/// [`find_download_items`](crate::s3::find_download_items) does for those of now.
pub fn find_download_items_at<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    filter: &'a Filter,
    at: OffsetDateTime,
) -> LocalBoxFuture<'a, Result<DownloadItems, S3Error>> {
    Box::pin(async move {
        let listed = objects_at(list_versions(context, prefix).await?, at);
        Ok(plan_download_items(prefix, listed, filter))
    })
}

/// Returns the objects that there were at a time; each names its version.
///
/// A time without fractions, as listings show it, means all of that second. A store dates an object of several
/// parts by the beginning of its upload.
fn objects_at(versions: Vec<ListedVersion>, at: OffsetDateTime) -> Vec<ListedObject> {
    let at = if at.nanosecond() == 0 { at + LAST_OF_SECOND } else { at };
    let mut objects: Vec<ListedObject> = Vec::new();
    let mut last: Option<String> = None;
    // Those of a key come together, the newest first.
    for version in versions {
        let is_decided = last.as_deref() == Some(&version.target.uri.key);
        if is_decided || version.modified.is_some_and(|modified| modified > at) {
            continue;
        }
        last = Some(version.target.uri.key.clone());
        if !version.is_marker {
            objects.push(object_of(version));
        }
    }
    objects
}

fn object_of(version: ListedVersion) -> ListedObject {
    let ListedVersion { target, size, modified, etag, storage_class, .. } = version;
    let uri = match target.version_id {
        Some(id) => target.uri.with_version(id),
        None => target.uri,
    };
    ListedObject { uri, size, modified, etag, storage_class }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::s3::DeleteTarget;

    const BEGAN: OffsetDateTime = datetime!(2026-11-01 00:00 UTC);

    /// Reads `KEY DAY` of a version, or `KEY DAY x` of a delete marker; the version is named by its day.
    fn version(text: &str) -> ListedVersion {
        let words: Vec<_> = text.split(' ').collect();
        let uri = S3Uri::new("backups", words[0]).unwrap();
        let day = words[1].parse().unwrap();
        ListedVersion {
            target: DeleteTarget { uri, version_id: Some(words[1].into()) },
            is_latest: false,
            is_marker: words.len() > 2,
            size: 1,
            modified: Some(BEGAN + Duration::days(day)),
            etag: None,
            storage_class: None,
        }
    }

    #[test]
    fn the_newest_version_of_then_counts_and_what_was_deleted_then_is_not_there() {
        let listed = ["a 9 x", "a 7", "a 5 x", "a 3", "b 6", "c 8", "d 2 x", "d 1"];
        let at = |days| {
            let versions = listed.iter().map(|text| version(text)).collect();
            let objects = objects_at(versions, BEGAN + Duration::days(days));
            let named = |object: ListedObject| object.uri.to_string().replace("s3://backups/", "");
            objects.into_iter().map(named).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(at(0), "");
        assert_eq!(at(1), "d?versionId=1");
        assert_eq!(at(4), "a?versionId=3");
        assert_eq!(at(5), "");
        assert_eq!(at(7), "a?versionId=7 b?versionId=6");
        assert_eq!(at(10), "b?versionId=6 c?versionId=8");
    }

    #[test]
    fn a_time_to_the_second_means_all_of_it() {
        let second = BEGAN + Duration::days(1);
        let stored = ListedVersion {
            modified: Some(second + Duration::milliseconds(700)),
            ..version("a 1")
        };
        let n_at = |at| objects_at(vec![stored.clone()], at).len();

        assert_eq!(n_at(second), 1);
        assert_eq!(n_at(second + Duration::milliseconds(300)), 0);
        assert_eq!(n_at(second - Duration::SECOND), 0);
    }
}
