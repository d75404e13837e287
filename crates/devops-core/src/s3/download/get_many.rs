//! Fetches the objects under a prefix into a folder.

use std::time::Instant;

use futures_util::future::LocalBoxFuture;

use super::{
    download_items::{DownloadItem, DownloadItems, plan_download_items},
    get::{Existing, GetPreview, get, get_listed, preview_get},
    options::{GetOptions, GetSummary},
};
use crate::fs::{Destination, OpenFolder, PathError};
use crate::s3::{
    error::operation::S3Error,
    object::{checksum::is_md5, proof::Proof, response::ListedObject, uri::S3Uri},
    plan::filter::Filter,
    request::{compare::has_md5, context::S3Context, list::list, source_file::OpenFile},
};

/// Lists the objects under a prefix to their end and decides what they become.
pub fn find_download_items<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    filter: &'a Filter,
) -> LocalBoxFuture<'a, Result<DownloadItems, S3Error>> {
    Box::pin(async move {
        let mut listed = Vec::new();
        list(context, prefix, &mut |object| {
            listed.push(object);
            true
        })
        .await?;
        Ok(plan_download_items(prefix, listed, filter))
    })
}

/// Fetches an object to its place in `folder`, as [`get`] does.
///
/// What the listing told of it saves most requests: a small object without a file comes with one, and a file
/// that has the MD5 of its `ETag` needs none.
pub fn get_download_item<'a>(
    context: S3Context<'a>,
    folder: &'a OpenFolder,
    target: &'a DownloadItem,
    options: GetOptions,
) -> LocalBoxFuture<'a, Result<GetSummary, S3Error>> {
    Box::pin(async move {
        let (folder, relative) = (folder.clone(), target.relative.clone());
        let prepare = move || {
            let destination = folder.make(&relative)?;
            let is_free = destination.size()?.is_none();
            Ok::<_, PathError>((destination, is_free))
        };
        let (destination, is_free) =
            context.cancel_token.run_blocking_cancellable(prepare).await??;
        let listed = if is_free {
            get_listed(context, &target.object, &destination, options).await?
        } else {
            already_there(context, &target.object, &destination).await?
        };
        match listed {
            Some(summary) => Ok(summary),
            None => get(context, &target.object.uri, &destination, options).await,
        }
    })
}

/// Returns that a file has the content of a listed object, if the listing tells as much.
async fn already_there(
    context: S3Context<'_>,
    object: &ListedObject,
    destination: &Destination,
) -> Result<Option<GetSummary>, S3Error> {
    let begun = Instant::now();
    let Some(md5) = object.etag.as_deref().filter(|etag| is_md5(etag)) else { return Ok(None) };
    let Ok(file) = OpenFile::open_at(destination, context.cancel_token).await else {
        return Ok(None);
    };
    if file.size() != object.size || !has_md5(context, &file, md5).await? {
        return Ok(None);
    }
    context.cancel_token.check()?;
    file.check_unchanged()?;
    Ok(Some(GetSummary {
        uri: object.uri.clone(),
        path: destination.path().to_owned(),
        is_unchanged: true,
        size: object.size,
        checksum: None,
        proof: Proof::Etag,
        elapsed: begun.elapsed(),
    }))
}

/// Returns what [`get_download_item`] would do in a folder that may be missing; an object without a file need not be
/// asked for.
pub fn preview_download_item<'a>(
    context: S3Context<'a>,
    folder: Option<&'a OpenFolder>,
    target: &'a DownloadItem,
    options: GetOptions,
) -> LocalBoxFuture<'a, Result<GetPreview, S3Error>> {
    Box::pin(async move {
        let found = folder.map(|folder| folder.find(&target.relative)).transpose()?.flatten();
        match found {
            Some(there) if there.size()?.is_some() => {
                preview_get(context, &target.object.uri, &there, options).await
            }
            _ => Ok(GetPreview { size: target.object.size, file: Existing::Nothing }),
        }
    })
}
