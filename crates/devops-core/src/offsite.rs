//! Archives off-site: what an earlier archive in the store has already is copied there, not sent.
//!
//! The index of an archive names its segments and their hashes. Segments that both archives have become
//! runs of shared bytes, and `s3` makes the new object of copies and of what is left, within the part
//! rules. The index is a hint and no proof: each copied part is compared with the file, and the whole
//! confirmed like any other object.

mod prune;
mod stream;

use std::{collections::HashMap, ffi::OsStr, fs::File, os::unix::fs::FileExt, path::Path};

pub use self::prune::{
    ObjectDecision, OffsitePlan, Others, PruneError, PruneOutcome, PruneRequest, Selection,
    StoredArchive, lock_kept, plan_prune, remove_pruned, select_kept, select_newest,
};
use crate::{
    archive_index::{
        ArchiveName,
        container::{FOOTER, Footer},
        head::{Hash, Segment, n_to_read, read_segments},
    },
    fs::open_file,
    s3::{
        Composition, Event, ListedObject, ObjectSummary, OverwritePolicy, PartRules, PutOptions,
        S3Context, S3Error, S3Uri, SharedRange, StoreText, UploadItem, blocking, list,
        put_composed,
    },
};

use futures_util::future::LocalBoxFuture;
pub use stream::{OnStderr, StreamError, StreamInput, StreamPut, put_stream};

/// The archive in a store that a new object copies parts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// The newest archive of the same name beside it, or the one that it replaces.
    #[default]
    Newest,
    /// This one.
    Named(S3Uri),
    /// None: everything is sent.
    None,
}

/// Puts a file; if it is one of our archives, sends only what its base has not.
pub fn put<'a>(
    context: S3Context<'a>,
    source: &'a UploadItem,
    options: &'a PutOptions,
    base: &'a Base,
) -> LocalBoxFuture<'a, Result<ObjectSummary, S3Error>> {
    Box::pin(async move {
        let accepts = |earlier: &S3Uri| match base {
            Base::Newest => true,
            Base::Named(named) => named == earlier,
            Base::None => false,
        };
        let compose = async || match (Composing { context, source, options }).compose(base).await {
            Ok(composition) => composition,
            // A signal that ended the search ends the put too: no reason is reported.
            Err(_) if context.cancel_token.check().is_err() => None,
            Err(reason) => {
                let reason = match base {
                    Base::Named(named) if !reason.contains(&named.to_string()) => {
                        format!("nothing of `{named}` is copied, because {reason}")
                    }
                    _ => reason,
                };
                (context.events)(Event::NoServerSideCopy { uri: source.uri.clone(), reason });
                None
            }
        };
        put_composed(context, source, options, &accepts, &|| Box::pin(compose())).await
    })
}

/// The object that parts are copied from.
struct Found {
    uri: S3Uri,
    etag: String,
    segments: Vec<Segment>,
}

struct Composing<'a> {
    context: S3Context<'a>,
    source: &'a UploadItem,
    options: &'a PutOptions,
}

