//! Fetches objects, several ranges at a time, and checks what came.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    S3Error, blocking,
    checksum::{self, Algorithm, Checksum, Sum},
    event::Event,
    failure::{CallFailure, Trouble},
    link::Link,
    plan::{Part, PartPlan, PartSize},
    proof::Proof,
    reads::ObjectHead,
    uri::S3Uri,
};
use crate::fs::{At, AtomicFile, PathError, ReplacePolicy};

/// How objects are fetched.
#[derive(Clone, Copy, Debug)]
pub struct GetOptions {
    /// What happens when the file exists.
    pub replace: ReplacePolicy,
    /// The permission bits of the file.
    pub mode: u32,
    /// How large the ranges are that are fetched at once.
    pub part_size: PartSize,
}

/// One object that was fetched.
#[derive(Clone, Debug)]
pub struct GetSummary {
    /// The object.
    pub uri: S3Uri,
    /// The file.
    pub path: PathBuf,
    /// How many bytes it has.
    pub size: u64,
    /// The checksum of the bytes that came.
    pub checksum: Checksum,
    /// How well that agrees with what the store says.
    pub proof: Proof,
    /// How long it took.
    pub elapsed: Duration,
}

/// Fetches an object into `path`, where it appears whole and checked or not at all.
pub async fn get(
    link: Link<'_>,
    uri: &S3Uri,
    path: &Path,
    options: GetOptions,
) -> Result<GetSummary, S3Error> {
    let begun = Instant::now();
    if options.replace == ReplacePolicy::Keep && path.symlink_metadata().is_ok() {
        let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(PathError { action: "create", path: path.to_owned(), source: exists }.into());
    }
    let head = head_of_existing(link, uri).await?;
    let mut atomic = AtomicFile::create(path)?;
    let file = Arc::new(atomic.file().try_clone().at(path, "open")?);
    let algorithm = match &head.checksum {
        Some(theirs) if theirs.is_full() && theirs.algorithm.combines() => theirs.algorithm,
        _ => Algorithm::default(),
    };
    let fetch = Fetch { link, uri, head: &head, algorithm, file: Some(file) };
    let checksum = fetch.run(options.part_size).await?;
    let proof = check(link, uri, &head, (&checksum, atomic.temp_path())).await?;
    link.stop.check()?;
    blocking(move || atomic.commit(options.mode, options.replace)).await?;
    let (uri, path, elapsed) = (uri.clone(), path.to_owned(), begun.elapsed());
    Ok(GetSummary { uri, path, size: head.size, checksum, proof, elapsed })
}

/// Compares what came with what the store says of it; reads the file again where it must.
async fn check(
    link: Link<'_>,
    uri: &S3Uri,
    head: &ObjectHead,
    (ours, path): (&Checksum, &Path),
) -> Result<Proof, S3Error> {
    let (path, cancel) = (path.to_owned(), link.stop.cancel().clone());
    let (expected, found, proof) = match (&head.checksum, &head.etag) {
        (Some(theirs), _) if theirs.is_full() && theirs.algorithm == ours.algorithm => {
            (theirs.to_string(), ours.to_string(), Proof::Full)
        }
        (Some(theirs), _) if theirs.is_full() => {
            let algorithm = theirs.algorithm;
            let again = blocking(move || checksum::of_file(&path, algorithm, &cancel)).await?;
            (theirs.to_string(), again.checksum().to_string(), Proof::Full)
        }
        (_, Some(etag)) if checksum::is_md5(etag) => {
            let again = blocking(move || checksum::md5_of_file(&path, &cancel)).await?;
            if again != *etag {
                // An ETag that looks like an MD5 need not be one.
                return Ok(Proof::Size);
            }
            (etag.clone(), again, Proof::Etag)
        }
        _ => return Ok(Proof::Size),
    };
    if expected == found {
        return Ok(proof);
    }
    link.stop.check()?;
    // Here the store's word is what was expected.
    Err(S3Error::Mismatch { uri: uri.clone(), expected: found, found: expected })
}

/// Asks for an object and says what is missing when it is not there.
pub(crate) async fn head_of_existing(link: Link<'_>, uri: &S3Uri) -> Result<ObjectHead, S3Error> {
    match link.head(uri).await? {
        Some(head) => Ok(head),
        None => Err(missing(link, uri).await.into()),
    }
}

/// Says what is missing where no object is: it, or its bucket.
pub(crate) async fn missing(link: Link<'_>, uri: &S3Uri) -> CallFailure {
    let send = |client: aws_sdk_s3::Client| client.head_bucket().bucket(&uri.bucket).send();
    let bucket = link.call(link.short("HeadBucket"), send).await;
    let (trouble, message) = match bucket {
        Err(failure) if failure.trouble == Trouble::NoObject => {
            (Trouble::NoBucket, format!("no bucket `{}`", uri.bucket))
        }
        _ => (Trouble::NoObject, format!("no object `{uri}`")),
    };
    CallFailure::local("HeadObject", trouble, message)
}

/// All bytes of one object on their way.
pub(crate) struct Fetch<'a> {
    pub(crate) link: Link<'a>,
    pub(crate) uri: &'a S3Uri,
    pub(crate) head: &'a ObjectHead,
    /// One that combines, because the ranges come in any order.
    pub(crate) algorithm: Algorithm,
    /// Where the bytes go, if anywhere.
    pub(crate) file: Option<Arc<File>>,
}

impl Fetch<'_> {
    /// Fetches all bytes and returns their checksum.
    pub(crate) async fn run(&self, part_size: PartSize) -> Result<Checksum, S3Error> {
        let plan = PartPlan::new(self.head.size, part_size, self.link.store.max_memory())?;
        (self.link.events)(Event::Started {
            uri: self.uri.clone(),
            path: None,
            size: Some(self.head.size),
            parts: Some(plan.n_parts()),
        });
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

    async fn part(&self, part: Part) -> Result<(u32, Sum), S3Error> {
        let etag = self.head.etag.as_deref();
        let buffer = self.link.get_range(self.uri, etag, (part.offset, part.size)).await?;
        let (algorithm, file) = (self.algorithm, self.file.clone());
        let sum = blocking(move || {
            if let Some(file) = file {
                file.write_all_at(buffer.as_ref(), part.offset)?;
            }
            Ok::<_, std::io::Error>(Sum::of(algorithm, buffer.as_ref()))
        })
        .await
        .at(&self.uri.key, "write")?;
        Ok((part.number, sum))
    }
}
