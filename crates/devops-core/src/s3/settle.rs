//! What became of a write: confirms it, or finds out when the answer was lost.

use super::{
    delete::DeleteTarget,
    error::S3Error,
    event::Outcome,
    failure::{CallFailure, Trouble},
    link::Link,
    proof::{Proof, Sent, Verdict},
    protection::{Feature, Lack, Left, Wanted},
    response::{Answer, ObjectHead},
    text::StoreText,
    uri::S3Uri,
};

/// An object that is there, with how well the store confirms it.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    pub(crate) proof: Option<Proof>,
    pub(crate) version_id: Option<StoreText>,
    /// What was asked for, and is not there or cannot be confirmed.
    pub(crate) lacks: Vec<Lack>,
}

/// Judges the answer to a successful write; asks again where it does not prove the whole, or does not confirm all
/// that was asked for.
pub(crate) async fn confirm(
    link: &Link<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    answer: &Answer,
) -> Result<Settled, S3Error> {
    let etag = answer.etag.as_deref().filter(|_| link.store.etag_may_prove());
    let etag = etag.filter(|_| !write.wanted.hides_md5(&answer.given));
    let checksum = answer.checksum.as_ref().filter(|_| link.store.checksums_prove());
    let known = match write.sent.judge_answer(checksum, etag) {
        Verdict::Different { expected, found } => return Err(mismatch(uri, expected, found)),
        Verdict::Proven(proof) => Some(proof),
        Verdict::Nothing => None,
    };
    let untold = write.wanted.lacking(&answer.given);
    let version_id = answer.version_id.clone();
    let settled = Settled { outcome: Outcome::Stored, proof: known, version_id, lacks: Vec::new() };
    if known == Some(Proof::Full) && untold.is_empty() {
        return Ok(settled);
    }
    let unconfirmed = || untold.iter().copied().map(Lack::untold).collect();
    let settled = match link.head(uri).await {
        Ok(Some(head)) if is_of_another(&head, write.id, answer) => {
            let proof = by_head(uri, write, known, &trusted(link, head), true)?;
            Settled { proof, lacks: unconfirmed(), ..settled }
        }
        Ok(Some(head)) => {
            let mut lacking = write.wanted.lacking(&head.given);
            lacking.retain(|feature| untold.contains(feature));
            let target = DeleteTarget { uri: uri.clone(), version_id: answer.version_id.clone() };
            let lacks = link.certain(&target, &write.wanted, lacking).await;
            let proof = by_head(uri, write, known, &trusted(link, head), false)?;
            Settled { proof, lacks, ..settled }
        }
        // It was removed since, or the store is eventually consistent: the outcome is unknown.
        Ok(None) => {
            let message = "the store does not have what it has just taken";
            let failure = CallFailure::local("HeadObject", Trouble::NoObject, message);
            return Err(uncertain(uri, None, failure));
        }
        // Who may write need not be allowed to read.
        Err(failure) if failure.trouble == Trouble::Denied => {
            Settled { lacks: unconfirmed(), ..settled }
        }
        // The answer to the write itself has proven something; a signal ends the rest all the same.
        Err(failure) => match (known, &failure.trouble) {
            (None, _) | (_, Trouble::Interrupted(_)) => return Err(uncertain(uri, None, failure)),
            (Some(_), _) => Settled { lacks: unconfirmed(), ..settled },
        },
    };
    protected(link, uri, write, answer.etag.as_deref(), settled).await
}

/// Adds to a proof what HEAD says; of another writer's object it says nothing.
fn by_head(
    uri: &S3Uri,
    write: Write<'_>,
    known: Option<Proof>,
    head: &ObjectHead,
    is_replaced: bool,
) -> Result<Option<Proof>, S3Error> {
    match write.sent.judge_head(head) {
        Verdict::Different { .. } if is_replaced => Ok(known),
        Verdict::Different { expected, found } => Err(mismatch(uri, expected, found)),
        Verdict::Proven(proof) => Ok(known.max(Some(proof))),
        Verdict::Nothing => Ok(known),
    }
}

/// Fails when an object is surely not protected as asked; what this run has put there in clear is removed.
async fn protected(
    link: &Link<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    etag: Option<&str>,
    settled: Settled,
) -> Result<Settled, S3Error> {
    let certain = settled.lacks.iter().filter(|lack| lack.is_certain);
    let features: Vec<_> =
        certain.map(|lack| lack.feature).filter(|feature| feature.is_protection()).collect();
    if features.is_empty() {
        return Ok(settled);
    }
    let is_in_clear = features.iter().any(|feature| feature.is_encryption());
    let left = match settled.outcome {
        Outcome::Unchanged => Left::Before,
        Outcome::Stored if is_in_clear && write.is_new => {
            let target = DeleteTarget { uri: uri.clone(), version_id: settled.version_id };
            link.withdraw(&target, write.id, etag).await
        }
        // To remove it would not bring back what it has replaced.
        Outcome::Stored => Left::There,
    };
    Err(S3Error::Unprotected { uri: uri.clone(), features: features.into(), left })
}

