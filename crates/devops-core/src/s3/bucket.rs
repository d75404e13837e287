//! Whether a bucket exists, where an answer about an object does not tell.

use aws_sdk_s3::Client;
use futures_util::future::LocalBoxFuture;

use super::{
    S3Error,
    failure::{CallFailure, Trouble},
    link::Link,
    uri::S3Uri,
};

/// Fails if the store says that there is no such bucket; what it does not tell is no failure.
///
/// The answer to HEAD has no body that could say whether the object or its bucket is missing.
pub fn check_bucket<'a>(
    link: Link<'a>,
    bucket: &'a str,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        match no_bucket(link, bucket).await {
            Some(failure) => Err(failure.into()),
            None => Ok(link.stop.check()?),
        }
    })
}

/// Says what is missing where no object is: it, or its bucket.
pub(crate) async fn missing(link: Link<'_>, uri: &S3Uri) -> CallFailure {
    let of_object =
        || CallFailure::local("HeadObject", Trouble::NoObject, format!("no object `{uri}`"));
    no_bucket(link, &uri.bucket).await.unwrap_or_else(of_object)
}

async fn no_bucket(link: Link<'_>, bucket: &str) -> Option<CallFailure> {
    let send = |client: Client| client.head_bucket().bucket(bucket).send();
    match link.call(link.short("HeadBucket"), send).await {
        Err(failure) if matches!(failure.trouble, Trouble::NoObject | Trouble::NoBucket) => {
            Some(CallFailure::local("HeadBucket", Trouble::NoBucket, does_not_exist(bucket)))
        }
        _ => None,
    }
}

/// Names a bucket that does not exist.
pub(crate) fn does_not_exist(bucket: &str) -> String {
    format!("the bucket `{bucket}` does not exist")
}