impl Composing<'_> {
    /// Returns how the object is made; nothing where nobody could expect it, and a reason where somebody
    /// could.
    async fn compose(&self, base: &Base) -> Result<Option<Composition>, String> {
        if *base == Base::None {
            return Ok(None);
        }
        let _turn = self.context.store.index_memory_permit().await;
        let (path, limit) = (self.source.path.clone(), self.limit());
        let read = self
            .context
            .cancel_token
            .run_blocking_cancellable(move || read_archive(&path, limit))
            .await;
        let Some((size, ours)) = read.map_err(|cancelled| cancelled.to_string())?? else {
            return match base {
                Base::Named(_) => {
                    let path = self.source.path.display();
                    Err(format!("`{path}` is not an archive with an index"))
                }
                Base::Newest | Base::None => Ok(None),
            };
        };
        let found = match base {
            Base::Named(uri) => {
                let found = self.fetch(uri).await?;
                Some(found.ok_or_else(|| format!("`{uri}` does not exist"))?)
            }
            Base::Newest | Base::None => match self.newest().await? {
                Some(uri) => self.fetch(&uri).await?,
                None => None,
            },
        };
        let Some(found) = found else { return Ok(None) };
        let store = self.context.store;
        store.composes()?;
        let plan = store.plan(size, self.options.part_size).map_err(|error| error.to_string())?;
        let rules = PartRules { part_size: plan.part_size(), max_parts: store.limits().max_parts };
        let shared = shared(&ours, &found.segments);
        let planned = Composition::plan(found.uri.clone(), found.etag, size, &shared, rules);
        let Some(composition) = planned else {
            return Err(format!("`{}` has too little in common with it", found.uri));
        };
        (self.context.events)(Event::Composed {
            uri: self.source.uri.clone(),
            base: found.uri,
            copied: composition.n_copied(),
            parts: composition.n_parts(),
        });
        Ok(Some(composition))
    }

    /// Returns how much memory reading an index may take, beside the parts.
    fn limit(&self) -> u64 {
        self.context.store.max_memory().0 / 2
    }

    /// Finds the archive to copy from: the newest one of the same name, or else the one to replace.
    async fn newest(&self) -> Result<Option<S3Uri>, String> {
        let target = &self.source.uri;
        let replaced = (self.options.replace != OverwritePolicy::Refuse).then(|| target.clone());
        let (folder, file) = target.key.split_at(target.key.rfind('/').map_or(0, |at| at + 1));
        let Some(name) = ArchiveName::parse(OsStr::new(file)) else { return Ok(replaced) };
        // A clock was wrong where one is dated later; calendars differ by a day.
        let latest = name.date.saturating_add(time::Duration::DAY);
        // A date follows; `home-photos/` is none of `home`.
        let key = format!("{folder}{}-2", name.name);
        let prefix = target.with_key(key);
        let (mut newest, mut n): (Option<(ArchiveName, S3Uri)>, _) = (None, 0_usize);
        let mut look = |object: ListedObject| {
            n += 1;
            let file = object.uri.key.strip_prefix(folder).unwrap_or_default();
            let is_fit = file.ends_with(".tar.gz") && is_cheap(object.storage_class.as_ref());
            if let Some(found) = ArchiveName::parse(OsStr::new(file)).filter(|_| is_fit)
                && found.name == name.name
                && object.uri != *target
                && found.date <= latest
                && newest.as_ref().is_none_or(|(newest, _)| *newest < found)
            {
                newest = Some((found, object.uri));
            }
            n < MOST_LISTED
        };
        list(self.context, &prefix, &mut look).await.map_err(|error| error.to_string())?;
        if n == MOST_LISTED {
            return Err(format!("there are too many objects to look for its base at `{prefix}`"));
        }
        Ok(newest.map(|(_, uri)| uri).or(replaced))
    }

    /// Fetches the segments of an archive in the store; nothing if it does not exist.
    async fn fetch(&self, uri: &S3Uri) -> Result<Option<Found>, String> {
        let why = |error: &dyn std::error::Error| format!("`{uri}`: {error}");
        let no_index = || format!("`{uri}` is not an archive with an index");
        let head = self.context.head(uri).await.map_err(|error| why(&error))?;
        let Some(head) = head else { return Ok(None) };
        if !head.restore_status.is_readable() {
            if *uri != self.source.uri {
                (self.context.events)(Event::InColdStorage(uri.clone()));
            }
            return Err(format!("`{uri}` is archived"));
        }
        let at = head.size.checked_sub(FOOTER as u64).ok_or_else(no_index)?;
        let etag = head.etag.ok_or_else(|| format!("`{uri}` has no ETag"))?;
        let get = async |offset, size| {
            let range = self.context.get_range(uri, Some(&etag), offset..offset + size).await;
            range.map_err(|error| why(&error))
        };
        let footer = {
            let member = get(at, FOOTER as u64).await?;
            let member = member.as_ref().try_into().map_err(|_| no_index())?;
            Footer::read(member, head.size).ok_or_else(no_index)?
        };
        let n_members = fitting(&footer, self.limit())?.ok_or_else(no_index)?;
        let members = get(footer.index_start, n_members).await?;
        let segments = blocking(move || parse(members.as_ref().to_vec(), &footer)).await;
        let segments = segments.ok_or_else(no_index)?;
        Ok(Some(Found { uri: uri.clone(), etag, segments }))
    }
}

/// A folder with more archives of one name than this is not searched.
const MOST_LISTED: usize = 10_000;

/// Returns whether an object of this class can be read for nothing; elsewhere a copy may cost more than
/// sending (S3 pricing, "retrieval").
fn is_cheap(storage_class: Option<&StoreText>) -> bool {
    storage_class.is_none_or(|class| {
        matches!(class.as_sent(), "STANDARD" | "REDUCED_REDUNDANCY" | "INTELLIGENT_TIERING")
    })
}

