//! Addresses that carry a permission: whoever has one gets an object, or puts it, without credentials.

use std::time::Duration;

use aws_sdk_s3::{Client, presigning::PresigningConfig};
use futures_util::future::LocalBoxFuture;

use crate::s3::{
    download::get::head_of_existing,
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::uri::S3Uri,
    request::{bucket::missing, context::S3Context},
};

/// No signature of version 4 lasts longer (S3 API reference, "Authenticating Requests: Using Query
/// Parameters").
pub const MAX_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// The request that a presigned URL allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Get the object.
    Get,
    /// Put an object under the key, one that is there included.
    Put,
}

/// Returns an address that permits one thing for some time, or for as long as the credentials last.
///
/// Looks for the object or the bucket before: the address of what is not there, or in another region,
/// is worth nothing.
pub fn presign<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    permission: Permission,
    lifetime: Duration,
) -> LocalBoxFuture<'a, Result<String, S3Error>> {
    Box::pin(async move {
        match permission {
            Permission::Get => drop(head_of_existing(context, uri).await?),
            Permission::Put => look_for_bucket(context, uri).await?,
        }
        let request = context.metadata_request("Presign");
        let config = PresigningConfig::expires_in(lifetime).map_err(|error| {
            RequestError::local("Presign", RequestErrorKind::Rejected, error.to_string())
        })?;
        let get = |client: Client| {
            client.get_object().bucket(&uri.bucket).key(&uri.key).presigned(config.clone())
        };
        let put = |client: Client| {
            client.put_object().bucket(&uri.bucket).key(&uri.key).presigned(config.clone())
        };
        let (request, _) = match permission {
            Permission::Get => context.execute(request, get).await?,
            Permission::Put => context.execute(request, put).await?,
        };
        Ok(request.uri().to_owned())
    })
}

async fn look_for_bucket(context: S3Context<'_>, uri: &S3Uri) -> Result<(), S3Error> {
    let failure = match context.head(uri).await {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => missing(context, uri).await,
        Err(failure) => failure,
    };
    match failure.error_kind {
        // Who may put need not be allowed to look.
        RequestErrorKind::NoObject | RequestErrorKind::Denied => Ok(()),
        _ => Err(failure.into()),
    }
}
