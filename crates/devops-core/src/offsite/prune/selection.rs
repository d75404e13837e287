//! Selects the files of a folder that go off-site: those that the rules of a prune keep.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
    fs::File,
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
};

use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

use super::{
    ObjectDecision, PruneRequest, StoredArchive,
    decide::{decide, groups},
    scan::{Scan, Start, archive_of},
};
use crate::{
    archive_index::{
        ArchiveName, BackupName,
        age_file::LONGEST_HEADER,
        container::{FOOTER, Footer},
    },
    fs::open_file,
    retention::{self, KeepPolicy, Proof},
    s3::{ListedObject, RequestErrorKind, S3Context, S3Error, S3Uri, UploadItem},
};

const CUT_OFF: &str = "it is cut off: it does not end with its footer";

/// The files that are put, and those that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The files to put, in their order.
    pub chosen: Vec<UploadItem>,
    /// The files that the rules would not keep, in their order.
    pub skipped: Vec<UploadItem>,
    /// Is set if the archives in the store may not be read, so that those here alone decided.
    pub is_blind: bool,
}

impl Selection {
    fn new(sources: &[UploadItem], skipped: &HashSet<S3Uri>, is_blind: bool) -> Self {
        let (skipped, chosen) =
            sources.iter().cloned().partition(|source| skipped.contains(&source.uri));
        Self { chosen, skipped, is_blind }
    }
}

/// The key of a folder in the store, and a name of archives in it.
type Place = (S3Uri, BackupName);

/// Chooses the archives that a prune by this policy would keep if all were in the store; all other files are
/// chosen too.
///
/// The archives in the store count, so that what was pruned there does not go up again. None is asked to prove
/// itself, as nothing is removed; one here without its footer takes no place of a good one.
pub fn select_kept<'a>(
    context: S3Context<'a>,
    sources: &'a [UploadItem],
    policy: &'a KeepPolicy,
    now: OffsetDateTime,
) -> LocalBoxFuture<'a, Result<Selection, S3Error>> {
    Box::pin(async move {
        let (mut skipped, mut is_blind) = (HashSet::new(), false);
        for ((folder, name), here) in archives_here(context, sources, now).await? {
            let request = request((folder, name), policy, now);
            let mut all = match (Scan { context, request: &request }).archives().await {
                Ok(stored) => stored,
                // Who may only write decides by what is here.
                Err(S3Error::Request(failure))
                    if failure.error_kind == RequestErrorKind::Denied =>
                {
                    is_blind = true;
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            let there: HashSet<S3Uri> = all.iter().map(|stored| stored.uri.clone()).collect();
            all.extend(here.into_iter().filter(|archive| !there.contains(&archive.uri)));
            skipped.extend(removed(all, &request));
        }
        Ok(Selection::new(sources, &skipped, is_blind))
    })
}

/// Chooses the `n` newest archives of each series, and the `n` newest of all other files in each folder.
///
/// Archives of ours are dated by the start they record, those of others by their name, and other files by the
/// time of their last change.
pub fn select_newest<'a>(
    context: S3Context<'a>,
    sources: &'a [UploadItem],
    n: u32,
    now: OffsetDateTime,
) -> LocalBoxFuture<'a, Result<Selection, S3Error>> {
    Box::pin(async move {
        let policy = KeepPolicy { last: n, ..KeepPolicy::default() };
        let mut skipped = HashSet::new();
        let mut archives = HashSet::new();
        for (place, here) in archives_here(context, sources, now).await? {
            archives.extend(here.iter().map(|archive| archive.uri.clone()));
            let request = request(place, &policy, now);
            skipped.extend(removed(here, &request));
        }
        let others = sources.iter().filter(|source| !archives.contains(&source.uri));
        let mut folders: BTreeMap<&str, Vec<(&S3Uri, OffsetDateTime)>> = BTreeMap::new();
        for source in others {
            // What cannot be read is named by the put.
            let modified = source.path.metadata().and_then(|metadata| metadata.modified());
            let time = modified.map_or(now, OffsetDateTime::from);
            folders.entry(split(&source.uri).0).or_default().push((&source.uri, time));
        }
        for mut files in folders.into_values() {
            // Of two of one time, the later name is the newer.
            files.reverse();
            let times: Vec<_> = files.iter().map(|(_, time)| *time).collect();
            let reasons = retention::plan(&times, &policy, now).unwrap_or_default();
            let old = files.iter().zip(reasons).filter(|(_, reasons)| reasons.is_empty());
            skipped.extend(old.map(|((uri, _), _)| (*uri).clone()));
        }
        Ok(Selection::new(sources, &skipped, false))
    })
}