/// Fails when what HEAD tells of an object is not protected as asked.
pub(crate) async fn protected_by_head(
    link: &Link<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    settled: Settled,
    head: &ObjectHead,
) -> Result<Settled, S3Error> {
    let target = DeleteTarget { uri: uri.clone(), version_id: settled.version_id.clone() };
    let mut lacking = write.wanted.lacking(&head.given);
    if settled.outcome == Outcome::Unchanged {
        // It keeps what it was stored with, a lock of another time included.
        let has_lock = head.given.lock.is_some();
        lacking.retain(|it| it.is_protection() && !(*it == Feature::Lock && has_lock));
    }
    let lacks = link.certain(&target, &write.wanted, lacking).await;
    protected(link, uri, write, head.etag.as_deref(), Settled { lacks, ..settled }).await
}

/// Finds out what became of a write that failed in a way that leaves it open.
///
/// The object is ours when it bears the mark of this upload and is what was sent; the same content
/// under another mark was there before.
pub(crate) async fn resolve(
    link: &Link<'_>,
    uri: &S3Uri,
    write: Write<'_>,
    failure: CallFailure,
) -> Result<Settled, S3Error> {
    let head = match link.head(uri).await {
        Ok(Some(head)) => head,
        // A single write that left nothing did not happen; a completion may still be at work.
        Ok(None) if write.upload_id.is_none() && !is_contradicted(&failure) => {
            return Err(failure.into());
        }
        Err(_) if is_taken(&failure) => return Err(S3Error::Exists(uri.clone())),
        Ok(None) | Err(_) => return Err(uncertain(uri, write.upload_id, failure)),
    };
    let ours = head.id.as_deref() == Some(write.id);
    let head = trusted(link, head);
    match write.sent.judge_head(&head) {
        Verdict::Proven(proof) if ours || proof == Proof::Full => {
            let outcome = if ours { Outcome::Stored } else { Outcome::Unchanged };
            let (proof, version_id) = (Some(proof), head.version_id.clone());
            let settled = Settled { outcome, proof, version_id, lacks: Vec::new() };
            protected_by_head(link, uri, write, settled, &head).await
        }
        Verdict::Different { expected, found } if ours => Err(mismatch(uri, expected, found)),
        Verdict::Different { .. } if failure.trouble == Trouble::Exists => {
            Err(S3Error::Exists(uri.clone()))
        }
        _ if is_taken(&failure) => Err(S3Error::Exists(uri.clone())),
        _ => Err(uncertain(uri, write.upload_id, failure)),
    }
}

/// Returns what a write has left, if that is surely its own.
pub(crate) async fn find_ours(
    link: &Link<'_>,
    uri: &S3Uri,
    write: Write<'_>,
) -> Result<Option<Settled>, S3Error> {
    let Some(head) = link.head(uri).await.ok().flatten() else { return Ok(None) };
    let head = trusted(link, head);
    match write.sent.judge_head(&head) {
        Verdict::Proven(proof) if head.id.as_deref() == Some(write.id) => {
            let (outcome, proof) = (Outcome::Stored, Some(proof));
            let version_id = head.version_id.clone();
            let settled = Settled { outcome, proof, version_id, lacks: Vec::new() };
            protected_by_head(link, uri, write, settled, &head).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns whether this is not the object that the answer to a write with this mark told of.
fn is_of_another(head: &ObjectHead, id: &str, answer: &Answer) -> bool {
    fn differ<T: PartialEq>(theirs: Option<&T>, ours: Option<&T>) -> bool {
        theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours)
    }
    head.id.as_ref().is_some_and(|theirs| theirs != id)
        || differ(head.version_id.as_ref(), answer.version_id.as_ref())
        || differ(head.etag.as_ref(), answer.etag.as_ref())
}

/// Leaves out what the store only pretends to prove.
fn trusted(link: &Link<'_>, mut head: ObjectHead) -> ObjectHead {
    head.etag = head.etag.filter(|_| link.store.etag_may_prove() && !head.etag_is_opaque);
    head
}

/// Returns whether the store says that the key is taken, perhaps by what an earlier attempt put there.
fn is_contradicted(failure: &CallFailure) -> bool {
    failure.trouble == Trouble::Exists && failure.is_after_lost_answer
}

/// Returns whether something else has the key, and not what an earlier attempt may have put there.
fn is_taken(failure: &CallFailure) -> bool {
    failure.trouble == Trouble::Exists && !failure.is_after_lost_answer
}

/// A write whose end is open.
#[derive(Clone, Copy)]
pub(crate) struct Write<'a> {
    pub(crate) id: &'a str,
    pub(crate) sent: &'a Sent,
    pub(crate) upload_id: Option<&'a StoreText>,
    pub(crate) wanted: Wanted<'a>,
    /// Whether nothing had the key before.
    pub(crate) is_new: bool,
}

fn mismatch(uri: &S3Uri, expected: String, found: String) -> S3Error {
    S3Error::Mismatch { uri: uri.clone(), expected, found }
}

fn uncertain(uri: &S3Uri, upload_id: Option<&StoreText>, failure: CallFailure) -> S3Error {
    if let Trouble::Interrupted(cancelled) = failure.trouble {
        return S3Error::Cancelled(cancelled);
    }
    S3Error::Uncertain {
        uri: uri.clone(),
        upload_id: upload_id.cloned().unwrap_or_else(|| "none".into()),
        source: Box::new(failure),
    }
}
