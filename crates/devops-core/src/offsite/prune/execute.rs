//! Does what a prune planned, and nothing that is not as it was planned.

use futures_util::future::LocalBoxFuture;

use super::{ObjectDecision, OffsitePlan, StoredArchive};
use crate::s3::{
    DeleteOutcome, DeleteTarget, ObjectHold, RemovalOutcome, RequestError, RequestErrorKind,
    S3Context, S3Error, remove,
};

/// The outcome of an archive that was to go.
#[derive(Debug)]
pub enum PruneOutcome {
    /// It is gone.
    Removed,
    /// A delete marker hides it, and its bytes stay.
    Hidden,
    /// It stays, because it is not the one that was planned to go.
    Replaced,
    /// It stays, because it is locked; what was there before it is gone, if that was to go.
    Locked(ObjectHold),
    /// It stays, because the store allows no more.
    Denied(RequestError),
    /// It may be there or not.
    Failed(RequestError),
}

/// Locks what stays as the plan says, and tells of each.
pub fn lock_kept<'a>(
    context: S3Context<'a>,
    plan: &'a OffsitePlan,
    each: &'a mut dyn FnMut(&StoredArchive),
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        for archive in plan
            .archives
            .iter()
            .filter(|archive| matches!(archive.decision, ObjectDecision::Keep(_)))
        {
            if let Some((mode, until)) = archive.lock {
                let version_id = archive.seen.version_id.clone();
                let target = DeleteTarget { uri: archive.uri.clone(), version_id };
                context.put_retention(&target, mode, until).await?;
                each(archive);
            }
        }
        Ok(())
    })
}

/// Removes what the plan says, the oldest of a source first; an object that was replaced since then stays.
pub fn remove_pruned<'a>(
    context: S3Context<'a>,
    plan: &'a OffsitePlan,
    each: &'a mut dyn FnMut(&StoredArchive, PruneOutcome),
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        for archive in plan.removed().rev() {
            let outcome = if archive.versions.is_empty() {
                remove_seen(context, archive).await?
            } else {
                remove_versions(context, archive).await?
            };
            each(archive, outcome);
        }
        Ok(())
    })
}

/// Removes all versions that were planned; one that came since stays.
async fn remove_versions(
    context: S3Context<'_>,
    archive: &StoredArchive,
) -> Result<PruneOutcome, S3Error> {
    let mut worst = PruneOutcome::Removed;
    remove(context, &archive.versions, &mut |_, outcome| {
        let outcome = match outcome {
            RemovalOutcome::Removed | RemovalOutcome::Hidden | RemovalOutcome::Covers => return,
            RemovalOutcome::Locked(hold) => PruneOutcome::Locked(hold),
            RemovalOutcome::Denied(failure) => PruneOutcome::Denied(failure),
            RemovalOutcome::Failed(failure) => PruneOutcome::Failed(failure),
        };
        worst = outcome;
    })
    .await?;
    Ok(worst)
}

/// Removes an object if it is still the one that was seen.
async fn remove_seen(
    context: S3Context<'_>,
    archive: &StoredArchive,
) -> Result<PruneOutcome, S3Error> {
    let target = DeleteTarget::from(archive.uri.clone());
    let Some(version_status) = context.version_status(&target).await? else {
        return Ok(PruneOutcome::Removed);
    };
    if !archive.seen.is_of(&version_status) {
        return Ok(PruneOutcome::Replaced);
    }
    let mut result = context.delete_one(&target, version_status.etag.as_deref()).await;
    if matches!(&result, Err(failure) if failure.error_kind == RequestErrorKind::ConditionRefused) {
        // The store knows no condition on deletions; what was just seen has to do.
        result = context.delete_one(&target, None).await;
    }
    match result {
        Ok(DeleteOutcome::Deleted) => Ok(PruneOutcome::Removed),
        Ok(DeleteOutcome::Hidden { .. }) => Ok(PruneOutcome::Hidden),
        Ok(DeleteOutcome::Refused(failure)) => Ok(PruneOutcome::Denied(failure)),
        Ok(DeleteOutcome::Failed(failure)) => Ok(PruneOutcome::Failed(failure)),
        Err(failure) => match failure.error_kind {
            RequestErrorKind::Exists if failure.is_after_lost_response => {
                found_out(context, archive, failure).await
            }
            RequestErrorKind::Exists => Ok(PruneOutcome::Replaced),
            RequestErrorKind::Denied => Ok(PruneOutcome::Denied(failure)),
            RequestErrorKind::Rejected | RequestErrorKind::Conflict => {
                Ok(PruneOutcome::Failed(failure))
            }
            _ => Err(failure.into()),
        },
    }
}

/// Resolves a deletion whose response was lost, and whose repetition found another object or none.
async fn found_out(
    context: S3Context<'_>,
    archive: &StoredArchive,
    failure: RequestError,
) -> Result<PruneOutcome, S3Error> {
    let seen = &archive.seen;
    Ok(match context.version_status(&DeleteTarget::from(archive.uri.clone())).await? {
        None if seen.version_id.is_some() => PruneOutcome::Hidden,
        None => PruneOutcome::Removed,
        Some(version_status) if seen.is_of(&version_status) => PruneOutcome::Failed(failure),
        Some(_) => PruneOutcome::Replaced,
    })
}
