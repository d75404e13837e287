//! Fetches the objects under a prefix into a folder.

use std::path::Path;

use super::{
    S3Error, blocking,
    filter::Filter,
    get::{Existing, GetOptions, GetPreview, GetSummary, get, preview_get},
    link::Link,
    list::list,
    targets::{Target, Targets, plan_targets, prepare},
    uri::S3Uri,
};

/// Lists the objects under a prefix to their end and decides what they become.
pub async fn find_targets(
    link: Link<'_>,
    prefix: &S3Uri,
    filter: &Filter,
) -> Result<Targets, S3Error> {
    let mut listed = Vec::new();
    list(link, prefix, |object| {
        listed.push(object);
        true
    })
    .await?;
    Ok(plan_targets(prefix, listed, filter))
}

/// Fetches an object to its place in `folder`, as [`get`] does.
pub async fn get_target(
    link: Link<'_>,
    folder: &Path,
    target: &Target,
    options: GetOptions,
) -> Result<GetSummary, S3Error> {
    let (folder, relative) = (folder.to_owned(), target.relative.clone());
    let path = blocking(move || prepare(&folder, &relative)).await?;
    get(link, &target.object.uri, &path, options).await
}

/// Returns what [`get_target`] would do; an object without a file need not be asked for.
pub async fn preview_target(
    link: Link<'_>,
    folder: &Path,
    target: &Target,
    options: GetOptions,
) -> Result<GetPreview, S3Error> {
    let path = folder.join(&target.relative);
    if path.symlink_metadata().is_err() {
        return Ok(GetPreview { size: target.object.size, file: Existing::Nothing });
    }
    preview_get(link, &target.object.uri, &path, options).await
}
