//! Confirms a write, or determines its outcome after a lost response.

use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        event::Outcome,
        proof::{Proof, ProofResult, UploadedObject},
        protection::{Feature, Lack, Left, Wanted},
        response::{ObjectHead, WriteResponse},
        text::StoreText,
        uri::S3Uri,
    },
    request::{context::S3Context, delete::DeleteTarget},
};

/// An object that is there, with how well the store confirms it.
#[derive(Clone, Debug)]
pub(crate) struct PutResult {
    pub(crate) outcome: Outcome,
    pub(crate) proof: Option<Proof>,
    pub(crate) version_id: Option<StoreText>,
    /// The features that were asked for and are missing or unconfirmed.
    pub(crate) lacks: Vec<Lack>,
}

/// Judges the answer to a successful write; asks again where it does not prove the whole, or does not confirm all
/// that was asked for.
pub(crate) async fn confirm_write(
    context: &S3Context<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    response: &WriteResponse,
) -> Result<PutResult, S3Error> {
    let etag = response.etag.as_deref().filter(|_| context.store.etag_may_prove());
    let etag = etag.filter(|_| !write.wanted.hides_md5(&response.given));
    let checksum = response.checksum.as_ref().filter(|_| context.store.checksums_prove());
    let known = match write.sent.compare_with_response(checksum, etag) {
        ProofResult::Different { expected, found } => return Err(mismatch(uri, expected, found)),
        ProofResult::Proven(proof) => Some(proof),
        ProofResult::Nothing => None,
    };
    let not_confirmed = write.wanted.lacking(&response.given);
    let version_id = response.version_id.clone();
    let put_result =
        PutResult { outcome: Outcome::Stored, proof: known, version_id, lacks: Vec::new() };
    if known == Some(Proof::Full) && not_confirmed.is_empty() {
        return Ok(put_result);
    }
    let unconfirmed = || not_confirmed.iter().copied().map(Lack::not_confirmed).collect();
    let put_result = match context.head(uri).await {
        Ok(Some(head)) if is_of_another(&head, write.upload_token, response) => {
            let proof = by_head(uri, write, known, &trusted(context, head), true)?;
            PutResult { proof, lacks: unconfirmed(), ..put_result }
        }
        Ok(Some(head)) => {
            let mut lacking = write.wanted.lacking(&head.given);
            lacking.retain(|feature| not_confirmed.contains(feature));
            let target = DeleteTarget { uri: uri.clone(), version_id: response.version_id.clone() };
            let lacks = context.certain(&target, &write.wanted, lacking).await;
            let proof = by_head(uri, write, known, &trusted(context, head), false)?;
            PutResult { proof, lacks, ..put_result }
        }
        // It was removed since, or the store is eventually consistent: the outcome is unknown.
        Ok(None) => {
            let message = "the store does not have what it has just taken";
            let failure = RequestError::local("HeadObject", RequestErrorKind::NoObject, message);
            return Err(uncertain(uri, None, failure));
        }
        // Who may write need not be allowed to read.
        Err(failure) if failure.error_kind == RequestErrorKind::Denied => {
            PutResult { lacks: unconfirmed(), ..put_result }
        }
        // The answer to the write itself has proven something; a signal ends the rest all the same.
        Err(failure) => match (known, &failure.error_kind) {
            (None, _) | (_, RequestErrorKind::Interrupted(_)) => {
                return Err(uncertain(uri, None, failure));
            }
            (Some(_), _) => PutResult { lacks: unconfirmed(), ..put_result },
        },
    };
    protected(context, uri, write, response.etag.as_deref(), put_result).await
}

/// Adds to a proof what HEAD says; of another writer's object it says nothing.
fn by_head(
    uri: &S3Uri,
    write: Write<'_>,
    known: Option<Proof>,
    head: &ObjectHead,
    is_replaced: bool,
) -> Result<Option<Proof>, S3Error> {
    match write.sent.compare_with_head(head) {
        ProofResult::Different { .. } if is_replaced => Ok(known),
        ProofResult::Different { expected, found } => Err(mismatch(uri, expected, found)),
        ProofResult::Proven(proof) => Ok(known.max(Some(proof))),
        ProofResult::Nothing => Ok(known),
    }
}

/// Fails when an object is surely not protected as asked; what this run has put there in clear is removed.
async fn protected(
    context: &S3Context<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    etag: Option<&str>,
    put_result: PutResult,
) -> Result<PutResult, S3Error> {
    let certain = put_result.lacks.iter().filter(|lack| lack.is_certain);
    let features: Vec<_> =
        certain.map(|lack| lack.feature).filter(|feature| feature.is_protection()).collect();
    if features.is_empty() {
        return Ok(put_result);
    }
    let is_in_clear = features.iter().any(|feature| feature.is_encryption());
    let left = match put_result.outcome {
        Outcome::Unchanged => Left::Before,
        Outcome::Stored if is_in_clear && write.is_new => {
            let target = DeleteTarget { uri: uri.clone(), version_id: put_result.version_id };
            context.withdraw(&target, write.upload_token, etag).await
        }
        // To remove it would not bring back what it has replaced.
        Outcome::Stored => Left::There,
    };
    Err(S3Error::Unprotected { uri: uri.clone(), features: features.into(), left })
}

