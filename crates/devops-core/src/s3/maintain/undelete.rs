//! Brings back objects that delete markers hide: planned from whole listings, then done.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, future::LocalBoxFuture, stream};

use super::remove::{RemoveError, RemoveOptions, folder};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::uri::S3Uri,
    request::{
        bucket::check_bucket,
        context::S3Context,
        delete::{DeleteOutcome, DeleteTarget, delete},
        versions::{ListedVersion, list_versions},
    },
};

/// An object behind delete markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenObject {
    /// The object, with the version that comes back.
    pub uri: S3Uri,
    /// The number of bytes it has.
    pub size: u64,
    /// The markers that hide it, the newest first.
    pub markers: Vec<DeleteTarget>,
}

/// The delete markers to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndeletePlan {
    /// The objects that are hidden.
    pub hidden: Vec<HiddenObject>,
    /// The objects that were named and are not deleted.
    pub there: Vec<S3Uri>,
    /// The keys that have delete markers and no version any more.
    pub gone: Vec<S3Uri>,
}

/// Finds what delete markers hide; nothing that is named may be missing. The options say what `named` means,
/// as for a removal.
pub fn plan_undelete<'a>(
    context: S3Context<'a>,
    named: &'a [S3Uri],
    options: &'a RemoveOptions,
) -> LocalBoxFuture<'a, Result<UndeletePlan, RemoveError>> {
    Box::pin(async move {
        let mut plan = UndeletePlan::default();
        let mut seen = HashSet::new();
        for uri in named {
            if uri.is_prefix() && !options.recursive {
                return Err(RemoveError::Folder(uri.clone()));
            }
            let prefix = if options.recursive { folder(uri) } else { uri.clone() };
            let mut versions = list_versions(context, &prefix).await?;
            let in_folder = |key: &str| {
                let rest = key.strip_prefix(&prefix.key);
                rest.is_some_and(|rest| options.filter.takes_key(rest))
            };
            let takes = |key: &str| if options.recursive { in_folder(key) } else { key == uri.key };
            let is_empty = versions.is_empty();
            versions.retain(|version| takes(&version.target.uri.key));
            if versions.is_empty() && (is_empty || !options.recursive) {
                check_bucket(context, &uri.bucket).await?;
                return Err(if options.recursive {
                    RemoveError::Nothing(prefix)
                } else {
                    RemoveError::NoObject(uri.clone())
                });
            }
            versions.retain(|version| seen.insert(version.target.clone()));
            plan.add(&versions, !options.recursive);
        }
        Ok(plan)
    })
}

impl UndeletePlan {
    /// Adds what the versions of whole keys tell, those of a key from the newest to the oldest.
    fn add(&mut self, versions: &[ListedVersion], is_named: bool) {
        for of_key in versions.chunk_by(|a, b| a.target.uri == b.target.uri) {
            let n_markers = of_key.iter().take_while(|version| version.is_marker).count();
            let uri = &of_key[0].target.uri;
            match of_key.get(n_markers) {
                Some(_) if n_markers == 0 && is_named => self.there.push(uri.clone()),
                Some(_) if n_markers == 0 => {}
                Some(version) => self.hidden.push(HiddenObject {
                    uri: match &version.target.version_id {
                        Some(id) => uri.clone().with_version(id.clone()),
                        None => uri.clone(),
                    },
                    size: version.size,
                    markers: of_key[..n_markers].iter().map(|it| it.target.clone()).collect(),
                }),
                None => self.gone.push(uri.clone()),
            }
        }
    }
}

/// Removes the markers of these objects and tells of each whether it is back, as the store says when asked for it;
/// the versions stay as they are.
pub fn undelete<'a>(
    context: S3Context<'a>,
    hidden: &'a [HiddenObject],
    each: &'a mut dyn FnMut(&HiddenObject, Result<(), RequestError>),
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let markers = hidden.iter().flat_map(|object| &object.markers);
        let targets: Vec<DeleteTarget> = markers.cloned().collect();
        let of_key: HashMap<(&str, &str), &HiddenObject> = hidden
            .iter()
            .map(|object| ((object.uri.bucket.as_str(), object.uri.key.as_str()), object))
            .collect();
        let mut left: HashMap<&S3Uri, usize> =
            hidden.iter().map(|object| (&object.uri, object.markers.len())).collect();
        let (mut failed, mut bare) = (HashSet::new(), Vec::new());
        let ended = delete(context, &targets, &mut |target, outcome| {
            let object = of_key[&(target.uri.bucket.as_str(), target.uri.key.as_str())];
            match outcome {
                DeleteOutcome::Deleted | DeleteOutcome::Hidden { .. } => {
                    let n_left = left.get_mut(&object.uri).expect("each object is counted");
                    *n_left -= 1;
                    if *n_left == 0 {
                        bare.push(object);
                    }
                }
                DeleteOutcome::Refused(failure) | DeleteOutcome::Failed(failure) => {
                    if failed.insert(&object.uri) {
                        each(object, Err(failure));
                    }
                }
            }
        })
        .await;
        let looking = stream::iter(bare).map(async |object| (object, look(context, object).await));
        let mut looking = Box::pin(looking.buffered(context.store.concurrency()));
        while let Some((object, is_back)) = looking.next().await {
            each(object, is_back);
        }
        ended
    })
}

/// Fails unless the key has an object again.
async fn look(context: S3Context<'_>, object: &HiddenObject) -> Result<(), RequestError> {
    let uri = S3Uri { version_id: None, ..object.uri.clone() };
    if context.head(&uri).await?.is_some() {
        return Ok(());
    }
    let message = "its delete markers were removed, and the store still has no object there";
    Err(RequestError::local("HeadObject", RequestErrorKind::Conflict, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::object::text::StoreText;

    fn version(text: &str) -> ListedVersion {
        let (key, id) = text.split_once(' ').unwrap();
        let uri = S3Uri::new("backups", key).unwrap();
        ListedVersion {
            target: DeleteTarget { uri, version_id: Some(id.into()) },
            is_latest: false,
            is_marker: id.starts_with('x'),
            size: 1,
            modified: None,
            etag: None,
            storage_class: None,
        }
    }

    #[test]
    fn all_markers_above_the_newest_version_go() {
        let listed = ["a x3", "a x2", "a 1", "b 2", "b x1", "c x1", "d x2", "d 1", "d x0"];
        let versions: Vec<_> = listed.iter().map(|text| version(text)).collect();
        let plan = |is_named| {
            let mut plan = UndeletePlan::default();
            plan.add(&versions, is_named);
            plan
        };

        let shown: Vec<_> = plan(false)
            .hidden
            .iter()
            .map(|hidden| {
                let ids = hidden.markers.iter().filter_map(|marker| marker.version_id.as_ref());
                (hidden.uri.to_string(), ids.map(StoreText::as_sent).collect::<Vec<_>>().join(" "))
            })
            .collect();
        let hidden =
            |key: &str, ids: &str| (format!("s3://backups/{key}?versionId=1"), ids.to_owned());
        assert_eq!(shown, [hidden("a", "x3 x2"), hidden("d", "x2")]);
        let keys = |uris: Vec<S3Uri>| uris.into_iter().map(|uri| uri.key).collect::<Vec<_>>();
        assert_eq!(keys(plan(true).there), ["b"]);
        assert_eq!((keys(plan(false).there), keys(plan(false).gone)), (vec![], vec!["c".into()]));
    }
}