/// Returns the archives that no rule keeps.
///
/// What a prune would not count takes no place of what counts; the rules hold among the former too, or all of
/// it would go up.
fn removed(archives: Vec<StoredArchive>, request: &PruneRequest) -> Vec<S3Uri> {
    let mut removed = Vec::new();
    for mut group in groups(archives) {
        // Without a rule nothing is left out.
        if decide(&mut group, request).is_err() {
            continue;
        }
        let is_uncounted =
            |archive: &StoredArchive| matches!(archive.decision, ObjectDecision::Uncounted(_));
        let (uncounted, counted): (Vec<_>, Vec<_>) = group.into_iter().partition(is_uncounted);
        let times: Vec<_> = uncounted.iter().map(|archive| archive.time).collect();
        let reasons = retention::plan(&times, &request.policy, request.now).unwrap_or_default();
        let old = uncounted.into_iter().zip(reasons).filter(|(_, reasons)| reasons.is_empty());
        let going =
            counted.into_iter().filter(|archive| archive.decision == ObjectDecision::Remove);
        removed.extend(going.chain(old.map(|(archive, _)| archive)).map(|archive| archive.uri));
    }
    removed
}

fn request((folder, name): Place, policy: &KeepPolicy, now: OffsetDateTime) -> PruneRequest {
    PruneRequest {
        host: None,
        folder,
        name,
        policy: policy.clone(),
        now,
        versions: false,
        lock: None,
        accept_small: false,
        state: None,
        remembers: false,
    }
}

/// Splits a key into its folder and the rest.
fn split(uri: &S3Uri) -> (&str, &str) {
    uri.key.split_at(uri.key.rfind('/').map_or(0, |at| at + 1))
}

/// Returns the archives among the files, by the place they go to.
async fn archives_here(
    context: S3Context<'_>,
    sources: &[UploadItem],
    now: OffsetDateTime,
) -> Result<BTreeMap<Place, Vec<StoredArchive>>, S3Error> {
    let named: Vec<_> = sources
        .iter()
        .filter_map(|source| Some((source, ArchiveName::parse(OsStr::new(split(&source.uri).1))?)))
        .collect();
    let files: Vec<_> =
        named.iter().map(|(source, _)| (source.path.clone(), source.size)).collect();
    let read = move || files.iter().map(|(path, size)| start(path, *size)).collect::<Vec<_>>();
    let starts = context.cancel_token.run_blocking_cancellable(read).await?;
    let mut places: BTreeMap<Place, Vec<StoredArchive>> = BTreeMap::new();
    for ((source, name), start) in named.into_iter().zip(starts) {
        let Some((start, has_footer)) = start else { continue };
        let is_truncated = matches!(start, Start::Ours(_)) && !has_footer;
        let (uri, size) = (source.uri.clone(), source.size);
        let folder = uri.with_key(split(&uri).0);
        let place = (folder, name.name.clone());
        // It would come now.
        let modified = Some(now);
        let object = ListedObject { uri, size, modified, etag: None, storage_class: None };
        let mut archive = archive_of(&name, object, Ok(start), now.offset());
        if is_truncated {
            archive.proof = Proof::Uncounted(CUT_OFF.to_owned());
        }
        places.entry(place).or_default().push(archive);
    }
    Ok(places)
}

/// Reads the first bytes of a file, and whether it ends with a footer of ours; nothing if it cannot be read.
fn start(path: &Path, size: u64) -> Option<(Start, bool)> {
    let file = open_file(path).ok()?;
    let mut bytes = Vec::new();
    (&file).take(LONGEST_HEADER).read_to_end(&mut bytes).ok()?;
    Some((Start::read(&bytes, size), has_footer(&file, size)))
}

fn has_footer(file: &File, size: u64) -> bool {
    let mut member = [0; FOOTER];
    let at = size.checked_sub(FOOTER as u64);
    at.is_some_and(|at| file.read_exact_at(&mut member, at).is_ok())
        && Footer::read(&member, size).is_some()
}
