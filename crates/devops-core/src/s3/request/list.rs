//! Lists objects.

use aws_sdk_s3::types::{CommonPrefix, Object};
use futures_util::future::LocalBoxFuture;

use super::{
    context::S3Context,
    object_pages::{ObjectPages, Page},
    pages::is_below,
};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        response::{ListedObject, decoded, unquoted},
        timestamp::time_of,
        uri::S3Uri,
    },
};

/// One line of a listing of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LevelEntry {
    /// An object of this level.
    Object(ListedObject),
    /// The common prefix of deeper keys, up to the delimiter.
    Prefix(S3Uri),
}

impl LevelEntry {
    fn uri(&self) -> &S3Uri {
        match self {
            Self::Object(object) => &object.uri,
            Self::Prefix(uri) => uri,
        }
    }
}

/// Gives every object below `prefix` to `each`, in the order of the store, until `each` says no.
pub fn list<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    each: &'a mut dyn FnMut(ListedObject) -> bool,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let mut pages = ObjectPages::new(prefix, None);
        while let Some(page) = pages.next(context).await? {
            for object in &page.objects {
                let object = listed(prefix, object, page.is_encoded)?;
                if is_below(prefix, &object.uri.key, page.prefix.as_deref())? && !each(object) {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// Gives the objects of one level to `each`, and each of the prefixes that the deeper ones have, until `each`
/// says no.
pub fn list_level<'a>(
    context: S3Context<'a>,
    prefix: &'a S3Uri,
    delimiter: &'a str,
    each: &'a mut dyn FnMut(LevelEntry) -> bool,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let mut last: Option<S3Uri> = None;
        let mut pages = ObjectPages::new(prefix, Some(delimiter));
        while let Some(page) = pages.next(context).await? {
            let mut entries = level(prefix, delimiter, &page)?;
            entries.sort_by(|a, b| a.uri().key.cmp(&b.uri().key));
            for entry in entries {
                // A prefix may come once for each page, and for each key where the store knows no delimiter.
                if last.as_ref() == Some(entry.uri()) {
                    continue;
                }
                last = Some(entry.uri().clone());
                if !each(entry) {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// Returns what a page has at one level.
fn level(prefix: &S3Uri, delimiter: &str, page: &Page) -> Result<Vec<LevelEntry>, S3Error> {
    let encoded = page.is_encoded;
    let folder = |key: String| LevelEntry::Prefix(prefix.with_key(key));
    let mut entries = Vec::new();
    for object in &page.objects {
        let object = listed(prefix, object, encoded)?;
        let key = &object.uri.key;
        if !is_below(prefix, key, page.prefix.as_deref())? {
            continue;
        }
        let rest = key.get(prefix.key.len()..).unwrap_or_default();
        entries.push(match rest.find(delimiter) {
            Some(at) => folder(key[..prefix.key.len() + at + delimiter.len()].to_owned()),
            None => LevelEntry::Object(object),
        });
    }
    for key in page.prefixes.iter().filter_map(CommonPrefix::prefix) {
        let key = decoded(key, encoded);
        if is_below(prefix, &key, page.prefix.as_deref())? {
            entries.push(folder(key));
        }
    }
    Ok(entries)
}

fn listed(prefix: &S3Uri, object: &Object, encoded: bool) -> Result<ListedObject, S3Error> {
    let key = decoded(object.key().unwrap_or_default(), encoded);
    Ok(ListedObject {
        size: size_of("ListObjectsV2", &key, object.size())?,
        uri: prefix.with_key(key),
        modified: object.last_modified().and_then(time_of),
        etag: unquoted(object.e_tag()),
        storage_class: object.storage_class().map(|class| class.as_str().into()),
    })
}

/// Reads a size; what is none is no answer, whatever else stands in it.
pub(crate) fn size_of(
    operation: &'static str,
    key: &str,
    size: Option<i64>,
) -> Result<u64, S3Error> {
    let size = size.unwrap_or_default();
    u64::try_from(size).map_err(|_| {
        let message = format!("the store says that `{key}` has a size of {size}");
        RequestError::local(operation, RequestErrorKind::Unreadable, message).into()
    })
}
