//! Makes the objects under a prefix what the files in a folder are, or the other way round (`down`).
//!
//! `plan` decides from a complete list of both sides, and contents are compared where sizes agree; what
//! is to be put goes the way of every put, under the condition that the object is still the listed one.

mod down;
mod error;
mod plan;

use std::time::Instant;

use futures_util::future::LocalBoxFuture;

pub use self::{
    down::{DownPlan, ExtraFile, check_extra, delete_extra, plan_sync_down},
    plan::{NotDeletable, PlannedFile, SyncAction, SyncPlan, SyncScope},
};
use crate::s3::{
    error::operation::S3Error,
    object::{
        checksum::is_md5,
        event::{ObjectSummary, Outcome},
        proof::{Proof, UploadedObject},
        response::ListedObject,
        uri::S3Uri,
    },
    request::{
        compare::{has_md5, same_content},
        context::S3Context,
        list::list,
        source_file::OpenFile,
    },
    upload::{
        confirm::PutResult,
        options::{Listed, OverwritePolicy, PutOptions},
        summary::summarize,
        upload_items::{UploadItem, UploadItems, UploadItemsError, find_in_folder},
    },
};
pub use error::{Deletion, SyncError};

/// Lists both sides to their ends and decides what is to be done, without doing it.
pub fn plan_sync<'a>(
    context: S3Context<'a>,
    scope: SyncScope<'a>,
    follow_symlinks: bool,
    deletion: Option<Deletion>,
) -> LocalBoxFuture<'a, Result<(UploadItems, SyncPlan), SyncError>> {
    Box::pin(async move {
        let sources = context
            .cancel_token
            .run_blocking_cancellable(find(scope, follow_symlinks))
            .await
            .map_err(S3Error::from)??;
        let listed = list_all(context, scope.prefix).await?;
        let plan = SyncPlan::new(scope, &sources, &listed, deletion)?;
        Ok((sources, plan))
    })
}

/// Fails if the store was shown to list objects under other names than they have, or not at all.
///
/// `stored` are the objects of all files. A store that folds names (`a\b` to `a/b`, one case to the other, one
/// Unicode form to the other) lists the object of a file as one that no file stands for.
pub fn check_listing<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    plan: &'a SyncPlan,
    stored: &'a [ObjectSummary],
) -> LocalBoxFuture<'a, Result<(), SyncError>> {
    Box::pin(async move {
        if let Some(uri) = plan.found_unlisted(stored) {
            return Err(SyncError::Unlisted(uri.clone()));
        }
        match plan.missing_in(&list_all(context, prefix).await?) {
            Some(uri) => Err(SyncError::Unlisted(uri.clone())),
            None => Ok(()),
        }
    })
}

async fn list_all(context: S3Context<'_>, prefix: &S3Uri) -> Result<Vec<ListedObject>, S3Error> {
    let mut listed = Vec::new();
    list(context, prefix, &mut |object| {
        listed.push(object);
        true
    })
    .await?;
    Ok(listed)
}

fn find(
    scope: SyncScope<'_>,
    follow_symlinks: bool,
) -> impl FnOnce() -> Result<UploadItems, UploadItemsError> + use<> {
    let (folder, prefix, filter) =
        (scope.folder.to_owned(), scope.prefix.clone(), scope.filter.clone());
    move || find_in_folder(&folder, &prefix, &filter, follow_symlinks)
}

/// Brings the object of a file up to date with `put`, unless it is the same already.
pub async fn upload_if_changed(
    context: S3Context<'_>,
    file: &PlannedFile,
    options: &PutOptions,
    put: impl AsyncFn(&UploadItem, &PutOptions) -> Result<ObjectSummary, S3Error>,
) -> Result<ObjectSummary, S3Error> {
    if let Some(summary) = unchanged(context, file, options).await? {
        return Ok(summary);
    }
    let listed = match &file.action {
        SyncAction::Put => Some(Listed::Free),
        SyncAction::Replace(etag) | SyncAction::Compare(etag) => etag.clone().map(Listed::Other),
    };
    let options = PutOptions { replace: OverwritePolicy::IfChanged, listed, ..options.clone() };
    put(&file.source, &options).await
}

/// Returns the object of a file if it is known to have the same content.
///
/// A listed `ETag` that is the MD5 of the file settles it; else the store is asked for its checksum of
/// the object. Times say nothing.
pub fn unchanged<'a>(
    context: S3Context<'a>,
    file: &'a PlannedFile,
    options: &'a PutOptions,
) -> LocalBoxFuture<'a, Result<Option<ObjectSummary>, S3Error>> {
    Box::pin(async move {
        let SyncAction::Compare(etag) = &file.action else { return Ok(None) };
        let begun = Instant::now();
        let open = file.source.open(context.cancel_token).await?;
        if open.size() != file.source.size {
            return Ok(None);
        }
        let found =
            same(context, (&file.source, &open), etag.as_deref(), options.require_proof).await?;
        open.check_unchanged()?;
        found.map(|done| summarize(&file.source.uri, options, done, begun.elapsed())).transpose()
    })
}

async fn same(
    context: S3Context<'_>,
    (source, file): (&UploadItem, &OpenFile),
    etag: Option<&str>,
    required: Proof,
) -> Result<Option<(UploadedObject, PutResult)>, S3Error> {
    let put_result = |proof, version_id| PutResult {
        outcome: Outcome::Unchanged,
        proof: Some(proof),
        version_id,
        lacks: Vec::new(),
    };
    let md5 = etag.filter(|etag| is_md5(etag) && required <= Proof::Etag);
    if let Some(md5) = md5
        && has_md5(context, file, md5).await?
    {
        return Ok(Some((UploadedObject::unsent(file.size()), put_result(Proof::Etag, None))));
    }
    let Some(head) = context.head(&source.uri).await? else { return Ok(None) };
    if md5.is_some() && head.checksum.is_none() {
        return Ok(None);
    }
    let proof =
        same_content(context, (&source.uri, &head), file).await?.filter(|&proof| proof >= required);
    Ok(proof.map(|proof| {
        let version_id = head.version_id.clone();
        (UploadedObject::there_already(head), put_result(proof, version_id))
    }))
}
