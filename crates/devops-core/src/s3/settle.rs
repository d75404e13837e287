//! What became of a write: confirms it, or finds out when the answer was lost.

use super::{
    S3Error,
    event::Outcome,
    failure::{CallFailure, Trouble},
    link::Link,
    proof::{Proof, Sent, Verdict},
    reads::ObjectHead,
    requests::Answer,
    text::StoreText,
    uri::S3Uri,
};

/// An object that is there, with how well the store confirms it.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    pub(crate) proof: Option<Proof>,
    pub(crate) version_id: Option<StoreText>,
}

/// Judges the answer to a successful write; asks again where it does not prove the whole.
pub(crate) async fn confirm(
    link: &Link<'_>,
    uri: &S3Uri,
    Write { id, sent, .. }: Write<'_>,
    answer: &Answer,
) -> Result<Settled, S3Error> {
    let version_id = answer.version_id.clone();
    let stored = |proof| Settled { outcome: Outcome::Stored, proof, version_id };
    let etag = answer.etag.as_deref().filter(|_| link.store.etag_may_prove());
    let known = match sent.judge_answer(answer.checksum.as_ref(), etag) {
        Verdict::Different { expected, found } => return Err(mismatch(uri, expected, found)),
        Verdict::Proven(Proof::Full) => return Ok(stored(Some(Proof::Full))),
        Verdict::Proven(proof) => Some(proof),
        Verdict::Nothing => None,
    };
    let head = match link.head(uri).await {
        Ok(head) => head,
        // Who may write need not be allowed to read.
        Err(failure) if failure.trouble == Trouble::Denied => return Ok(stored(known)),
        // The answer to the write itself has proven something; a signal ends the rest all the same.
        Err(failure) => match (known, &failure.trouble) {
            (None, _) | (_, Trouble::Interrupted(_)) => return Err(uncertain(uri, None, failure)),
            (Some(_), _) => return Ok(stored(known)),
        },
    };
    let Some(head) = head else {
        // Removed since, or a store that does not yet know what it took: nobody can say that it is there.
        let message = "the store does not have what it has just taken";
        let failure = CallFailure::local("HeadObject", Trouble::NoObject, message);
        return Err(uncertain(uri, None, failure));
    };
    let is_replaced = is_of_another(&head, id, answer);
    match sent.judge_head(&trusted(link, head)) {
        // Another writer was there right after; that says nothing of what was written here.
        Verdict::Different { .. } if is_replaced => Ok(stored(known)),
        Verdict::Different { expected, found } => Err(mismatch(uri, expected, found)),
        Verdict::Proven(proof) => Ok(stored(known.max(Some(proof)))),
        Verdict::Nothing => Ok(stored(known)),
    }
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
            Ok(Settled { outcome, proof: Some(proof), version_id: head.version_id })
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
pub(crate) async fn find_ours(link: &Link<'_>, uri: &S3Uri, write: Write<'_>) -> Option<Settled> {
    let head = link.head(uri).await.ok()??;
    let head = trusted(link, head);
    match write.sent.judge_head(&head) {
        Verdict::Proven(proof) if head.id.as_deref() == Some(write.id) => Some(Settled {
            outcome: Outcome::Stored,
            proof: Some(proof),
            version_id: head.version_id,
        }),
        _ => None,
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
    head.etag = head.etag.filter(|_| link.store.etag_may_prove());
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
