//! Fetches objects, several ranges at a time, and checks what came.

use std::{os::unix::fs::FileExt, time::Instant};

use futures_util::future::LocalBoxFuture;

use super::{
    fetch::Fetch,
    options::{GetOptions, GetSummary},
    output_file::DownloadTarget,
    partial_file::remove_leftovers,
};
use crate::fs::{Destination, IfExists, IoResultExt, PathError};
use crate::s3::{
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{
        attributes::Attributes,
        checksum::{Algorithm, Checksum, Sum},
        event::Event,
        proof::Proof,
        protection::Left,
        response::{ListedObject, ObjectHead},
        uri::S3Uri,
    },
    plan::range_plan::plan_ranges,
    request::{
        bucket::missing,
        compare::{Comparison, compare, same_content},
        context::S3Context,
        source_file::OpenFile,
    },
    store::blocking::blocking,
};

/// The plan of a get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetPreview {
    /// The number of bytes the object has.
    pub size: u64,
    /// The file that exists already.
    pub file: Existing,
}

/// The state of the local file before a get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing.
    Nothing,
    /// The same content.
    Same(Proof),
    /// Something else, which may be replaced.
    Other,
}

/// Fetches an object to `target`, where it appears whole and checked or not at all.
///
/// A file with the same content stays. If a get in several ranges is interrupted, the fetched bytes
/// are kept beside the file, and the next get of the same object resumes with them.
pub fn get<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    target: &'a Destination,
    options: GetOptions,
) -> LocalBoxFuture<'a, Result<GetSummary, S3Error>> {
    Box::pin(async move {
        let begun = Instant::now();
        let head = head_of_existing(context, uri).await?;
        let existing = existing(context, (uri, &head), target, options.replace).await?;
        let (is_unchanged, checksum, proof) = match existing {
            Existing::Same(proof) => (true, head.checksum.clone(), proof),
            Existing::Nothing | Existing::Other => {
                let (checksum, proof) = fetch(context, (uri, &head), target, options).await?;
                (false, Some(checksum), proof)
            }
        };
        let checksum = checksum.filter(Checksum::is_full);
        let (uri, path, elapsed) = (uri.clone(), target.path().to_owned(), begun.elapsed());
        Ok(GetSummary { uri, path, is_unchanged, size: head.size, checksum, proof, elapsed })
    })
}

/// Fetches an object that a listing told of with one request, if it is small; the name of `target` is
/// free.
///
/// Returns nothing where it takes more, because it is large or has changed since.
pub(crate) async fn get_listed(
    context: S3Context<'_>,
    object: &ListedObject,
    target: &Destination,
    options: GetOptions,
) -> Result<Option<GetSummary>, S3Error> {
    let begun = Instant::now();
    let plan = plan_ranges(object.size, options.part_size, context.store.max_memory())?;
    let Some(etag) = object.etag.as_deref().filter(|_| plan.is_single()) else {
        return Ok(None);
    };
    let (uri, size) = (&object.uri, object.size);
    (context.events)(Event::Started {
        uri: uri.clone(),
        path: None,
        size: Some(size),
        parts: Some(1),
    });
    let (head, buffer) = match context.get_whole(uri, Some(etag), size).await {
        Err(failure) if failure.error_kind == RequestErrorKind::Conflict => return Ok(None),
        Err(failure) if failure.error_kind == RequestErrorKind::NoObject => {
            return Err(missing(context, uri).await.into());
        }
        fetched => fetched?,
    };
    let head = encrypted_as_asked(context, uri, head)?;
    let algorithm = algorithm_for(&head);
    let target_file =
        DownloadTarget::open(context, (uri, &head), target, (algorithm, plan)).await?;
    let (file, temp_path) = target_file.file_and_path();
    let land = move || {
        file.write_all_at(buffer.as_ref(), 0).at(temp_path, "write")?;
        Ok::<_, PathError>(Sum::of(algorithm, buffer.as_ref()))
    };
    let sum = context.cancel_token.run_blocking_cancellable(land).await??;
    let checksum = sum.checksum();
    let proof = check(context, uri, &head, &checksum, &target_file).await?;
    context.cancel_token.check()?;
    target_file.commit(options, head.preserved, None).await?;
    let (uri, path, elapsed) = (uri.clone(), target.path().to_owned(), begun.elapsed());
    let (is_unchanged, checksum) = (false, Some(checksum));
    Ok(Some(GetSummary { uri, path, is_unchanged, size, checksum, proof, elapsed }))
}

/// Returns what [`get`] would do, without doing it.
pub fn preview_get<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    target: &'a Destination,
    options: GetOptions,
) -> LocalBoxFuture<'a, Result<GetPreview, S3Error>> {
    Box::pin(async move {
        let head = head_of_existing(context, uri).await?;
        let file = existing(context, (uri, &head), target, options.replace).await?;
        Ok(GetPreview { size: head.size, file })
    })
}