/// Fails when what HEAD tells of an object is not protected as asked.
pub(crate) async fn protected_by_head(
    context: &S3Context<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    put_result: PutResult,
    head: &ObjectHead,
) -> Result<PutResult, S3Error> {
    let target = DeleteTarget { uri: uri.clone(), version_id: put_result.version_id.clone() };
    let mut lacking = write.wanted.lacking(&head.given);
    if put_result.outcome == Outcome::Unchanged {
        // It keeps what it was stored with, a lock of another time included.
        let has_lock = head.given.lock.is_some();
        lacking.retain(|it| it.is_protection() && !(*it == Feature::Lock && has_lock));
    }
    let lacks = context.certain(&target, &write.wanted, lacking).await;
    protected(context, uri, write, head.etag.as_deref(), PutResult { lacks, ..put_result }).await
}

/// Resolves an ambiguous write: the object may or may not be stored.
///
/// The object is ours when it bears the token of this upload and is what was sent; the same content
/// under another mark was there before.
pub(crate) async fn resolve_lost_response(
    context: &S3Context<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    failure: RequestError,
) -> Result<PutResult, S3Error> {
    let head = match context.head(uri).await {
        Ok(Some(head)) => head,
        // A single write that left nothing did not happen; a completion may still be at work.
        Ok(None) if write.upload_id.is_none() && !is_contradicted(&failure) => {
            return Err(failure.into());
        }
        Err(_) if is_taken(&failure) => return Err(S3Error::Exists(uri.clone())),
        Ok(None) | Err(_) => return Err(uncertain(uri, write.upload_id, failure)),
    };
    let ours = head.id.as_deref() == Some(write.upload_token);
    let head = trusted(context, head);
    match write.sent.compare_with_head(&head) {
        ProofResult::Proven(proof) if ours || proof == Proof::Full => {
            let outcome = if ours { Outcome::Stored } else { Outcome::Unchanged };
            let (proof, version_id) = (Some(proof), head.version_id.clone());
            let put_result = PutResult { outcome, proof, version_id, lacks: Vec::new() };
            protected_by_head(context, uri, write, put_result, &head).await
        }
        ProofResult::Different { expected, found } if ours => Err(mismatch(uri, expected, found)),
        ProofResult::Different { .. } if failure.error_kind == RequestErrorKind::Exists => {
            Err(S3Error::Exists(uri.clone()))
        }
        _ if is_taken(&failure) => Err(S3Error::Exists(uri.clone())),
        _ => Err(uncertain(uri, write.upload_id, failure)),
    }
}

/// Returns what a write has left, if that is surely its own.
pub(crate) async fn find_ours(
    context: &S3Context<'_>,
    uri: &S3Uri,
    write: Write<'_>,
) -> Result<Option<PutResult>, S3Error> {
    let Some(head) = context.head(uri).await.ok().flatten() else { return Ok(None) };
    let head = trusted(context, head);
    match write.sent.compare_with_head(&head) {
        ProofResult::Proven(proof) if head.id.as_deref() == Some(write.upload_token) => {
            let (outcome, proof) = (Outcome::Stored, Some(proof));
            let version_id = head.version_id.clone();
            let put_result = PutResult { outcome, proof, version_id, lacks: Vec::new() };
            protected_by_head(context, uri, write, put_result, &head).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns whether this is not the object that the answer to a write with this mark told of.
fn is_of_another(head: &ObjectHead, upload_token: &str, response: &WriteResponse) -> bool {
    fn differ<T: PartialEq>(theirs: Option<&T>, ours: Option<&T>) -> bool {
        theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours)
    }
    head.id.as_ref().is_some_and(|theirs| theirs != upload_token)
        || differ(head.version_id.as_ref(), response.version_id.as_ref())
        || differ(head.etag.as_ref(), response.etag.as_ref())
}

/// Leaves out what the store only pretends to prove.
fn trusted(context: &S3Context<'_>, mut head: ObjectHead) -> ObjectHead {
    head.etag = head.etag.filter(|_| context.store.etag_may_prove() && !head.etag_is_opaque);
    head
}

/// Returns whether the store says that the key is taken, perhaps by what an earlier attempt put there.
fn is_contradicted(failure: &RequestError) -> bool {
    failure.error_kind == RequestErrorKind::Exists && failure.is_after_lost_response
}

/// Returns whether something else has the key, and not what an earlier attempt may have put there.
fn is_taken(failure: &RequestError) -> bool {
    failure.error_kind == RequestErrorKind::Exists && !failure.is_after_lost_response
}

/// A write whose end is open.
#[derive(Clone, Copy)]
pub(crate) struct Write<'a> {
    pub(crate) upload_token: &'a str,
    pub(crate) sent: &'a UploadedObject,
    pub(crate) upload_id: Option<&'a StoreText>,
    pub(crate) wanted: Wanted<'a>,
    /// Is set if nothing had the key before.
    pub(crate) is_new: bool,
}

fn mismatch(uri: &S3Uri, expected: String, found: String) -> S3Error {
    S3Error::Mismatch { uri: uri.clone(), expected, found }
}

fn uncertain(uri: &S3Uri, upload_id: Option<&StoreText>, failure: RequestError) -> S3Error {
    if let RequestErrorKind::Interrupted(cancelled) = failure.error_kind {
        return S3Error::Cancelled(cancelled);
    }
    S3Error::Uncertain {
        uri: uri.clone(),
        upload_id: upload_id.cloned().unwrap_or_else(|| "none".into()),
        source: Box::new(failure),
    }
}
