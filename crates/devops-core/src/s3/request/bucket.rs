//! Is set if a bucket exists, where an answer about an object does not tell.

use std::net::Ipv4Addr;

use aws_sdk_s3::{
    Client,
    types::{BucketLocationConstraint, CreateBucketConfiguration},
};
use futures_util::future::LocalBoxFuture;

use super::{
    context::{CancelPolicy, RequestOptions, S3Context},
    pages::Pages,
};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
        response_error::does_not_exist,
    },
    object::uri::S3Uri,
};

/// The number of buckets a page has at most; accounts with more than 10,000 may not ask for all of them at once.
const PAGE: i32 = 1_000;

const US_EAST_1: &str = "us-east-1";
const IS_YOURS: &str = "BucketAlreadyOwnedByYou";
const IS_TAKEN: &str = "BucketAlreadyExists";

/// Fails if the store says that there is no such bucket; what it does not tell is no failure.
///
/// The answer to HEAD has no body that could say whether the object or its bucket is missing.
pub fn check_bucket<'a>(
    context: S3Context<'a>,
    bucket: &'a str,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        match no_bucket(context, bucket).await {
            Some(failure) => Err(failure.into()),
            None => Ok(context.cancel_token.check()?),
        }
    })
}

/// A name that breaks the naming rules for buckets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no name for a bucket: {reason}")]
pub struct BadBucketName {
    /// The text.
    pub name: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

/// Fails if no bucket may be made under this name ("General purpose bucket naming rules" of the S3 user guide);
/// buckets from before these rules have others.
pub fn check_bucket_name(name: &str) -> Result<(), BadBucketName> {
    let is_end = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_known = |byte: u8| is_end(Some(byte)) || matches!(byte, b'.' | b'-');
    let (prefixes, suffixes) = (
        ["xn--", "sthree-", "amzn-s3-demo-"],
        ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"],
    );
    let reason = if !(3..=63).contains(&name.len()) {
        "it has to have 3 to 63 characters"
    } else if !name.bytes().all(is_known) {
        "it may have lowercase letters, digits, hyphens and dots"
    } else if !is_end(name.bytes().next()) || !is_end(name.bytes().next_back()) {
        "it has to begin and end with a letter or a digit"
    } else if name.contains("..") {
        "it has two dots in a row"
    } else if name.parse::<Ipv4Addr>().is_ok() {
        "it looks like an IP address"
    } else if prefixes.iter().any(|prefix| name.starts_with(prefix))
        || suffixes.iter().any(|suffix| name.ends_with(suffix))
    {
        "its beginning or its end is reserved"
    } else {
        return Ok(());
    };
    Err(BadBucketName { name: name.to_owned(), reason })
}

/// Makes a bucket in the region in use; returns whether it was there already, and is the caller's.
///
/// A bucket that is there is looked up in the list of the caller's own and not made again: in us-east-1 that is
/// a success, and takes away its access control list (`CreateBucket` in the S3 API reference).
pub fn create_bucket<'a>(
    context: S3Context<'a>,
    bucket: &'a str,
) -> LocalBoxFuture<'a, Result<bool, S3Error>> {
    Box::pin(async move {
        let is_there = is_there(context, bucket).await?;
        if is_there && is_own(context, bucket).await? {
            return Ok(true);
        }
        // The oldest region has no name here, and refuses its own.
        let region =
            context.store.address().region.as_deref().filter(|&region| region != US_EAST_1);
        let place = region.map(|region| {
            let place = BucketLocationConstraint::from(region);
            CreateBucketConfiguration::builder().location_constraint(place).build()
        });
        let send = |client: Client| {
            let request = client.create_bucket().bucket(bucket);
            request.set_create_bucket_configuration(place.clone()).send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::AfterAMoment,
            ..context.metadata_request("CreateBucket")
        };
        match context.execute(request, send).await {
            Ok(_) => Ok(is_there),
            Err(failure) if failure.code() == IS_YOURS => Ok(true),
            Err(failure) if failure.code() == IS_TAKEN => {
                let message = format!("the bucket `{bucket}` belongs to someone else");
                let error_kind = RequestErrorKind::Exists;
                Err(RequestError { error_kind, message: message.into(), ..failure }.into())
            }
            Err(failure) => Err(failure.into()),
        }
    })
}

/// Returns whether a bucket is there for the caller; one that the caller may not look at counts as none, since
/// making it tells more.
async fn is_there(context: S3Context<'_>, bucket: &str) -> Result<bool, RequestError> {
    let send = |client: Client| client.head_bucket().bucket(bucket).send();
    match context.execute(context.metadata_request("HeadBucket"), send).await {
        Ok(_) => Ok(true),
        Err(failure) => match failure.error_kind {
            RequestErrorKind::NoBucket | RequestErrorKind::OtherRegion(_) => Ok(false),
            ref error_kind if error_kind.is_unknown() => Ok(false),
            _ => Err(failure),
        },
    }
}

/// Returns whether the store lists a bucket among the caller's own.
async fn is_own(context: S3Context<'_>, bucket: &str) -> Result<bool, RequestError> {
    let mut token: Option<String> = None;
    let mut pages = Pages::default();
    loop {
        // A store that ignores the prefix lists them all, page by page.
        let send = |client: Client| {
            let request = client.list_buckets().prefix(bucket).max_buckets(PAGE);
            request.set_continuation_token(token.clone()).send()
        };
        let page = match context.execute(context.metadata_request("ListBuckets"), send).await {
            Ok((page, _)) => page,
            Err(failure) if failure.error_kind.is_unknown() => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let names: Vec<_> = page.buckets().iter().map(|own| own.name()).collect();
        if names.contains(&Some(bucket)) {
            return Ok(true);
        }
        let Some(next) = page.continuation_token().filter(|token| !token.is_empty()) else {
            return Ok(false);
        };
        token = Some(pages.next("ListBuckets", Some(next.to_owned()), &names)?);
    }
}

/// Says what is missing where no object is: it, or its bucket.
pub(crate) async fn missing(context: S3Context<'_>, uri: &S3Uri) -> RequestError {
    let of_object = || {
        RequestError::local("HeadObject", RequestErrorKind::NoObject, format!("no object `{uri}`"))
    };
    no_bucket(context, &uri.bucket).await.unwrap_or_else(of_object)
}

async fn no_bucket(context: S3Context<'_>, bucket: &str) -> Option<RequestError> {
    let send = |client: Client| client.head_bucket().bucket(bucket).send();
    match context.execute(context.metadata_request("HeadBucket"), send).await {
        Err(failure)
            if matches!(
                failure.error_kind,
                RequestErrorKind::NoObject | RequestErrorKind::NoBucket
            ) =>
        {
            Some(RequestError::local(
                "HeadBucket",
                RequestErrorKind::NoBucket,
                does_not_exist(bucket),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_bucket_has_a_name_by_the_rules() {
        for name in ["abc", "a.b-c.9", "1st", &"a".repeat(63)] {
            assert_eq!(check_bucket_name(name), Ok(()), "{name}");
        }
        for (name, wanted) in [
            ("ab", "3 to 63 characters"),
            (&*"a".repeat(64), "3 to 63 characters"),
            ("Backups", "lowercase"),
            ("a_b", "lowercase"),
            ("-ab", "begin and end"),
            ("ab.", "begin and end"),
            ("a..b", "two dots"),
            ("192.168.5.4", "IP address"),
            ("xn--ab", "reserved"),
            ("ab-s3alias", "reserved"),
        ] {
            let reason = check_bucket_name(name).unwrap_err().reason;
            assert!(reason.contains(wanted), "{name}: {reason}");
        }
    }
}
