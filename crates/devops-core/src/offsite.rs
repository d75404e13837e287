//! Archives off-site: what an earlier archive in the store has already is copied there, not sent.
//!
//! The index of an archive names its segments and their hashes. Segments that both archives have become
//! runs of shared bytes, and `s3` makes the new object of copies and of what is left, within the part
//! rules. The index is a hint and no proof: each copied part is compared with the file, and the whole
//! confirmed like any other object.

use std::{collections::HashMap, ffi::OsStr, fs::File, os::unix::fs::FileExt};

use crate::{
    archive_index::{
        ArchiveName,
        container::{FOOTER, Footer},
        head::{Hash, Head, Segment, inflate},
    },
    fs::open_file,
    s3::{
        Composition, Event, Link, ListedObject, ObjectSummary, PartPlan, PutOptions, S3Error,
        S3Uri, SentParts, Shared, Source, blocking, list, put_composed,
    },
};

/// Which object an archive is made from.
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
pub async fn put(
    link: Link<'_>,
    source: &Source,
    options: &PutOptions,
    base: &Base,
) -> Result<ObjectSummary, S3Error> {
    put_composed(link, source, options, async || {
        match (Composing { link, source, options }).compose(base).await {
            Ok(composition) => composition,
            Err(reason) => {
                (link.events)(Event::Uncomposed(reason));
                None
            }
        }
    })
    .await
}

/// What is known of the object that is copied from.
struct Found {
    uri: S3Uri,
    etag: String,
    segments: Vec<Segment>,
}

struct Composing<'a> {
    link: Link<'a>,
    source: &'a Source,
    options: &'a PutOptions,
}

impl Composing<'_> {
    /// Returns how the object is made; nothing where nobody could expect it, and a reason where somebody
    /// could.
    async fn compose(&self, base: &Base) -> Result<Option<Composition>, String> {
        if *base == Base::None {
            return Ok(None);
        }
        let path = self.source.path.clone();
        let Some((size, ours)) = blocking(move || read_segments(&path)).await else {
            return match base {
                Base::Named(_) => Err("it is not an archive with an index".to_owned()),
                Base::Newest | Base::None => Ok(None),
            };
        };
        let uri = match base {
            Base::Named(uri) => Some(uri.clone()),
            Base::Newest | Base::None => self.newest().await?,
        };
        let Some(uri) = uri else { return Ok(None) };
        let found = self.fetch(uri).await?;
        let memory = self.link.store.max_memory();
        let plan = PartPlan::new(size, self.options.part_size, memory)
            .map_err(|error| error.to_string())?;
        let sent = SentParts { usual: plan.part_size(), max_memory: memory };
        let shared = shared(&ours, &found.segments);
        let base = (found.uri.clone(), found.etag);
        let Some(composition) = Composition::plan(base, size, &shared, sent) else {
            return Err(format!("`{}` has too little in common with it", found.uri));
        };
        (self.link.events)(Event::Composed {
            uri: self.source.uri.clone(),
            base: found.uri,
            copied: composition.n_copied(),
            parts: composition.n_parts(),
        });
        Ok(Some(composition))
    }

    /// Finds the archive to copy from: the newest one of the same name, or else the object itself.
    async fn newest(&self) -> Result<Option<S3Uri>, String> {
        let target = &self.source.uri;
        let (folder, file) = target.key.split_at(target.key.rfind('/').map_or(0, |at| at + 1));
        let Some(name) = ArchiveName::parse(OsStr::new(file)) else {
            return Ok(Some(target.clone()));
        };
        let prefix =
            S3Uri { bucket: target.bucket.clone(), key: format!("{folder}{}-", name.name) };
        let mut newest: Option<(ArchiveName, S3Uri)> = None;
        let look = |object: ListedObject| {
            let file = object.uri.key.strip_prefix(folder).unwrap_or_default();
            let is_plain = file.ends_with(".tar.gz");
            if let Some(found) = ArchiveName::parse(OsStr::new(file)).filter(|_| is_plain)
                && found.name == name.name
                && object.uri != *target
                && newest.as_ref().is_none_or(|(newest, _)| *newest < found)
            {
                newest = Some((found, object.uri));
            }
            true
        };
        list(self.link, &prefix, look).await.map_err(|error| error.to_string())?;
        Ok(newest.map(|(_, uri)| uri))
    }

    /// Fetches the segments of an archive in the store.
    async fn fetch(&self, uri: S3Uri) -> Result<Found, String> {
        let why = |error: &dyn std::error::Error| format!("`{uri}`: {error}");
        let no_index = || format!("`{uri}` is not an archive with an index");
        let head = self.link.head(&uri).await.map_err(|error| why(&error))?;
        // Whoever replaces an object has no base yet the first time.
        let Some(head) = head else { return Err(format!("`{uri}` does not exist")) };
        let at = head.size.checked_sub(FOOTER as u64).ok_or_else(no_index)?;
        let etag = head.etag.ok_or_else(|| format!("`{uri}` has no ETag"))?;
        let get = async |offset, size| {
            let range = self.link.get_range(&uri, Some(&etag), (offset, size)).await;
            range.map_err(|error| why(&error))
        };
        let member = get(at, FOOTER as u64).await?;
        let member: [u8; FOOTER] = member.as_ref().try_into().map_err(|_| no_index())?;
        let footer = Footer::read(&member, head.size).ok_or_else(no_index)?;
        let n_members = footer.n_index_members().ok_or_else(no_index)?;
        if n_members > self.link.store.max_memory().0 {
            return Err(format!("the index of `{uri}` does not fit in --max-memory"));
        }
        let members = get(footer.index_start, n_members).await?;
        let segments = blocking(move || parse(members.as_ref(), &footer)).await;
        let segments = segments.ok_or_else(no_index)?;
        Ok(Found { uri, etag, segments })
    }
}

