//! Fetches the objects under a prefix into a folder.

use std::{path::Path, time::Instant};

use futures_util::future::LocalBoxFuture;

use super::{
    S3Error,
    checksum::is_md5,
    compare::has_md5,
    filter::Filter,
    get::{Existing, GetOptions, GetPreview, GetSummary, get, get_listed, preview_get},
    link::Link,
    list::{ListedObject, list},
    proof::Proof,
    source::OpenFile,
    targets::{Target, Targets, plan_targets, prepare},
    uri::S3Uri,
};
use crate::fs::PathError;

/// Lists the objects under a prefix to their end and decides what they become.
pub fn find_targets<'a>(
    link: Link<'a>,
    prefix: &'a S3Uri,
    filter: &'a Filter,
) -> LocalBoxFuture<'a, Result<Targets, S3Error>> {
    Box::pin(async move {
        let mut listed = Vec::new();
        list(link, prefix, &mut |object| {
            listed.push(object);
            true
        })
        .await?;
        Ok(plan_targets(prefix, listed, filter))
    })
}

/// Fetches an object to its place in `folder`, as [`get`] does.
///
/// What the listing told of it saves most requests: a small object without a file comes with one, and a file
/// that has the MD5 of its `ETag` needs none.
pub fn get_target<'a>(
    link: Link<'a>,
    folder: &'a Path,
    target: &'a Target,
    options: GetOptions,
) -> LocalBoxFuture<'a, Result<GetSummary, S3Error>> {
    Box::pin(async move {
        let (folder, relative) = (folder.to_owned(), target.relative.clone());
        let prepare = move || {
            let path = prepare(&folder, &relative)?;
            let is_free = path.symlink_metadata().is_err();
            Ok::<_, PathError>((path, is_free))
        };
        let (path, is_free) = link.stop.outrun(prepare).await??;
        let listed = if is_free {
            get_listed(link, &target.object, &path, options).await?
        } else {
            already_there(link, &target.object, &path).await?
        };
        match listed {
            Some(summary) => Ok(summary),
            None => get(link, &target.object.uri, &path, options).await,
        }
    })
}

/// Returns that a file has the content of a listed object, if the listing tells as much.
async fn already_there(
    link: Link<'_>,
    object: &ListedObject,
    path: &Path,
) -> Result<Option<GetSummary>, S3Error> {
    let begun = Instant::now();
    let Some(md5) = object.etag.as_deref().filter(|etag| is_md5(etag)) else { return Ok(None) };
    let Ok(file) = OpenFile::open(path, link.stop).await else { return Ok(None) };
    if file.size() != object.size || !has_md5(link, &file, md5).await? {
        return Ok(None);
    }
    link.stop.check()?;
    file.check_unchanged()?;
    Ok(Some(GetSummary {
        uri: object.uri.clone(),
        path: path.to_owned(),
        is_unchanged: true,
        size: object.size,
        checksum: None,
        proof: Proof::Etag,
        elapsed: begun.elapsed(),
    }))
}

/// Returns what [`get_target`] would do; an object without a file need not be asked for.
pub fn preview_target<'a>(
    link: Link<'a>,
    folder: &'a Path,
    target: &'a Target,
    options: GetOptions,
) -> LocalBoxFuture<'a, Result<GetPreview, S3Error>> {
    Box::pin(async move {
        let path = folder.join(&target.relative);
        if path.symlink_metadata().is_err() {
            return Ok(GetPreview { size: target.object.size, file: Existing::Nothing });
        }
        preview_get(link, &target.object.uri, &path, options).await
    })
}