/// Returns how many bytes the index has in the archive, if it has any, unless it takes too much memory.
fn fitting(footer: &Footer, limit: u64) -> Result<Option<u64>, String> {
    match n_to_read(footer) {
        Some(n) if n <= limit => Ok(footer.n_index_members().filter(|&n| n > 0)),
        _ => Err("reading its index would take more than half of --max-memory".to_owned()),
    }
}

/// Reads the segments of an archive here, with its size; nothing if it is none, or has no index.
fn read_archive(path: &Path, limit: u64) -> Result<Option<(u64, Vec<Segment>)>, String> {
    let Some((file, size, footer)) = open_archive(path) else { return Ok(None) };
    let Some(n_members) = fitting(&footer, limit)? else { return Ok(None) };
    let mut members = vec![0; usize::try_from(n_members).map_err(|error| error.to_string())?];
    if file.read_exact_at(&mut members, footer.index_start).is_err() {
        return Ok(None);
    }
    Ok(parse(members, &footer).map(|segments| (size, segments)))
}

fn open_archive(path: &Path) -> Option<(File, u64, Footer)> {
    let file = open_file(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut member = [0; FOOTER];
    file.read_exact_at(&mut member, size.checked_sub(FOOTER as u64)?).ok()?;
    let footer = Footer::read(&member, size)?;
    Some((file, size, footer))
}

fn parse(members: Vec<u8>, footer: &Footer) -> Option<Vec<Segment>> {
    read_segments(&footer.unwrap_index(members)?, footer)
}

/// Returns the runs of bytes that both archives have, in the order of ours, each as long as it gets.
fn shared(ours: &[Segment], theirs: &[Segment]) -> Vec<SharedRange> {
    let mut places: HashMap<&Hash, usize> = HashMap::with_capacity(theirs.len());
    for (n, segment) in theirs.iter().enumerate() {
        places.entry(&segment.packed_hash).or_insert(n);
    }
    let mut runs: Vec<SharedRange> = Vec::new();
    let mut last = None;
    for segment in ours {
        let is_same = |n: &usize| {
            theirs.get(*n).is_some_and(|theirs| {
                theirs.packed_hash == segment.packed_hash
                    && theirs.compressed_len == segment.compressed_len
            })
        };
        // The one behind the last goes on with its run; the same bytes may stand elsewhere too.
        let next = last.map(|n| n + 1).filter(is_same);
        let n = next.or_else(|| places.get(&segment.packed_hash).copied().filter(is_same));
        last = n;
        let Some(found) = n.map(|n| theirs[n]).filter(|found| found.compressed_len > 0) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.at + run.size == segment.at && run.from + run.size == found.at => {
                run.size += segment.compressed_len;
            }
            _ => runs.push(SharedRange {
                at: segment.at,
                from: found.at,
                size: segment.compressed_len,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(contents: &[u8]) -> Vec<Segment> {
        let mut at = 10;
        let segment = |&content: &u8| {
            let compressed_len = u64::from(content);
            let segment = Segment {
                at,
                compressed_len,
                tar_offset: 0,
                uncompressed_len: 0,
                crc: 0,
                raw_hash: [0; 32],
                packed_hash: [content; 32],
            };
            at += compressed_len;
            segment
        };
        contents.iter().map(segment).collect()
    }

    #[test]
    fn neighbours_in_both_archives_are_one_run() {
        let runs = shared(&segments(&[1, 2, 3, 9, 4, 5]), &segments(&[8, 1, 2, 3, 4, 5]));

        assert_eq!(
            runs,
            [SharedRange { at: 10, from: 18, size: 6 }, SharedRange { at: 25, from: 24, size: 9 },]
        );
    }

    #[test]
    fn what_occurs_twice_does_not_break_a_run() {
        let both = segments(&[1, 7, 2, 7, 3, 7, 7]);

        let runs = shared(&both, &both);

        assert_eq!(runs, [SharedRange { at: 10, from: 10, size: 34 }]);
    }

    #[test]
    fn what_is_in_one_only_is_not_shared() {
        assert_eq!(shared(&segments(&[1, 2]), &segments(&[3, 4])), []);
        assert_eq!(shared(&segments(&[1, 2]), &[]), []);
    }
}
