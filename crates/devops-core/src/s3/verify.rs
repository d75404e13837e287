//! Compares files with objects.

use std::path::Path;

use super::{
    S3Error, blocking,
    checksum::{self, Algorithm},
    existing::same_content,
    failure::Trouble,
    fetch::Fetch,
    get::head_of_existing,
    link::Link,
    plan::PartSize,
    proof::Proof,
    source::OpenFile,
    uri::S3Uri,
};

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// File and object are the same, as far as this proof goes.
    Same {
        /// How many bytes both have.
        size: u64,
        /// How well it is known.
        proof: Proof,
    },
    /// They differ.
    Different(String),
    /// There is no such object in the bucket.
    Missing,
}

/// Compares the file at `path` with an object: by what the store says of it, or, `deep`, byte by byte.
pub async fn verify(
    link: Link<'_>,
    path: &Path,
    uri: &S3Uri,
    deep: bool,
) -> Result<Verification, S3Error> {
    let file = OpenFile::open(path).await?;
    let head = match head_of_existing(link, uri).await {
        Err(S3Error::Call(failure)) if failure.trouble == Trouble::NoObject => {
            return Ok(Verification::Missing);
        }
        other => other?,
    };
    let size = file.size();
    if head.size != size {
        let sizes = format!("{size} bytes here, {} in the store", head.size);
        return Ok(Verification::Different(sizes));
    }
    let proof = if deep {
        let algorithm = Algorithm::default();
        let fetch = Fetch::new(link, uri, &head, algorithm);
        let theirs = fetch.run(PartSize::Auto).await?;
        let (path, cancel) = (path.to_owned(), link.stop.cancel().clone());
        let ours = blocking(move || checksum::of_file(&path, algorithm, &cancel)).await?;
        link.stop.check()?;
        (ours.checksum() == theirs).then_some(Proof::Full)
    } else {
        let comparable = head.checksum.as_ref().is_some_and(checksum::Checksum::is_full);
        let same = same_content(link, &head, &file).await?;
        // Without a checksum of the whole there is nothing to contradict; an ETag may be anything.
        same.or((!comparable).then_some(Proof::Size))
    };
    file.check_unchanged()?;
    Ok(match proof {
        Some(proof) => Verification::Same { size, proof },
        None => Verification::Different("the contents differ".to_owned()),
    })
}
