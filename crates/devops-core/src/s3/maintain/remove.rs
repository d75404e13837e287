//! Removes objects a person names, or all below a prefix: planned from whole listings, then done.

use std::collections::{HashMap, HashSet};

use futures_util::future::LocalBoxFuture;

use crate::kind::{HasKind, Kind};
use crate::s3::{
    error::{operation::S3Error, request_error::RequestError},
    object::{response::ListedObject, uri::S3Uri},
    plan::filter::Filter,
    request::{
        bucket::check_bucket,
        context::S3Context,
        delete::{DeleteOutcome, DeleteTarget, delete},
        list::list,
        versions::{ListedVersion, ObjectHold, list_versions},
    },
};

/// The settings of a removal.
#[derive(Clone, Debug, Default)]
pub struct RemoveOptions {
    /// Is set if what is named are folders, with all that is in them.
    pub recursive: bool,
    /// The filter, by the rest of the key.
    pub filter: Filter,
    /// Is set if all versions and delete markers go, instead of what the keys have.
    pub versions: bool,
}

/// The reason nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The store, or the way to it, said no.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// There is no such object.
    #[error("no object `{0}`")]
    NoObject(S3Uri),
    /// There is nothing below a prefix.
    #[error("there is nothing below `{0}`")]
    Nothing(S3Uri),
    /// A prefix was named like an object.
    #[error("`{0}` names a folder, not an object")]
    Folder(S3Uri),
}

impl HasKind for RemoveError {
    fn kind(&self) -> Kind {
        match self {
            Self::S3(error) => error.kind(),
            Self::NoObject(_) | Self::Nothing(_) => Kind::NotFound,
            Self::Folder(_) => Kind::Usage,
        }
    }
}

/// An object, version or delete marker that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRemoval {
    /// The object or version.
    pub target: DeleteTarget,
    /// The number of bytes it has.
    pub size: u64,
    /// Is set if it is what its key has.
    pub is_latest: bool,
    /// Is set if it is a delete marker.
    pub is_marker: bool,
}

/// The result of a [`PlannedRemoval`].
#[derive(Debug)]
pub enum RemovalOutcome {
    /// It is gone.
    Removed,
    /// A delete marker hides it, and its bytes stay.
    Hidden,
    /// It stays, because it is locked.
    Locked(ObjectHold),
    /// It stays, because an earlier version of it does, which would come to light.
    Covers,
    /// It stays, because the store allows no more.
    Denied(RequestError),
    /// It may be there or not.
    Failed(RequestError),
}

/// Finds what is to be removed; nothing that is named may be missing.
pub fn plan_removal<'a>(
    context: S3Context<'a>,
    named: &'a [S3Uri],
    options: &'a RemoveOptions,
) -> LocalBoxFuture<'a, Result<Vec<PlannedRemoval>, RemoveError>> {
    Box::pin(async move {
        if let Some(folder) = named.iter().find(|uri| !options.recursive && uri.is_prefix()) {
            return Err(RemoveError::Folder(folder.clone()));
        }
        let mut planned = Vec::new();
        for uri in named {
            planned.extend(match (options.recursive, options.versions) {
                (true, _) => in_folder(context, uri, options).await?,
                (false, true) => {
                    let mut versions = list_versions(context, uri).await?;
                    versions.retain(|version| version.target.uri == *uri);
                    of_versions(versions)
                }
                (false, false) => {
                    let target = DeleteTarget::from(uri.clone());
                    let version_status =
                        context.version_status(&target).await.map_err(S3Error::from)?;
                    let of =
                        |size| PlannedRemoval { target, size, is_latest: true, is_marker: false };
                    version_status
                        .map(|version_status| of(version_status.size))
                        .into_iter()
                        .collect()
                }
            });
            if !options.recursive && !planned.iter().any(|planned| planned.target.uri == *uri) {
                // The bucket may be what is missing.
                check_bucket(context, &uri.bucket).await?;
                return Err(RemoveError::NoObject(uri.clone()));
            }
        }
        let mut seen = HashSet::new();
        planned.retain(|planned| seen.insert(planned.target.clone()));
        Ok(planned)
    })
}

