//! Finds absent keys with one listing instead of a HEAD per key.

use std::collections::HashSet;

use futures_util::future::LocalBoxFuture;

use super::{
    options::{OverwritePolicy, PutOptions},
    upload_items::UploadItem,
};
use crate::s3::{
    error::operation::S3Error,
    object::uri::S3Uri,
    request::{context::S3Context, list::list},
};

/// Fewer files than this are asked for one by one.
const FEW: usize = 10;

/// The number of objects that are looked through for each file, a thousand in one answer, before asking is cheaper.
const MOST_LISTED_PER_FILE: usize = 10;

/// Finds out which keys of many sources are free, so that [`put`](crate::s3::put()) need not ask for each.
///
/// What another writer puts there meanwhile is refused by the condition of the write, so nothing is found out
/// where the store knows none; nor where listing is not allowed, or would take longer than asking.
pub fn list_absent_keys<'a>(
    context: S3Context<'a>,
    sources: &'a [UploadItem],
    options: &'a PutOptions,
) -> LocalBoxFuture<'a, Result<HashSet<S3Uri>, S3Error>> {
    Box::pin(async move {
        if sources.len() < FEW
            || options.replace != OverwritePolicy::Refuse
            || !context.store.supports_preconditions()
        {
            return Ok(HashSet::new());
        }
        let mut free: HashSet<S3Uri> = sources.iter().map(|source| source.uri.clone()).collect();
        let mut left = sources.len().saturating_mul(MOST_LISTED_PER_FILE);
        let mut look = |object: crate::s3::ListedObject| {
            free.remove(&object.uri);
            left -= 1;
            left > 0
        };
        let listed = list(context, &common_prefix(sources), &mut look).await;
        context.cancel_token.check()?;
        if listed.is_err() || left == 0 {
            free.clear();
        }
        Ok(free)
    })
}

/// Returns what all keys begin with; the sources are of one bucket.
fn common_prefix(sources: &[UploadItem]) -> S3Uri {
    let mut uri = sources[0].uri.clone();
    for source in sources {
        let same = uri.key.char_indices().zip(source.uri.key.chars());
        let differs = same.into_iter().find(|((_, ours), theirs)| ours != theirs);
        let length = differs.map_or(uri.key.len().min(source.uri.key.len()), |((at, _), _)| at);
        uri.key.truncate(length);
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(keys: &[&str]) -> String {
        let source =
            |key: &&str| UploadItem::new((*key).into(), S3Uri::new("backups", key).unwrap(), 0);
        common_prefix(&keys.iter().map(source).collect::<Vec<_>>()).key
    }

    #[test]
    fn a_listing_begins_with_what_all_keys_have() {
        assert_eq!(prefix(&["a/b/c", "a/b/d", "a/bc"]), "a/b");
        assert_eq!(prefix(&["größe/1", "grün"]), "gr");
        assert_eq!(prefix(&["a", "ab"]), "a");
        assert_eq!(prefix(&["x", "y"]), "");
    }
}
