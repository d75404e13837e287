//! What is there already under a key.

use super::{
    S3Error, blocking, checksum,
    event::Outcome,
    failure::Trouble,
    link::Link,
    plan::MIN_PART,
    proof::{Proof, Sent},
    put::{PutOptions, Replace},
    reads::ObjectHead,
    settle::Settled,
    source::OpenFile,
    uri::S3Uri,
};

/// Returns the object when the same content has the key already; fails when other content has it.
pub(crate) async fn unchanged(
    link: Link<'_>,
    uri: &S3Uri,
    file: &OpenFile,
    options: &PutOptions,
) -> Result<Option<(Sent, Settled)>, S3Error> {
    if options.replace == Replace::Overwrite {
        return Ok(None);
    }
    // Only a write that follows at once, under a condition, goes by what a listing said before.
    if file.size() < MIN_PART && link.store.vacant().take(uri) && link.store.knows_conditions() {
        return Ok(None);
    }
    let head = match link.head(uri).await {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(None),
        // Who may write need not be allowed to read; the write's own condition has to do, if there is one.
        Err(failure) if failure.trouble == Trouble::Denied && link.store.knows_conditions() => {
            return Ok(None);
        }
        Err(failure) => return Err(failure.into()),
    };
    let Some(proof) = same_content(link, &head, file).await? else {
        return Err(S3Error::Exists(uri.clone()));
    };
    let version_id = head.version_id.clone();
    let settled = Settled { outcome: Outcome::Unchanged, proof: Some(proof), version_id };
    Ok(Some((Sent::there_already(head), settled)))
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
    let (path, cancel) = (file.path().to_owned(), link.stop.cancel().clone());
    let proof = if let Some(theirs) = head.checksum.clone().filter(checksum::Checksum::is_full) {
        let ours = blocking(move || checksum::of_file(&path, theirs.algorithm, &cancel)).await?;
        (ours.checksum() == theirs).then_some(Proof::Full)
    } else {
        match head.etag.clone().filter(|etag| checksum::is_md5(etag)) {
            Some(theirs) => {
                let ours = blocking(move || checksum::md5_of_file(&path, &cancel)).await?;
                (ours == theirs).then_some(Proof::Etag)
            }
            None => None,
        }
    };
    link.stop.check()?;
    Ok(proof)
}
