//! Makes the files in a folder what the objects under a prefix are: planned from whole lists of both sides.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, future::LocalBoxFuture, stream};
use rustix::fs::Stat;

use super::{
    SyncScope,
    error::{Deletion, SyncError},
    find, list_all,
};
use crate::{
    fs::{OpenFolder, PathError},
    lock,
    s3::{
        S3Error,
        download::{
            download_items::{DownloadItems, plan_download_items},
            partial_file::is_own_name,
        },
        request::context::S3Context,
        store::blocking::blocking,
        upload::upload_items::{Skipped, UploadItems},
    },
};

/// The plan of a sync from a prefix into a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownPlan {
    /// The objects that become files, and those that cannot.
    pub targets: DownloadItems,
    /// The files to delete, by their paths in the folder and in the order of these.
    pub extra: Vec<PathBuf>,
    /// Entries without an object that stay, since only files are deleted.
    pub left: Vec<Skipped>,
    /// The folders without anything in them and without an object, which stay.
    pub empty_folders: Vec<PathBuf>,
    /// The unreadable path because of which nothing is deleted.
    pub unread: Option<PathBuf>,
    /// The identities of the files to delete.
    seen: HashMap<PathBuf, Stamp>,
}

/// The result for a file that has no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraFile {
    /// It is gone.
    Deleted,
    /// It stays: it is the file of an object, by another name.
    OtherName,
    /// It stays: it was written since it was found.
    Changed,
}

/// The identity of a file, by which a later one of its name shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    identity: (u64, u64),
    size: i64,
    modified: (i64, i64),
}

/// Lists both sides to their ends and decides what is to be done, without doing it.
///
/// A folder that is missing has no files.
pub fn plan_sync_down<'a>(
    context: S3Context<'a>,
    scope: SyncScope<'a>,
    deletion: Option<Deletion>,
) -> LocalBoxFuture<'a, Result<DownPlan, SyncError>> {
    Box::pin(async move {
        let targets =
            plan_download_items(scope.prefix, list_all(context, scope.prefix).await?, scope.filter);
        let mut plan = DownPlan { targets, ..DownPlan::default() };
        if let Some(deletion) = deletion.filter(|_| scope.folder.exists()) {
            let here = context
                .cancel_token
                .run_blocking_cancellable(find(scope, false))
                .await
                .map_err(S3Error::from)??;
            plan.decide(scope, &here, deletion)?;
            let (folder, extra) = (scope.folder.to_owned(), plan.extra.clone());
            let stamps = move || stamps(&folder, extra);
            plan.seen = context
                .cancel_token
                .run_blocking_cancellable(stamps)
                .await
                .map_err(S3Error::from)?
                .map_err(S3Error::from)?;
        }
        Ok(plan)
    })
}

impl DownPlan {
    /// Finds the files without an object; refuses more deletions than are allowed.
    fn decide(
        &mut self,
        scope: SyncScope<'_>,
        here: &UploadItems,
        deletion: Deletion,
    ) -> Result<(), SyncError> {
        let skipped = here.skipped.iter().find(|skipped| skipped.is_unread);
        self.unread = skipped.map(|skipped| skipped.path.clone());
        if self.unread.is_some() {
            return Ok(());
        }
        let has_object: HashSet<&Path> = (self.targets.files.iter())
            .map(|target| target.relative.as_path())
            .chain(
                self.targets
                    .skipped
                    .iter()
                    .filter_map(|(uri, _)| uri.key.strip_prefix(&scope.prefix.key).map(Path::new)),
            )
            .collect();
        let files = here.files.iter().filter_map(|file| file.path.strip_prefix(scope.folder).ok());
        let files: Vec<&Path> = files.filter(|relative| !is_own(relative)).collect();
        let extra = files.iter().filter(|relative| !has_object.contains(**relative));
        self.extra = extra.map(|relative| (*relative).to_owned()).collect();
        let in_folder = |path: &Path| path.strip_prefix(scope.folder).map(Path::to_owned).ok();
        let is_left = |skipped: &&Skipped| {
            let relative = in_folder(&skipped.path).unwrap_or_default();
            !has_object.contains(relative.as_path()) && !is_own(&relative)
        };
        self.left = here.skipped.iter().filter(is_left).cloned().collect();
        let is_marked = |path: &Path| {
            in_folder(path).is_some_and(|relative| self.targets.folders.contains(&relative))
        };
        let empty = here.empty_folders.iter().filter(|path| !is_marked(path));
        self.empty_folders = empty.cloned().collect();
        let n_extra = self.extra.len();
        deletion.check(n_extra, (files.len(), files.len() - n_extra))
    }
}

