//! Lists objects.

use aws_sdk_s3::types::{EncodingType, Object};
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use super::{
    S3Error,
    failure::{CallFailure, Trouble},
    link::Link,
    pages::Pages,
    uri::S3Uri,
};

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its address.
    pub uri: S3Uri,
    /// How many bytes it has.
    pub size: u64,
    /// When it was stored.
    pub modified: Option<OffsetDateTime>,
    /// Its `ETag`, without quotes.
    pub etag: Option<String>,
    /// Its storage class, where the store names it.
    pub storage_class: Option<String>,
}

/// Gives every object below `prefix` to `each`, in the order of the store, until `each` says no.
pub fn list<'a>(
    link: Link<'a>,
    prefix: &'a S3Uri,
    each: &'a mut dyn FnMut(ListedObject) -> bool,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let mut token: Option<String> = None;
        let mut pages = Pages::default();
        loop {
            let send = |client: aws_sdk_s3::Client| {
                client
                    .list_objects_v2()
                    .bucket(&prefix.bucket)
                    .prefix(&prefix.key)
                    // Keys may hold characters that XML cannot carry.
                    .encoding_type(EncodingType::Url)
                    .set_continuation_token(token.clone())
                    .send()
            };
            let (page, _) = link.call(link.short("ListObjectsV2"), send).await?;
            let encoded = page.encoding_type() == Some(&EncodingType::Url);
            for object in page.contents() {
                if !each(listed(prefix, object, encoded)?) {
                    return Ok(());
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(());
            }
            let next = page.next_continuation_token().map(str::to_owned);
            let keys: Vec<_> = page.contents().iter().map(Object::key).collect();
            token = Some(pages.next("ListObjectsV2", next, keys).map_err(CallFailure::from)?);
        }
    })
}

fn listed(prefix: &S3Uri, object: &Object, encoded: bool) -> Result<ListedObject, S3Error> {
    let key = decoded(object.key().unwrap_or_default(), encoded);
    Ok(ListedObject {
        size: size_of("ListObjectsV2", &key, object.size())?,
        uri: S3Uri { bucket: prefix.bucket.clone(), key },
        modified: object.last_modified().and_then(time_of),
        etag: object.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
        storage_class: object.storage_class().map(|class| class.as_str().to_owned()),
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
        let message = format!("the store says that `{key}` has {size} bytes");
        CallFailure::local(operation, Trouble::Unreadable, message).into()
    })
}

/// Undoes the encoding of a key, where the store did as it was asked.
pub(crate) fn decoded(key: &str, encoded: bool) -> String {
    if !encoded {
        return key.to_owned();
    }
    // S3 writes a space as `+` in encoded listings.
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

pub(crate) fn time_of(time: &aws_sdk_s3::primitives::DateTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(time.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_keys_only_where_the_store_encoded_them() {
        assert_eq!(decoded("a+b%2Bc%01", true), "a b+c\u{1}");
        assert_eq!(decoded("a+b%2B", false), "a+b%2B");
    }
}
