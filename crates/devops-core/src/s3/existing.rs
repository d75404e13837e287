//! What is there already under a key.

use super::{
    compare::same_content,
    condition::Condition,
    error::S3Error,
    event::Outcome,
    failure::Trouble,
    link::Link,
    proof::{Proof, Sent},
    put_options::{OverwritePolicy, PutOptions},
    response::ObjectHead,
    settle::{Settled, protected_by_head},
    source::OpenFile,
    task::Task,
    uri::S3Uri,
};

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
                && options.replace == OverwritePolicy::Refuse
                && link.store.knows_conditions() =>
        {
            return Ok(There::Other(Condition::Free));
        }
        Err(failure) => return Err(failure.into()),
    };
    match same_content(link, (uri, &head), file).await? {
        Some(proof) => same(link, uri, head, proof, options).await,
        None if options.replace == OverwritePolicy::Refuse => Err(S3Error::Exists(uri.clone())),
        None => Ok(There::Other(head.etag.map_or(Condition::None, Condition::Is))),
    }
}

async fn same(
    link: Link<'_>,
    uri: &S3Uri,
    head: ObjectHead,
    proof: Proof,
    options: &PutOptions,
) -> Result<There, S3Error> {
    let (outcome, proof) = (Outcome::Unchanged, Some(proof));
    let settled =
        Settled { outcome, proof, version_id: head.version_id.clone(), lacks: Vec::new() };
    let sent = Sent::there_already(head.clone());
    let task = Task::new(link, uri, options);
    let write = task.write(&sent, None);
    let settled = protected_by_head(&link, uri, write, settled, &head).await?;
    Ok(There::Same(sent, settled))
}
