//! Whether a bucket exists, where an answer about an object does not tell.

use aws_sdk_s3::{
    Client,
    types::{BucketLocationConstraint, CreateBucketConfiguration},
};
use futures_util::future::LocalBoxFuture;

use super::{
    S3Error,
    failure::{CallFailure, Trouble},
    link::{Call, Link, StopPolicy},
    uri::S3Uri,
};

const US_EAST_1: &str = "us-east-1";
const IS_YOURS: &str = "BucketAlreadyOwnedByYou";

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

/// Makes a bucket in the region in use; returns whether it was there already, and is the caller's.
pub fn create_bucket<'a>(
    link: Link<'a>,
    bucket: &'a str,
) -> LocalBoxFuture<'a, Result<bool, S3Error>> {
    Box::pin(async move {
        // The oldest region has no name here, and refuses its own.
        let region = link.store.address().region.as_deref().filter(|&region| region != US_EAST_1);
        let place = region.map(|region| {
            let place = BucketLocationConstraint::from(region);
            CreateBucketConfiguration::builder().location_constraint(place).build()
        });
        let send = |client: Client| {
            let request = client.create_bucket().bucket(bucket);
            request.set_create_bucket_configuration(place.clone()).send()
        };
        let call = Call { stop: StopPolicy::AfterAMoment, ..link.short("CreateBucket") };
        match link.call(call, send).await {
            Ok(_) => Ok(false),
            Err(failure) if failure.code.as_ref().is_some_and(|code| code == IS_YOURS) => Ok(true),
            Err(failure) => Err(failure.into()),
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
