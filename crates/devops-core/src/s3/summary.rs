//! The summary of an upload.

use std::time::Duration;

use super::{
    error::S3Error,
    event::{ObjectSummary, Outcome},
    proof::{Proof, Sent},
    put_options::PutOptions,
    settle::Settled,
    uri::S3Uri,
};

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
    let (n_sent, n_copied) = if stored { (sent.n_sent(), sent.n_copied()) } else { (0, 0) };
    Ok(ObjectSummary {
        uri: uri.clone(),
        outcome: settled.outcome,
        size: sent.size,
        checksum: sent.checksum,
        proof,
        version_id: settled.version_id,
        lacks: settled.lacks,
        parts: u32::try_from(sent.parts.len()).unwrap_or(u32::MAX).max(u32::from(stored)),
        bytes_sent: n_sent,
        bytes_copied: n_copied,
        attempts: sent.parts.iter().map(|part| part.attempts).sum(),
        elapsed,
    })
}
