//! The summary of an upload.

use std::time::Duration;

use super::{confirm::PutResult, options::PutOptions};
use crate::s3::{
    error::operation::S3Error,
    object::{
        event::{ObjectSummary, Outcome},
        proof::{Proof, UploadedObject},
        uri::S3Uri,
    },
};

pub(crate) fn summarize(
    uri: &S3Uri,
    options: &PutOptions,
    (sent, put_result): (UploadedObject, PutResult),
    elapsed: Duration,
) -> Result<ObjectSummary, S3Error> {
    let required = options.require_proof;
    let Some(proof) = put_result.proof.filter(|&proof| proof >= required) else {
        let reached = put_result.proof.map_or("nothing", Proof::name);
        return Err(S3Error::ProofTooWeak { uri: uri.clone(), reached, required });
    };
    let stored = put_result.outcome == Outcome::Stored;
    let (n_sent, n_copied) = if stored { (sent.n_sent(), sent.n_copied()) } else { (0, 0) };
    Ok(ObjectSummary {
        uri: uri.clone(),
        outcome: put_result.outcome,
        size: sent.size,
        checksum: sent.checksum,
        proof,
        version_id: put_result.version_id,
        lacks: put_result.lacks,
        parts: u32::try_from(sent.parts.len()).unwrap_or(u32::MAX).max(u32::from(stored)),
        bytes_sent: n_sent,
        bytes_copied: n_copied,
        attempts: sent.parts.iter().map(|part| part.attempts).sum(),
        elapsed,
    })
}