async fn in_folder(
    context: S3Context<'_>,
    uri: &S3Uri,
    options: &RemoveOptions,
) -> Result<Vec<PlannedRemoval>, RemoveError> {
    let folder = folder(uri);
    let mut planned = if options.versions {
        of_versions(list_versions(context, &folder).await?)
    } else {
        let mut objects = Vec::new();
        let mut take = |object: ListedObject| {
            objects.push(PlannedRemoval {
                target: object.uri.into(),
                size: object.size,
                is_latest: true,
                is_marker: false,
            });
            true
        };
        list(context, &folder, &mut take).await?;
        objects
    };
    if planned.is_empty() {
        return Err(RemoveError::Nothing(folder));
    }
    // A store that lists more than it was asked for must not cost what was not named.
    let below = |planned: &PlannedRemoval| {
        let rest = planned.target.uri.key.strip_prefix(&folder.key);
        rest.is_some_and(|rest| options.filter.takes_key(rest))
    };
    planned.retain(below);
    Ok(planned)
}

/// Returns the prefix that all keys in a folder begin with: `logs` has nothing of `logs-old/`.
pub(in crate::s3) fn folder(uri: &S3Uri) -> S3Uri {
    let slash = if uri.is_prefix() { "" } else { "/" };
    uri.with_key(format!("{}{slash}", uri.key))
}

/// Returns the versions, those of a key from the oldest to the latest.
fn of_versions(versions: Vec<ListedVersion>) -> Vec<PlannedRemoval> {
    let mut planned: Vec<_> = versions.into_iter().map(PlannedRemoval::from).collect();
    planned.reverse();
    planned.sort_by(|a, b| a.target.uri.key.cmp(&b.target.uri.key));
    planned
}

impl From<ListedVersion> for PlannedRemoval {
    fn from(version: ListedVersion) -> Self {
        let ListedVersion { target, size, is_latest, is_marker, .. } = version;
        Self { target, size, is_latest, is_marker }
    }
}

/// Removes what was planned and tells what became of each.
///
/// What a key has goes last, and only when all its planned earlier versions are gone: removed alone, it
/// would bring the one before to light.
pub fn remove<'a>(
    context: S3Context<'a>,
    planned: &'a [PlannedRemoval],
    each: &'a mut dyn FnMut(&PlannedRemoval, RemovalOutcome),
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let (latest, earlier): (Vec<_>, Vec<_>) =
            planned.iter().partition(|planned| planned.is_latest);
        let mut stays = HashSet::new();
        let mut tell = |planned: &PlannedRemoval, outcome: RemovalOutcome| {
            if !matches!(outcome, RemovalOutcome::Removed | RemovalOutcome::Hidden) {
                stays.insert(planned.target.uri.clone());
            }
            each(planned, outcome);
        };
        remove_at_once(context, &earlier, &mut tell).await?;
        let (covering, free): (Vec<_>, Vec<_>) =
            latest.into_iter().partition(|planned| stays.contains(&planned.target.uri));
        for planned in covering {
            each(planned, RemovalOutcome::Covers);
        }
        remove_at_once(context, &free, each).await
    })
}

async fn remove_at_once(
    context: S3Context<'_>,
    planned: &[&PlannedRemoval],
    each: &mut dyn FnMut(&PlannedRemoval, RemovalOutcome),
) -> Result<(), S3Error> {
    let targets: Vec<DeleteTarget> = planned.iter().map(|planned| planned.target.clone()).collect();
    let planned: HashMap<&DeleteTarget, &PlannedRemoval> =
        planned.iter().map(|&planned| (&planned.target, planned)).collect();
    let mut refused = Vec::new();
    let result = delete(context, &targets, &mut |target, outcome| {
        let planned = planned[target];
        match outcome {
            DeleteOutcome::Deleted => each(planned, RemovalOutcome::Removed),
            DeleteOutcome::Hidden { .. } => each(planned, RemovalOutcome::Hidden),
            DeleteOutcome::Failed(failure) => each(planned, RemovalOutcome::Failed(failure)),
            DeleteOutcome::Refused(failure) => refused.push((planned, failure)),
        }
    })
    .await;
    for (planned, failure) in refused {
        each(planned, refusal(context, planned, failure).await);
    }
    result
}

/// Finds out whether a refusal is because of a lock.
async fn refusal(
    context: S3Context<'_>,
    planned: &PlannedRemoval,
    failure: RequestError,
) -> RemovalOutcome {
    let version_status = match planned.target.version_id {
        Some(_) => context.version_status(&planned.target).await.ok().flatten(),
        None => None,
    };
    match version_status {
        Some(version_status) if version_status.hold != ObjectHold::default() => {
            RemovalOutcome::Locked(version_status.hold)
        }
        _ => RemovalOutcome::Denied(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_nothing_of_its_neighbours() {
        let of = |uri: &str| folder(&uri.parse().unwrap()).to_string();

        assert_eq!(of("s3://backups/logs"), "s3://backups/logs/");
        assert_eq!(of("s3://backups/logs/"), "s3://backups/logs/");
        assert_eq!(of("s3://backups"), "s3://backups/");
    }
}
