//! Compares files with objects.

use std::path::Path;

use futures_util::future::LocalBoxFuture;

use crate::s3::{
    download::{fetch::Fetch, get::head_of_existing},
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{checksum::Algorithm, proof::Proof, response::ObjectHead, uri::S3Uri},
    plan::parts::{Part, PartSize},
    request::{
        compare::{Comparison, compare, compare_parts, differing},
        context::S3Context,
        source_file::OpenFile,
    },
};

/// The depth of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The checksum of the whole, or those of the parts where there is none.
    #[default]
    Whole,
    /// The checksums of the parts, or that of the whole where there are none.
    Parts,
    /// Every byte, which is fetched.
    Bytes,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// File and object are the same, as far as this proof goes.
    Same {
        /// The number of bytes both have.
        size: u64,
        /// How well it is known.
        proof: Proof,
    },
    /// They have other sizes.
    OtherSize {
        /// The number of bytes the file has.
        here: u64,
        /// The number of bytes the object has.
        there: u64,
    },
    /// They have the same size, but the object not the `ETag` that most stores give these bytes. Whether
    /// this one does nobody knows: only the bytes tell.
    Doubtful,
    /// They differ, in these parts if it is known where.
    Different(Vec<Part>),
    /// There is no such object in the bucket.
    Missing,
}

/// Compares the file at `path` with an object.
pub fn verify<'a>(
    context: S3Context<'a>,
    path: &'a Path,
    uri: &'a S3Uri,
    depth: Depth,
) -> LocalBoxFuture<'a, Result<Verification, S3Error>> {
    Box::pin(async move {
        let file = OpenFile::open(path, context.cancel_token).await?;
        let head = match head_of_existing(context, uri).await {
            Err(S3Error::Request(failure)) if failure.error_kind == RequestErrorKind::NoObject => {
                return Ok(Verification::Missing);
            }
            other => other?,
        };
        let size = file.size();
        if head.size != size {
            return Ok(Verification::OtherSize { here: size, there: head.size });
        }
        let compared = at_depth(context, (uri, &head), &file, depth).await?;
        context.cancel_token.check()?;
        file.check_unchanged()?;
        Ok(match compared {
            Comparison::Same(proof) => Verification::Same { size, proof },
            // Nothing contradicts it.
            Comparison::Unknown => Verification::Same { size, proof: Proof::Size },
            Comparison::Doubtful => Verification::Doubtful,
            Comparison::Different(parts) => Verification::Different(parts),
        })
    })
}

async fn at_depth(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    file: &OpenFile,
    depth: Depth,
) -> Result<Comparison, S3Error> {
    match depth {
        Depth::Whole => compare(context, (uri, head), file).await,
        Depth::Parts => match compare_parts(context, (uri, head), file).await? {
            Comparison::Unknown => compare(context, (uri, head), file).await,
            known => Ok(known),
        },
        Depth::Bytes => {
            let fetch = Fetch::new(context, uri, head, Algorithm::default());
            let sums = fetch.sums(PartSize::Auto).await?;
            let theirs: Vec<_> =
                sums.into_iter().map(|(part, sum)| (part, sum.checksum())).collect();
            let differing = differing(context, file, &theirs).await?;
            let is_same = differing.is_empty();
            Ok(if is_same {
                Comparison::Same(Proof::Full)
            } else {
                Comparison::Different(differing)
            })
        }
    }
}