fn stamps(folder: &Path, files: Vec<PathBuf>) -> Result<HashMap<PathBuf, Stamp>, PathError> {
    let folder = OpenFolder::open(folder)?;
    let mut seen = HashMap::new();
    for path in files {
        if let Some(stat) = folder.look(&path)? {
            seen.insert(path, stamp(&stat));
        }
    }
    Ok(seen)
}

/// Returns whether a file is one of this tool's own: no object stands for it.
fn is_own(relative: &Path) -> bool {
    let name = relative.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    is_own_name(name) || name == lock::FILE_NAME
}

/// Fails if the store has an object that its listing does not have, for a file that is to be deleted.
pub fn check_extra<'a>(
    context: S3Context<'a>,
    scope: SyncScope<'a>,
    plan: &'a DownPlan,
) -> LocalBoxFuture<'a, Result<(), SyncError>> {
    Box::pin(async move {
        let asking = stream::iter(&plan.extra).map(async |relative| {
            let Some(name) = relative.to_str() else { return Ok(None) };
            let uri = scope.prefix.with_key(format!("{}{name}", scope.prefix.key));
            let head = context.head(&uri).await.map_err(S3Error::from)?;
            Ok::<_, SyncError>(head.map(|_| uri))
        });
        let asking = asking.buffer_unordered(context.store.concurrency());
        let there: Vec<_> = asking.try_filter_map(|uri| async { Ok(uri) }).try_collect().await?;
        match there.into_iter().next() {
            Some(uri) => Err(SyncError::Unlisted(uri)),
            None => Ok(()),
        }
    })
}

/// Deletes the files without an object and tells of each; no link is followed.
///
/// One that was written since the plan stays, and one that is the file of an object under another name: the folder
/// takes both names for one.
pub fn delete_extra<'a>(
    context: S3Context<'a>,
    folder: &'a OpenFolder,
    plan: &'a DownPlan,
    each: &'a mut dyn FnMut(&Path, Result<ExtraFile, PathError>),
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let (opened, files) = (folder.clone(), plan.targets.files.clone());
        let identify = move || {
            let stats = files.iter().filter_map(|target| opened.look(&target.relative).ok()?);
            stats.map(|stat| identity(&stat)).collect::<HashSet<_>>()
        };
        let fetched = Arc::new(context.cancel_token.run_blocking_cancellable(identify).await?);
        for relative in &plan.extra {
            context.cancel_token.check()?;
            let (folder, path, fetched) = (folder.clone(), relative.clone(), Arc::clone(&fetched));
            let planned = plan.seen.get(relative).copied();
            let deleted = blocking(move || match folder.look(&path)? {
                Some(stat) if fetched.contains(&identity(&stat)) => Ok(ExtraFile::OtherName),
                Some(stat) if planned != Some(stamp(&stat)) => Ok(ExtraFile::Changed),
                _ => folder.remove_file(&path).map(|()| ExtraFile::Deleted),
            });
            each(relative, deleted.await);
        }
        Ok(())
    })
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn stamp(stat: &Stat) -> Stamp {
    let modified = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or_default());
    Stamp { identity: identity(stat), size: stat.st_size, modified }
}
