//! Puts one file into a store: asks what is there, sends, confirms.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    S3Error,
    adjust::Adjustments,
    attributes::Attributes,
    checksum::Algorithm,
    event::{Event, ObjectSummary, Outcome},
    existing::unchanged,
    failure::Trouble,
    link::Link,
    payload::Protection,
    plan::{PartPlan, PartSize},
    proof::{Proof, Sent},
    retry::random,
    settle::{Settled, Write, confirm, resolve},
    source::OpenFile,
    sources::Source,
    uri::S3Uri,
};

/// What happens when the key is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// The object stays, and the put is refused unless the content is the same.
    #[default]
    Refuse,
    /// The new object takes its place.
    Overwrite,
}

/// How objects are put.
#[derive(Clone, Debug)]
pub struct PutOptions {
    /// What happens when the key is taken.
    pub replace: Replace,
    /// The checksum, or none.
    pub checksum: Option<Algorithm>,
    /// Less proof than this is a failure.
    pub require_proof: Proof,
    /// How large parts are.
    pub part_size: PartSize,
    /// What new objects are stored with; one that is there already stays as it is.
    pub attributes: Attributes,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            replace: Replace::Refuse,
            checksum: Some(Algorithm::default()),
            require_proof: Proof::Size,
            part_size: PartSize::Auto,
            attributes: Attributes::default(),
        }
    }
}

/// What a put would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// How many bytes would be sent.
    pub size: u64,
    /// In how many parts.
    pub parts: u32,
    /// Whether the same content is there already, so that nothing would be sent.
    pub unchanged: bool,
}

/// One object on its way.
pub(crate) struct Task<'a> {
    pub(crate) link: Link<'a>,
    pub(crate) uri: &'a S3Uri,
    pub(crate) attributes: &'a Attributes,
    /// The mark by which the upload knows its own object.
    pub(crate) id: String,
    pub(crate) protection: Protection,
    /// Whether the write itself refuses an existing key.
    pub(crate) guarded: bool,
}

/// Puts a file; fails with [`S3Error::Exists`] when other content has the key and may not be replaced.
///
/// A failed or interrupted put leaves no object and no multipart upload.
pub async fn put(
    link: Link<'_>,
    source: &Source,
    options: &PutOptions,
) -> Result<ObjectSummary, S3Error> {
    let begun = Instant::now();
    let file = OpenFile::open(&source.path).await?;
    let plan = PartPlan::new(file.size(), options.part_size, link.store.max_memory())?;
    (link.events)(Event::Started {
        uri: source.uri.clone(),
        path: Some(source.path.clone()),
        size: Some(file.size()),
        parts: Some(plan.n_parts()),
    });
    let (sent, settled) = match unchanged(link, &source.uri, &file, options).await? {
        Some(done) => done,
        None => send_until_settled(link, source, options, (&file, plan)).await?,
    };
    summarize(&source.uri, options, (sent, settled), begun.elapsed())
}

/// Returns what [`put`] would do, without doing it.
pub async fn preview(
    link: Link<'_>,
    source: &Source,
    options: &PutOptions,
) -> Result<Preview, S3Error> {
    let file = OpenFile::open(&source.path).await?;
    let plan = PartPlan::new(file.size(), options.part_size, link.store.max_memory())?;
    let unchanged = unchanged(link, &source.uri, &file, options).await?.is_some();
    Ok(Preview { size: file.size(), parts: plan.n_parts(), unchanged })
}

/// Tries again where the store turns out to know less than hoped, or another writer was quicker.
async fn send_until_settled(
    link: Link<'_>,
    source: &Source,
    options: &PutOptions,
    (file, plan): (&OpenFile, PartPlan),
) -> Result<(Sent, Settled), S3Error> {
    let mut adjustments = Adjustments::default();
    loop {
        let task = Task::new(link, &source.uri, options);
        let result = if plan.is_single() {
            task.put_single(file, plan).await
        } else {
            task.put_parts(file, plan).await
        };
        let failure = match result {
            Err(S3Error::Call(failure)) => failure,
            other => return other,
        };
        adjustments.adjust(&task, *failure).await?;
        if let Some(done) = unchanged(link, &source.uri, file, options).await? {
            return Ok(done);
        }
    }
}

impl<'a> Task<'a> {
    pub(crate) fn new(link: Link<'a>, uri: &'a S3Uri, options: &'a PutOptions) -> Self {
        let protection = match options.checksum {
            Some(algorithm) if link.store.knows_checksums() => Protection::Checksum(algorithm),
            Some(_) => Protection::Md5,
            None => Protection::Nothing,
        };
        let id = format!("{:016x}{:016x}", random(), random());
        let guarded = options.replace == Replace::Refuse && link.store.knows_conditions();
        Self { link, uri, attributes: &options.attributes, id, protection, guarded }
    }

    /// Returns what goes into the request that begins an object.
    pub(crate) fn marked(&self) -> (&Attributes, &str) {
        (self.attributes, &self.id)
    }

    async fn put_single(
        &self,
        file: &OpenFile,
        plan: PartPlan,
    ) -> Result<(Sent, Settled), S3Error> {
        let part = plan.parts().next().expect("a plan has a part");
        let payload = self.read(file, part).await?;
        file.check_unchanged()?;
        self.put_payload(payload).await
    }

    pub(crate) async fn put_payload(
        &self,
        payload: super::payload::Payload,
    ) -> Result<(Sent, Settled), S3Error> {
        match self.link.put_object(self.uri, &payload, self.marked(), self.guarded).await {
            Ok((part, answer)) => {
                let sent = Sent::single(part);
                let settled = confirm(&self.link, self.uri, &sent, &answer).await?;
                Ok((sent, settled))
            }
            Err(failure)
                if failure.trouble == Trouble::Exists || failure.trouble.is_ambiguous() =>
            {
                let sent = Sent::unanswered(&payload);
                let write = Write { id: &self.id, sent: &sent, upload_id: None };
                let settled = resolve(&self.link, self.uri, write, failure).await?;
                Ok((sent, settled))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn put_parts(&self, file: &OpenFile, plan: PartPlan) -> Result<(Sent, Settled), S3Error> {
        self.with_upload(async |upload| {
            let parts = stream::iter(plan.parts())
                .map(|part| self.send_file_part(&upload, file, part))
                .buffer_unordered(self.in_flight())
                .try_collect()
                .await?;
            file.check_unchanged()?;
            self.complete(&upload, parts).await
        })
        .await
    }

    /// Returns how many parts are prepared or sent at once: those on the way, and the next ones.
    pub(crate) fn in_flight(&self) -> usize {
        self.link.store.concurrency() + 2
    }
}

pub(crate) fn summarize(
    uri: &S3Uri,
    options: &PutOptions,
    (sent, settled): (Sent, Settled),
    elapsed: Duration,
) -> Result<ObjectSummary, S3Error> {
    let required = options.require_proof;
    let Some(proof) = settled.proof.filter(|&proof| proof >= required) else {
        let reached = settled.proof.map_or("nothing", Proof::name);
        return Err(S3Error::ProofTooWeak { uri: uri.clone(), reached, required });
    };
    let stored = settled.outcome == Outcome::Stored;
    Ok(ObjectSummary {
        uri: uri.clone(),
        outcome: settled.outcome,
        size: sent.size,
        checksum: sent.checksum,
        proof,
        version_id: settled.version_id,
        parts: u32::try_from(sent.parts.len()).unwrap_or(u32::MAX).max(u32::from(stored)),
        bytes_sent: if stored { sent.size } else { 0 },
        attempts: sent.parts.iter().map(|part| part.attempts).sum(),
        elapsed,
    })
}