/// Reads the segments of an archive here, with its size; nothing if it is none, or has no index.
fn read_segments(path: &std::path::Path) -> Option<(u64, Vec<Segment>)> {
    let file: File = open_file(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut member = [0; FOOTER];
    file.read_exact_at(&mut member, size.checked_sub(FOOTER as u64)?).ok()?;
    let footer = Footer::read(&member, size)?;
    let mut members = vec![0; usize::try_from(footer.n_index_members()?).ok()?];
    file.read_exact_at(&mut members, footer.index_start).ok()?;
    Some((size, parse(&members, &footer)?))
}

fn parse(members: &[u8], footer: &Footer) -> Option<Vec<Segment>> {
    let raw = inflate(&footer.unwrap_index(members)?, footer)?;
    Some(Head::read(&raw, footer)?.segments)
}

/// Returns the runs of bytes that both archives have, in the order of ours, each as long as it gets.
fn shared(ours: &[Segment], theirs: &[Segment]) -> Vec<Shared> {
    let places: HashMap<&Hash, &Segment> =
        theirs.iter().map(|segment| (&segment.packed_hash, segment)).collect();
    let mut runs: Vec<Shared> = Vec::new();
    for segment in ours {
        let Some(found) = places.get(&segment.packed_hash) else { continue };
        if found.n_packed != segment.n_packed || segment.n_packed == 0 {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.at + run.size == segment.at && run.from + run.size == found.at => {
                run.size += segment.n_packed;
            }
            _ => runs.push(Shared { at: segment.at, from: found.at, size: segment.n_packed }),
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
            let n_packed = u64::from(content);
            let segment = Segment {
                at,
                n_packed,
                raw_at: 0,
                n_raw: 0,
                crc: 0,
                raw_hash: [0; 32],
                packed_hash: [content; 32],
            };
            at += n_packed;
            segment
        };
        contents.iter().map(segment).collect()
    }

    #[test]
    fn neighbours_in_both_archives_are_one_run() {
        let runs = shared(&segments(&[1, 2, 3, 9, 4, 5]), &segments(&[8, 1, 2, 3, 4, 5]));

        assert_eq!(
            runs,
            [Shared { at: 10, from: 18, size: 6 }, Shared { at: 25, from: 24, size: 9 },]
        );
    }

    #[test]
    fn what_is_in_one_only_is_not_shared() {
        assert_eq!(shared(&segments(&[1, 2]), &segments(&[3, 4])), []);
        assert_eq!(shared(&segments(&[1, 2]), &[]), []);
    }
}
