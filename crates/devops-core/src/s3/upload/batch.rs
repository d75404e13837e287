//! Puts many files, several at a time, and goes on after one fails.

use std::cell::{Cell, RefCell};

use futures_util::{StreamExt, future::join_all, stream};

use super::upload_items::UploadItem;
use crate::s3::{
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{event::ObjectSummary, protection::Left},
    request::context::S3Context,
};
use crate::{
    kind::{HasKind, Kind},
    limits::Limit,
};

/// Does the work of every item and tells how each went; many small files fill the permits of one large file.
///
/// Begins no more, and ends with that error, when one fails in a way that all others would share: no
/// permission, no such bucket, no store, a limit of the host, a signal. What is under way then comes to its own end, so that
/// every upload is completed or aborted.
pub async fn for_each_concurrent<'a, T, R>(
    context: S3Context<'_>,
    items: &'a [T],
    work: impl AsyncFn(&'a T) -> Result<R, S3Error>,
    mut each: impl FnMut(&'a T, Result<R, S3Error>),
) -> Result<(), S3Error> {
    let stopped = Cell::new(false);
    let (stopped, work) = (&stopped, &work);
    let mut running = stream::iter(items)
        .map(async |item| {
            if stopped.get() {
                return None;
            }
            Some((item, work(item).await))
        })
        .buffer_unordered(context.store.concurrency());
    let mut shared = None;
    while let Some(done) = running.next().await {
        match done {
            Some((_, Err(error))) if is_shared(&error) => {
                stopped.set(true);
                shared.get_or_insert(error);
            }
            Some((item, result)) => each(item, result),
            None => {}
        }
    }
    shared.map_or(Ok(()), Err)
}

/// Puts the sources of several places side by side, each as [`for_each_concurrent`] does, and returns how each place ended.
///
/// The puts of one file begin together, so that it comes from the disk once and then from memory.
pub async fn upload_to_all(
    context: S3Context<'_>,
    places: &[Vec<UploadItem>],
    put_one: impl AsyncFn(&UploadItem) -> Result<ObjectSummary, S3Error>,
    each: impl FnMut(&UploadItem, Result<ObjectSummary, S3Error>),
) -> Vec<Result<(), S3Error>> {
    let (put_one, each) = (&put_one, &RefCell::new(each));
    let put = async |sources: &Vec<UploadItem>| {
        let each = |source: &UploadItem, result| (each.borrow_mut())(source, result);
        for_each_concurrent(context, sources, put_one, each).await
    };
    join_all(places.iter().map(put)).await
}

fn is_shared(error: &S3Error) -> bool {
    match error {
        S3Error::Cancelled(_) => true,
        _ if Limit::within(error).is_some() => true,
        // These say something of one key alone; some part of a store may not find its way to it.
        S3Error::Request(failure)
            if matches!(
                failure.error_kind,
                RequestErrorKind::Conflict
                    | RequestErrorKind::NoObject
                    | RequestErrorKind::NoUpload
            ) =>
        {
            false
        }
        S3Error::Request(failure) => matches!(
            failure.kind(),
            Kind::Permission | Kind::NotFound | Kind::Configuration | Kind::Temporary
        ),
        // What the store does not do for one, it does for none.
        S3Error::Unprotected { left, .. } => *left != Left::Before,
        S3Error::AbortFailed { source, .. } | S3Error::Resumable { source, .. } => {
            is_shared(source)
        }
        _ => false,
    }
}
