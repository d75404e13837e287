//! How a file compares with an object, found out without fetching it.

use super::{context::S3Context, source_file::OpenFile};
use crate::s3::{
    error::operation::S3Error,
    object::{
        checksum::{self, Checksum, Sum},
        proof::Proof,
        response::ObjectHead,
        uri::S3Uri,
    },
    plan::parts::{Part, PartPlan, PartSize},
};
use crate::units::ByteSize;

/// Sizes of parts, in MiB, that other tools cut objects in.
const USUAL_PARTS: [u64; 8] = [5, 8, 10, 15, 16, 50, 64, 100];

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The object has the bytes of the file, as well as this proves it.
    Same(Proof),
    /// It has others: in these parts, where the store tells of parts.
    Different(Vec<Part>),
    /// Its `ETag` is not that of these bytes cut in a usual way, and the store does not tell how it was cut.
    Doubtful,
    /// The store tells nothing that can be compared.
    Unknown,
}

impl Comparison {
    fn of_parts(differing: Vec<Part>) -> Self {
        if differing.is_empty() { Self::Same(Proof::Parts) } else { Self::Different(differing) }
    }

    pub(crate) fn proof(&self) -> Option<Proof> {
        match self {
            Self::Same(proof) => Some(*proof),
            Self::Different(_) | Self::Doubtful | Self::Unknown => None,
        }
    }
}

/// Returns how well it is known that the object is the file, or nothing if it is another or nobody knows.
pub(crate) async fn same_content(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    file: &OpenFile,
) -> Result<Option<Proof>, S3Error> {
    if head.size != file.size() {
        return Ok(None);
    }
    Ok(compare(context, (uri, head), file).await?.proof())
}

/// Compares by the best that the store tells: a checksum of the whole, those of the parts, or an `ETag`.
///
/// File and object have the same size.
pub(crate) async fn compare(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    file: &OpenFile,
) -> Result<Comparison, S3Error> {
    let found = match &head.checksum {
        Some(theirs) if theirs.is_full() => compare_whole(context, theirs, file).await?,
        Some(theirs) => match compare_parts(context, (uri, head), file).await? {
            Comparison::Unknown => compare_composite(context, (uri, head), file, theirs).await?,
            known => known,
        },
        None => compare_etag(context, (uri, head), file).await?,
    };
    context.cancel_token.check()?;
    Ok(found)
}

async fn compare_whole(
    context: S3Context<'_>,
    theirs: &Checksum,
    file: &OpenFile,
) -> Result<Comparison, S3Error> {
    let ours = file.sum(file.full_range(), theirs.algorithm, context.cancel_token).await?;
    Ok(if ours.checksum() == *theirs {
        Comparison::Same(Proof::Full)
    } else {
        Comparison::Different(Vec::new())
    })
}

/// Compares with what the store tells of every part.
pub(crate) async fn compare_parts(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    file: &OpenFile,
) -> Result<Comparison, S3Error> {
    match context.object_parts(uri, head).await? {
        Some(parts) => Ok(Comparison::of_parts(differing(context, file, &parts).await?)),
        None => Ok(Comparison::Unknown),
    }
}

/// Returns the parts whose bytes in the file have another checksum.
pub(crate) async fn differing(
    context: S3Context<'_>,
    file: &OpenFile,
    parts: &[(Part, Checksum)],
) -> Result<Vec<Part>, S3Error> {
    let mut differing = Vec::new();
    for (part, theirs) in parts {
        let ours = file.sum(*part, theirs.algorithm, context.cancel_token).await?;
        if ours.checksum() != *theirs {
            differing.push(*part);
        }
    }
    Ok(differing)
}

/// Compares with a checksum of checksums, by cutting the file as the object was, or may have been.
async fn compare_composite(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    file: &OpenFile,
    theirs: &Checksum,
) -> Result<Comparison, S3Error> {
    let (plans, are_told) = plans(context, (uri, head), theirs.n_parts()).await?;
    for plan in plans {
        let mut sums = Vec::new();
        for part in plan.parts() {
            sums.push(file.sum(part, theirs.algorithm, context.cancel_token).await?);
        }
        if Sum::composite(&sums).is_some_and(|ours| ours.digits() == theirs.digits()) {
            return Ok(Comparison::Same(Proof::Parts));
        }
    }
    if are_told {
        return Ok(Comparison::Different(Vec::new()));
    }
    compare_etag(context, (uri, head), file).await
}

async fn compare_etag(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    file: &OpenFile,
) -> Result<Comparison, S3Error> {
    let Some(etag) = head.etag.as_ref().filter(|_| context.store.etag_may_prove()) else {
        return Ok(Comparison::Unknown);
    };
    let (is_same, is_cut_told) = if checksum::is_md5(etag) {
        (has_md5(context, file, etag).await?, true)
    } else {
        let n_parts = etag.rsplit_once('-').and_then(|(_, count)| count.parse().ok());
        let (plans, are_told) = plans(context, (uri, head), n_parts).await?;
        if plans.is_empty() {
            return Ok(Comparison::Unknown);
        }
        (has_multipart_etag(context, file, (&plans, etag)).await?, are_told)
    };
    Ok(match is_same {
        true => Comparison::Same(Proof::Etag),
        false if head.etag_is_opaque => Comparison::Unknown,
        false if is_cut_told => Comparison::Different(Vec::new()),
        // The object may have been cut in another way.
        false => Comparison::Doubtful,
    })
}

/// Returns whether this is the MD5 of the MD5s of the file's parts, cut in one of these ways.
async fn has_multipart_etag(
    context: S3Context<'_>,
    file: &OpenFile,
    (plans, etag): (&[PartPlan], &str),
) -> Result<bool, S3Error> {
    for plan in plans {
        let mut md5s = Vec::new();
        for part in plan.parts() {
            md5s.push(file.md5(part, context.cancel_token).await?);
        }
        if checksum::multipart_etag(&md5s) == *etag {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether these hexadecimal digits are the MD5 of the file.
///
/// Where an `ETag` says nothing they are taken for none.
pub(crate) async fn has_md5(
    context: S3Context<'_>,
    file: &OpenFile,
    md5: &str,
) -> Result<bool, S3Error> {
    if !context.store.etag_may_prove() {
        return Ok(false);
    }
    Ok(checksum::hex(&file.md5(file.full_range(), context.cancel_token).await?) == md5)
}

/// Returns how an object may have been cut, and whether the store says so or these are the usual ways.
async fn plans(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    n_parts: Option<u32>,
) -> Result<(Vec<PartPlan>, bool), S3Error> {
    let Some(n_parts) = n_parts.filter(|&n| n > 0) else { return Ok((Vec::new(), false)) };
    Ok(match context.plan_of_object(uri, head, n_parts).await? {
        Some(plan) => (vec![plan], true),
        None => (usual_plans(head.size, n_parts), false),
    })
}

/// Returns the usual ways to cut `size` bytes in so many parts.
fn usual_plans(size: u64, n_parts: u32) -> Vec<PartPlan> {
    let exactly = USUAL_PARTS.map(|mib| PartSize::Exactly(ByteSize::mib(mib)));
    let plans = [PartSize::Auto].into_iter().chain(exactly);
    let mut plans: Vec<_> = plans
        .filter_map(|part_size| PartPlan::of_file(size, part_size).ok())
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
