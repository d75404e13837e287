//! Puts many files, several at a time, and goes on after one fails.

use futures_util::{StreamExt, stream};

use super::{
    S3Error,
    event::ObjectSummary,
    link::Link,
    put::{PutOptions, put},
    sources::Source,
};
use crate::kind::{HasKind, Kind};

/// Puts every source and tells how each went; many small files fill the lanes of one large.
///
/// Ends early, with that error, when one fails in a way that all others would share: no permission,
/// no such bucket, no store, a signal.
pub async fn put_all(
    link: Link<'_>,
    sources: &[Source],
    options: &PutOptions,
    mut each: impl FnMut(&Source, Result<ObjectSummary, S3Error>),
) -> Result<(), S3Error> {
    let mut puts = stream::iter(sources)
        .map(async |source| (source, put(link, source, options).await))
        .buffer_unordered(link.store.concurrency());
    while let Some((source, result)) = puts.next().await {
        match result {
            Err(error) if is_shared(&error) => return Err(error),
            result => each(source, result),
        }
    }
    Ok(())
}

fn is_shared(error: &S3Error) -> bool {
    match error {
        S3Error::Cancelled(_) => true,
        S3Error::Call(failure) => matches!(
            failure.kind(),
            Kind::Permission | Kind::NotFound | Kind::Configuration | Kind::Temporary
        ),
        S3Error::LeftBehind { source, .. } => is_shared(source),
        _ => false,
    }
}
