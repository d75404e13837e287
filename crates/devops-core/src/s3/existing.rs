//! What is there already under a key.

use super::{
    S3Error, blocking,
    checksum::{self, Checksum},
    condition::Condition,
    event::Outcome,
    failure::Trouble,
    link::Link,
    plan::{Part, PartPlan, PartSize},
    proof::{Proof, Sent},
    put::{PutOptions, Replace},
    reads::ObjectHead,
    settle::Settled,
    source::OpenFile,
    uri::S3Uri,
};
use crate::units::ByteSize;

/// Sizes of parts, in MiB, that other tools cut objects in; 8 is ours, too.
const USUAL_PARTS: [u64; 7] = [5, 10, 15, 16, 50, 64, 100];

/// What has a key, as seen by someone who wants to put a file there.
pub(crate) enum There {
    /// The same content.
    Same(Sent, Settled),
    /// Something else or nothing, and what a write has to demand so that this is still so.
    Other(Condition),
}

/// Looks what has the key; fails when it is other content that is not to be replaced.
pub(crate) async fn look(
    link: Link<'_>,
    uri: &S3Uri,
    file: &OpenFile,
    options: &PutOptions,
) -> Result<There, S3Error> {
    match options.known_condition() {
        // What a listing said before counts only with a write that demands it.
        Some(condition) if condition == Condition::None || link.store.knows_conditions() => {
            return Ok(There::Other(condition));
        }
        _ => {}
    }
    let head = match link.head(uri).await {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(There::Other(Condition::Free)),
        // Who may write need not be allowed to read; the write's own condition has to do, if there is one.
        Err(failure)
            if failure.trouble == Trouble::Denied
                && options.replace == Replace::Refuse
                && link.store.knows_conditions() =>
        {
            return Ok(There::Other(Condition::Free));
        }
        Err(failure) => return Err(failure.into()),
    };
    match same_content(link, &head, file).await? {
        Some(proof) => Ok(same(head, proof)),
        None if options.replace == Replace::Refuse => Err(S3Error::Exists(uri.clone())),
        None => Ok(There::Other(head.etag.map_or(Condition::None, Condition::Is))),
    }
}

fn same(head: ObjectHead, proof: Proof) -> There {
    let version_id = head.version_id.clone();
    let settled = Settled { outcome: Outcome::Unchanged, proof: Some(proof), version_id };
    There::Same(Sent::there_already(head), settled)
}

/// Returns how well it is known that the object is the file, or nothing if it is another or nobody knows.
pub(crate) async fn same_content(
    link: Link<'_>,
    head: &ObjectHead,
    file: &OpenFile,
) -> Result<Option<Proof>, S3Error> {
    if head.size != file.size() {
        return Ok(None);
    }
    let proof = match (head.checksum.clone().filter(Checksum::is_full), &head.etag) {
        (Some(theirs), _) => {
            let (path, cancel) = (file.path().to_owned(), link.stop.cancel().clone());
            let ours =
                blocking(move || checksum::of_file(&path, theirs.algorithm, &cancel)).await?;
            (ours.checksum() == theirs).then_some(Proof::Full)
        }
        (None, Some(etag)) => has_etag(link, file, etag).await?.then_some(Proof::Etag),
        (None, None) => None,
    };
    link.stop.check()?;
    Ok(proof)
}

/// Returns whether the `ETag` is the MD5 of the file, or of its parts where they are of a usual size.
pub(crate) async fn has_etag(link: Link<'_>, file: &OpenFile, etag: &str) -> Result<bool, S3Error> {
    if checksum::is_md5(etag) {
        let whole = Part { number: 1, offset: 0, size: file.size() };
        return Ok(checksum::hex(&file.md5(whole, link.stop).await?) == etag);
    }
    let count = etag.rsplit_once('-').and_then(|(_, count)| count.parse().ok());
    for plan in count.map(|count| usual_plans(file.size(), count)).unwrap_or_default() {
        let mut md5s = Vec::new();
        for part in plan.parts() {
            md5s.push(file.md5(part, link.stop).await?);
        }
        if checksum::multipart_etag(&md5s) == etag {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the usual ways to cut `size` bytes in so many parts.
fn usual_plans(size: u64, n_parts: u32) -> Vec<PartPlan> {
    let exactly = USUAL_PARTS.map(|mib| PartSize::Exactly(ByteSize::mib(mib)));
    let plans = [PartSize::Auto].into_iter().chain(exactly);
    let mut plans: Vec<_> = plans
        .filter_map(|part_size| PartPlan::new(size, part_size, ByteSize(u64::MAX)).ok())
        .filter(|plan| plan.n_parts() == n_parts)
        .collect();
    plans.sort_by_key(|plan| plan.part_size());
    plans.dedup();
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_cut_as_its_tag_counts() {
        let sizes = |size: ByteSize, n_parts| {
            usual_plans(size.0, n_parts)
                .iter()
                .map(|plan| plan.part_size() >> 20)
                .collect::<Vec<_>>()
        };

        assert_eq!(sizes(ByteSize::mib(40), 5), [8]);
        assert_eq!(sizes(ByteSize::mib(30), 3), [10]);
        assert_eq!(sizes(ByteSize::mib(30), 2), [15, 16]);
        assert_eq!(sizes(ByteSize::mib(30), 7), [0_u64; 0]);
    }
}