/// Returns what [`get_stream`](crate::s3::get_stream()) would do, without doing it.
pub fn preview_stream<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
) -> LocalBoxFuture<'a, Result<GetPreview, S3Error>> {
    Box::pin(async move {
        let head = head_of_existing(context, uri).await?;
        Ok(GetPreview { size: head.size, file: Existing::Nothing })
    })
}

/// Looks what is there already; fails when it is something else that has to stay.
async fn existing(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    target: &Destination,
    replace: IfExists,
) -> Result<Existing, S3Error> {
    let Some(size) = target.size()? else { return Ok(Existing::Nothing) };
    if size == head.size
        && let Ok(file) = OpenFile::open_at(target, context.cancel_token).await
        && let Some(proof) = same_content(context, (uri, head), &file).await?
    {
        file.check_unchanged()?;
        let target = target.clone();
        blocking(move || remove_leftovers(&target)).await;
        return Ok(Existing::Same(proof));
    }
    // What a signal kept from being compared is not called another.
    context.cancel_token.check()?;
    if replace == IfExists::Fail {
        let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        let path = target.path().to_owned();
        return Err(PathError { action: "create", path, source: exists }.into());
    }
    Ok(Existing::Other)
}

async fn fetch(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    target: &Destination,
    options: GetOptions,
) -> Result<(Checksum, Proof), S3Error> {
    let algorithm = algorithm_for(head);
    let mut fetch = Fetch::new(context, uri, head, algorithm);
    let plan = fetch.plan(options.part_size)?;
    let target_file = DownloadTarget::open(context, (uri, head), target, (algorithm, plan)).await?;
    fetch.download_to(&target_file);
    let fetched = async {
        let checksum = fetch.run(target_file.part_size().unwrap_or(options.part_size)).await?;
        let proof = check(context, uri, head, &checksum, &target_file).await?;
        context.cancel_token.check()?;
        Ok((checksum, proof))
    };
    match fetched.await {
        Ok(done) => {
            let (path, size) = (target_file.path().to_owned(), fetch.bytes_written());
            let committed = target_file.commit(options, head.preserved, target.mode()?).await;
            if committed.is_err() && path.exists() {
                (context.events)(Event::PartialKept { path, size });
            }
            Ok(committed.map(|()| done)?)
        }
        Err(error) => {
            if let Some((path, size)) = target_file.end(&error, fetch.bytes_written()).await {
                (context.events)(Event::PartialKept { path, size });
            }
            Err(error)
        }
    }
}

/// Returns which checksum to compute while bytes come in any order, best the one the store has.
fn algorithm_for(head: &ObjectHead) -> Algorithm {
    match &head.checksum {
        Some(theirs) if theirs.is_full() && theirs.algorithm.combines() => theirs.algorithm,
        _ => Algorithm::default(),
    }
}

/// Compares what came with what the store says of it; reads the file again where it must.
async fn check(
    context: S3Context<'_>,
    uri: &S3Uri,
    head: &ObjectHead,
    ours: &Checksum,
    target_file: &DownloadTarget,
) -> Result<Proof, S3Error> {
    let compared = match &head.checksum {
        Some(theirs) if theirs == ours => Comparison::Same(Proof::Full),
        Some(theirs) if theirs.is_full() && theirs.algorithm == ours.algorithm => {
            Comparison::Different(Vec::new())
        }
        _ => {
            let (file, path) = target_file.file_and_path();
            compare(context, (uri, head), &OpenFile::of(file, &path, context.cancel_token).await?)
                .await?
        }
    };
    context.cancel_token.check()?;
    match compared {
        Comparison::Same(proof) => Ok(proof),
        // Nothing contradicts it.
        Comparison::Doubtful | Comparison::Unknown => Ok(Proof::Size),
        Comparison::Different(_) => Err(not_as_listed(uri, head, &ours.to_string())),
    }
}

/// Says that what came is not what the store says it has.
pub(crate) fn not_as_listed(uri: &S3Uri, head: &ObjectHead, found: &str) -> S3Error {
    let told = head.checksum.as_ref().map(Checksum::to_string);
    let told = told.or_else(|| head.etag.clone()).unwrap_or_default();
    S3Error::Mismatch { uri: uri.clone(), expected: found.to_owned(), found: told }
}

/// Asks for an object and says what is missing when it is not there.
pub(crate) async fn head_of_existing(
    context: S3Context<'_>,
    uri: &S3Uri,
) -> Result<ObjectHead, S3Error> {
    match context.head(uri).await? {
        Some(head) => Ok(encrypted_as_asked(context, uri, head)?),
        None => Err(missing(context, uri).await.into()),
    }
}

/// Fails when a key was given and the object is not encrypted with it: S3 refuses that, and others give it in clear.
fn encrypted_as_asked(
    context: S3Context<'_>,
    uri: &S3Uri,
    head: ObjectHead,
) -> Result<ObjectHead, S3Error> {
    let lacking = context.wanted(&Attributes::default()).lacking(&head.given);
    if lacking.is_empty() {
        return Ok(head);
    }
    Err(S3Error::Unprotected { uri: uri.clone(), features: lacking.into(), left: Left::There })
}
