//! The bytes of one object on their way here, several ranges at a time.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    S3Error, blocking,
    checksum::{Algorithm, Checksum, Sum},
    event::Event,
    failure::{CallFailure, Trouble},
    landing::Landing,
    link::Link,
    plan::{Part, PartPlan, PartSize, PlanError},
    reads::ObjectHead,
    uri::S3Uri,
};
use crate::fs::{At, PathError};

/// All bytes of one object on their way.
pub(crate) struct Fetch<'a> {
    link: Link<'a>,
    uri: &'a S3Uri,
    head: &'a ObjectHead,
    /// One that combines, because the ranges come in any order.
    algorithm: Algorithm,
    /// Where the bytes go, if anywhere.
    place: Option<(Arc<File>, PathBuf)>,
    /// The ranges that are there already.
    done: HashMap<u32, Sum>,
    /// Writes down that a range is there.
    note: Option<Note>,
    landed: AtomicU64,
}

/// Writes down that a range is there.
pub(crate) type Note = Arc<dyn Fn(u32, &Sum) + Send + Sync>;

impl<'a> Fetch<'a> {
    /// Fetches bytes that go nowhere.
    pub(crate) fn new(
        link: Link<'a>,
        uri: &'a S3Uri,
        head: &'a ObjectHead,
        algorithm: Algorithm,
    ) -> Self {
        let (place, note, landed) = (None, None, AtomicU64::new(0));
        Self { link, uri, head, algorithm, place, done: HashMap::new(), note, landed }
    }

    /// Lets the bytes go into a file that may have some of them.
    pub(crate) fn land_in(&mut self, landing: &Landing) {
        self.place = Some(landing.place());
        self.done = landing.done();
        self.note = landing.note();
    }

    pub(crate) fn plan(&self, part_size: PartSize) -> Result<PartPlan, PlanError> {
        PartPlan::new(self.head.size, part_size, self.link.store.max_memory())
    }

    /// Returns how many bytes are there, those of an earlier run included.
    pub(crate) fn n_landed(&self) -> u64 {
        self.landed.load(Ordering::Relaxed)
    }

    /// Fetches all bytes and returns their checksum.
    pub(crate) async fn run(&self, part_size: PartSize) -> Result<Checksum, S3Error> {
        let plan = self.plan(part_size)?;
        (self.link.events)(Event::Started {
            uri: self.uri.clone(),
            path: None,
            size: Some(self.head.size),
            parts: Some(plan.n_parts()),
        });
        self.tell_of_done(plan);
        let mut sums: Vec<(u32, Sum)> = stream::iter(plan.parts().filter(|part| part.size > 0))
            .map(|part| self.part(part))
            .buffer_unordered(self.link.store.concurrency())
            .try_collect()
            .await?;
        sums.sort_by_key(|(number, _)| *number);
        let sums: Vec<_> = sums.into_iter().map(|(_, sum)| sum).collect();
        let empty = || Sum::of(self.algorithm, b"").checksum();
        Ok(Sum::combine(&sums).unwrap_or_else(empty))
    }

    fn tell_of_done(&self, plan: PartPlan) {
        let parts = plan.parts().filter(|part| self.done.contains_key(&part.number));
        let (parts, size) = parts.fold((0, 0), |(n, size), part| (n + 1, size + part.size));
        if parts > 0 {
            let uri = self.uri.clone();
            (self.link.events)(Event::Continued { uri, parts, size });
        }
    }

    async fn part(&self, part: Part) -> Result<(u32, Sum), S3Error> {
        if let Some(sum) = self.done.get(&part.number) {
            (self.link.events)(Event::Moved(part.size.cast_signed()));
            self.landed.fetch_add(part.size, Ordering::Relaxed);
            return Ok((part.number, sum.clone()));
        }
        let etag = self.head.etag.as_deref();
        let range = (part.offset, part.size);
        let buffer = self.link.get_range(self.uri, etag, range).await.map_err(replaced)?;
        let (algorithm, place, note) = (self.algorithm, self.place.clone(), self.note.clone());
        let sum = blocking(move || {
            let sum = Sum::of(algorithm, buffer.as_ref());
            if let Some((file, path)) = place {
                file.write_all_at(buffer.as_ref(), part.offset).at(path, "write")?;
            }
            if let Some(note) = note {
                note(part.number, &sum);
            }
            Ok::<_, PathError>(sum)
        })
        .await?;
        self.landed.fetch_add(part.size, Ordering::Relaxed);
        Ok((part.number, sum))
    }
}

/// Says of a tag that is no longer that of the object what it means.
fn replaced(failure: CallFailure) -> CallFailure {
    if failure.trouble != Trouble::Exists {
        return failure;
    }
    let message = "the object was replaced while it was fetched".to_owned();
    CallFailure { trouble: Trouble::Conflict, message, ..failure }
}
