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

use super::output_file::DownloadTarget;
use crate::fs::{IoResultExt, PathError};
use crate::s3::{
    error::operation::S3Error,
    object::{
        checksum::{Algorithm, Checksum, Sum},
        event::Event,
        response::ObjectHead,
        uri::S3Uri,
    },
    plan::{
        parts::{Part, PartPlan, PartSize, PlanError},
        range_plan::{Note, plan_ranges},
    },
    request::{context::S3Context, read::SameObject},
};

/// All bytes of one object on their way.
pub(crate) struct Fetch<'a> {
    context: S3Context<'a>,
    uri: &'a S3Uri,
    head: &'a ObjectHead,
    same: SameObject,
    /// One that combines, because the ranges come in any order.
    algorithm: Algorithm,
    /// The file that gets the bytes, if any.
    place: Option<(Arc<File>, PathBuf)>,
    /// The ranges that are there already.
    done: HashMap<u32, Sum>,
    /// Writes down that a range is there.
    note: Option<Note>,
    landed: AtomicU64,
}

impl<'a> Fetch<'a> {
    /// Fetches bytes that go nowhere.
    pub(crate) fn new(
        context: S3Context<'a>,
        uri: &'a S3Uri,
        head: &'a ObjectHead,
        algorithm: Algorithm,
    ) -> Self {
        Self {
            context,
            uri,
            head,
            same: SameObject::new(head),
            algorithm,
            place: None,
            done: HashMap::new(),
            note: None,
            landed: AtomicU64::new(0),
        }
    }

    /// Lets the bytes go into a file that may have some of them.
    pub(crate) fn download_to(&mut self, target_file: &DownloadTarget) {
        self.place = Some(target_file.file_and_path());
        self.done = target_file.done();
        self.note = target_file.note();
    }

    pub(crate) fn plan(&self, part_size: PartSize) -> Result<PartPlan, PlanError> {
        plan_ranges(self.head.size, part_size, self.context.store.max_memory())
    }

    /// Returns how many bytes are there, those of an earlier run included.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.landed.load(Ordering::Relaxed)
    }

    /// Fetches all bytes and returns their checksum.
    pub(crate) async fn run(&self, part_size: PartSize) -> Result<Checksum, S3Error> {
        let sums: Vec<_> = self.sums(part_size).await?.into_iter().map(|(_, sum)| sum).collect();
        let empty = || Sum::of(self.algorithm, b"").checksum();
        Ok(Sum::combine(&sums).unwrap_or_else(empty))
    }

    /// Fetches all bytes and returns the checksums of their ranges, in order.
    pub(crate) async fn sums(&self, part_size: PartSize) -> Result<Vec<(Part, Sum)>, S3Error> {
        let plan = self.plan(part_size)?;
        (self.context.events)(Event::Started {
            uri: self.uri.clone(),
            path: None,
            size: Some(self.head.size),
            parts: Some(plan.n_parts()),
        });
        self.report_done(plan);
        let mut sums: Vec<_> = stream::iter(plan.parts().filter(|part| part.size > 0))
            .map(|part| self.part(part))
            .buffer_unordered(self.context.store.concurrency())
            .try_collect()
            .await?;
        sums.sort_by_key(|(part, _)| part.number);
        Ok(sums)
    }

    fn report_done(&self, plan: PartPlan) {
        let parts = plan.parts().filter(|part| self.done.contains_key(&part.number));
        let (parts, size) = parts.fold((0, 0), |(n, size), part| (n + 1, size + part.size));
        if parts > 0 {
            let uri = self.uri.clone();
            (self.context.events)(Event::Continued { uri, parts, size });
        }
    }

    async fn part(&self, part: Part) -> Result<(Part, Sum), S3Error> {
        if let Some(sum) = self.done.get(&part.number) {
            (self.context.events)(Event::BytesTransferred(part.size.cast_signed()));
            self.landed.fetch_add(part.size, Ordering::Relaxed);
            return Ok((part, sum.clone()));
        }
        let range = part.offset..part.offset + part.size;
        let buffer = self.context.get_part(self.uri, &self.same, range).await?;
        let (algorithm, place, note) = (self.algorithm, self.place.clone(), self.note.clone());
        let land = move || {
            let sum = Sum::of(algorithm, buffer.as_ref());
            if let Some((file, path)) = place {
                file.write_all_at(buffer.as_ref(), part.offset).at(path, "write")?;
            }
            if let Some(note) = note {
                note(part.number, &sum);
            }
            Ok::<_, PathError>(sum)
        };
        let sum = self.context.cancel_token.run_blocking_cancellable(land).await??;
        self.landed.fetch_add(part.size, Ordering::Relaxed);
        Ok((part, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;

    const TIB: u64 = 1 << 40;

    fn range(size: u64, max_memory: ByteSize) -> u64 {
        let plan = plan_ranges(size, PartSize::Auto, max_memory).unwrap();
        let n_bytes: u64 = plan.parts().map(|part| part.size).sum();
        assert_eq!(n_bytes, size);
        plan.part_size() >> 20
    }

    #[test]
    fn ranges_grow_with_the_object_and_stay_small_enough_for_memory() {
        let usual = ByteSize::mib(128);

        assert_eq!(range(TIB / 4, usual), 8);
        assert_eq!(range(TIB, usual), 11);
        assert_eq!(range(13 * TIB / 10, usual), 14);
        assert_eq!(range(3 * TIB, usual), 32);
        // There may be more than 10,000 of them, and more than are usual.
        assert_eq!(range(48 * TIB, usual), 32);
    }

    #[test]
    fn little_memory_makes_for_more_ranges() {
        assert_eq!(range(TIB / 4, ByteSize::mib(6)), 6);
        assert_eq!(range(2 * TIB, ByteSize::mib(16)), 16);
        assert_eq!(range(2 * TIB, ByteSize::mib(5)), 5);
    }
}
