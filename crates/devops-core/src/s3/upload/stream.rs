//! Puts a stream whose end nobody knows, such as the standard input, into one place or several.

use std::{
    io::{self, Read},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use futures_util::{
    TryStream, TryStreamExt,
    future::{LocalBoxFuture, join_all},
    stream,
};

use super::{
    confirm::PutResult,
    fallback::Fallbacks,
    object_upload::ObjectUpload,
    options::{OverwritePolicy, PutOptions},
    stream_destination::StreamDestination,
    summary::summarize,
};
use crate::fs::{IoResultExt, PathError};
use crate::s3::{
    error::{
        operation::{S3Error, SourceError},
        request_error::RequestErrorKind,
    },
    object::{
        event::{Event, ObjectSummary},
        precondition::Precondition,
        proof::UploadedObject,
        protection::Given,
        response::Upload,
        uri::S3Uri,
    },
    plan::parts::{PartPlan, StreamPlan},
    request::context::S3Context,
};

/// Bytes that come only once.
pub struct UploadStream {
    reader: Box<dyn Read + Send>,
    /// The action and the path that errors name.
    name: (&'static str, PathBuf),
    expected: Option<u64>,
}

impl UploadStream {
    /// Takes what `reader` gives until it ends.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        Self { reader: Box::new(reader), name: ("read", "-".into()), expected: None }
    }

    /// Says in errors that `action` failed with `name`, instead of "read" with `-`.
    #[must_use]
    pub fn named(self, action: &'static str, name: impl Into<PathBuf>) -> Self {
        Self { name: (action, name.into()), ..self }
    }

    /// Fails unless there are just so many bytes.
    #[must_use]
    pub fn expecting(self, bytes: Option<u64>) -> Self {
        Self { expected: bytes, ..self }
    }

    /// Reads until `buffer` is full or the stream ends.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, PathError> {
        fill(&mut *self.reader, buffer).at(&self.name.1, self.name.0)
    }

    /// Fails when a stream that ended, or goes on, after so many bytes is not as long as expected.
    pub(crate) fn check_length(&self, read: u64, has_ended: bool) -> Result<(), SourceError> {
        match self.expected {
            Some(expected) if read > expected || (has_ended && read < expected) => {
                let name = self.name.1.display().to_string();
                Err(SourceError::Length { name, expected, found: read })
            }
            _ => Ok(()),
        }
    }
}

/// Fails when a key is taken, unless its object is to be replaced, and where the store does not protect as asked.
///
/// A stream cannot be read twice to see whether it is the same, so this comes before it is read.
pub fn ensure_absent<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    options: &'a PutOptions,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        if options.replace != OverwritePolicy::Overwrite {
            ensure_absent_or_ours(context, uri, None).await?;
        }
        ObjectUpload::new(context, uri, options).prove_protection(&Given::default()).await
    })
}

/// Fails when a key is taken, unless its object bears the token of this upload.
pub(crate) async fn ensure_absent_or_ours(
    context: S3Context<'_>,
    uri: &S3Uri,
    upload_token: Option<&str>,
) -> Result<(), S3Error> {
    match context.head(uri).await {
        Ok(None) => Ok(()),
        Ok(Some(head)) if head.id.is_some() && head.id.as_deref() == upload_token => Ok(()),
        Ok(Some(_)) => Err(S3Error::Exists(uri.clone())),
        // Who may write need not be allowed to read; then the write's own condition has to do.
        Err(failure)
            if failure.error_kind == RequestErrorKind::Denied
                && context.store.supports_preconditions() =>
        {
            Ok(())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Puts all bytes of a stream as one object into each place; the objects appear only after it ended.
///
/// Each piece is read and hashed once and sent to all. A place that fails has its own error, and the others
/// go on; the error of the whole is one of the stream, after which nothing is stored. A read that hangs is
/// left behind on its thread when a signal comes.
pub fn put_stream<'a>(
    context: S3Context<'a>,
    stream: UploadStream,
    uris: &'a [S3Uri],
    options: &'a PutOptions,
) -> LocalBoxFuture<'a, Result<Vec<Result<ObjectSummary, S3Error>>, S3Error>> {
    Box::pin(async move {
        let begun = Instant::now();
        let mut part_reader = PartReader::new(context, stream, options)?;
        for uri in uris {
            (context.events)(Event::Started {
                uri: uri.clone(),
                path: None,
                size: part_reader.expected,
                parts: None,
            });
        }
        let first = part_reader.next(context).await?.unwrap_or_default();
        let done = if part_reader.ended {
            part_reader.check_length(true)?;
            join_all(uris.iter().map(|uri| put_whole(context, uri, options, first.clone()))).await
        } else {
            let destinations = begin(context, uris, options, first).await;
            put_pieces(context, destinations, part_reader).await?
        };
        let summarize = |(uri, done): (_, Result<_, _>)| {
            done.and_then(|done| summarize(uri, options, done, begun.elapsed()))
        };
        Ok(uris.iter().zip(done).map(summarize).collect())
    })
}

async fn put_whole(
    context: S3Context<'_>,
    uri: &S3Uri,
    options: &PutOptions,
    bytes: Bytes,
) -> Result<(UploadedObject, PutResult), S3Error> {
    let mut fallbacks = Fallbacks::default();
    let mut object = ObjectUpload::new(context, uri, options);
    object.prove_protection(&Given::default()).await?;
    loop {
        let payload = object.hash(bytes.clone()).await;
        match object.put_payload(payload).await {
            Err(S3Error::Request(failure)) => {
                fallbacks
                    .fall_back(
                        object.context,
                        object.checksum_strategy,
                        &object.precondition,
                        *failure,
                    )
                    .await?;
            }
            other => return other,
        }
        // An attempt whose answer was lost may have been carried out: what bears its mark is ours.
        let next = ObjectUpload {
            upload_token: object.upload_token.clone(),
            ..ObjectUpload::new(context, uri, options)
        };
        if object.precondition != Precondition::None && !context.store.supports_preconditions() {
            // Without the condition, only a look keeps what is there.
            ensure_absent_or_ours(context, uri, Some(&next.upload_token)).await?;
        }
        object = next;
    }
}

/// The reason no more pieces are sent.
enum Broken {
    Stream(S3Error),
    /// Each place has its own reason.
    EveryPlace,
}

/// Begins to send to all places, which are of one store and protect the pieces alike.
///
/// The first piece goes alone: if the store turns out not to know checksums, it is there to begin again.
async fn begin<'a>(
    context: S3Context<'a>,
    uris: &'a [S3Uri],
    options: &'a PutOptions,
    first: Bytes,
) -> Vec<StreamDestination<'a>> {
    loop {
        let begin = |uri| StreamDestination::begin(ObjectUpload::new(context, uri, options));
        let destinations = join_all(uris.iter().map(begin)).await;
        let payload = destinations[0].object.hash(first.clone()).await;
        join_all(destinations.iter().map(|destination| destination.send(1, &payload))).await;
        if !destinations.iter().any(StreamDestination::lacks_checksums)
            || !context.store.disable_checksums()
        {
            return destinations;
        }
        (context.events)(Event::FeatureUnsupported("checksum headers"));
        join_all(destinations.into_iter().map(StreamDestination::abandon)).await;
    }
}

/// Sends what is left of a stream to all places.
async fn put_pieces(
    context: S3Context<'_>,
    destinations: Vec<StreamDestination<'_>>,
    part_reader: PartReader,
) -> Result<Vec<Result<(UploadedObject, PutResult), S3Error>>, S3Error> {
    match send_pieces(&destinations, pieces(context, part_reader)).await {
        Ok(()) | Err(Broken::EveryPlace) => {
            Ok(join_all(destinations.into_iter().map(StreamDestination::end)).await)
        }
        Err(Broken::Stream(error)) => {
            let left = join_all(destinations.into_iter().map(StreamDestination::abandon)).await;
            Err(left.into_iter().flatten().fold(error, left_behind))
        }
    }
}

fn left_behind(error: S3Error, Upload { uri, id }: Upload) -> S3Error {
    S3Error::AbortFailed { uri, upload_id: id, source: Box::new(error) }
}

async fn send_pieces(
    destinations: &[StreamDestination<'_>],
    pieces: impl TryStream<Ok = (u32, Bytes), Error = S3Error>,
) -> Result<(), Broken> {
    let is_any_left = || {
        if destinations.iter().any(StreamDestination::is_live) {
            Ok(())
        } else {
            Err(Broken::EveryPlace)
        }
    };
    is_any_left()?;
    let send = async |(number, bytes)| {
        let payload = destinations[0].object.hash(bytes).await;
        join_all(destinations.iter().map(|destination| destination.send(number, &payload))).await;
        is_any_left()
    };
    let sending = pieces.map_err(Broken::Stream).map_ok(send);
    sending.try_buffer_unordered(destinations[0].object.in_flight()).try_collect().await
}

/// Returns the numbered pieces of a stream, after the first one.
fn pieces(
    context: S3Context<'_>,
    part_reader: PartReader,
) -> impl TryStream<Ok = (u32, Bytes), Error = S3Error> {
    stream::try_unfold(part_reader, move |mut part_reader: PartReader| async move {
        let Some(bytes) = part_reader.next(context).await? else {
            part_reader.check_length(true)?;
            return Ok(None);
        };
        Ok(Some(((part_reader.number, bytes), part_reader)))
    })
}

/// Reads a stream part by part.
struct PartReader {
    stream: Arc<Mutex<UploadStream>>,
    sizes: Sizes,
    expected: Option<u64>,
    number: u32,
    read: u64,
    ended: bool,
}

#[derive(Clone, Copy)]
enum Sizes {
    Capabilities(u64),
    Unknown(StreamPlan),
}

impl PartReader {
    fn new(
        context: S3Context<'_>,
        stream: UploadStream,
        options: &PutOptions,
    ) -> Result<Self, S3Error> {
        let (memory, expected) = (context.store.max_memory(), stream.expected);
        let limits = context.store.limits();
        let sizes = match expected {
            Some(size) => {
                let plan = PartPlan::within(limits, size, options.part_size, memory)?;
                Sizes::Capabilities(plan.part_size())
            }
            None => Sizes::Unknown(StreamPlan::within(limits, options.part_size, memory)?),
        };
        let stream = Arc::new(Mutex::new(stream));
        Ok(Self { stream, sizes, expected, number: 0, read: 0, ended: false })
    }

    /// Returns the bytes of the next part, or nothing after the last one.
    async fn next(&mut self, context: S3Context<'_>) -> Result<Option<Bytes>, S3Error> {
        if self.ended {
            return Ok(None);
        }
        self.number += 1;
        let size = match self.sizes {
            Sizes::Capabilities(size) => size,
            Sizes::Unknown(plan) => match plan.part_size(self.number) {
                Some(size) => size,
                // After the last part that S3 allows, only the end may come.
                None if self.with_stream(context, |stream| stream.fill(&mut [0])).await? > 0 => {
                    return Err(plan.too_long().into());
                }
                None => {
                    self.ended = true;
                    return Ok(None);
                }
            },
        };
        let mut buffer = context.store.buffer_pool().take(size).await;
        let buffer = self
            .with_stream(context, move |stream| {
                let read = stream.fill(buffer.bytes_mut())?;
                buffer.truncate(read);
                Ok(buffer)
            })
            .await?;
        let read = buffer.as_ref().len() as u64;
        self.read += read;
        self.ended = read < size;
        self.check_length(false)?;
        Ok((read > 0).then(|| buffer.freeze()))
    }

    /// Does something with the stream that may hang.
    async fn with_stream<T: Send + 'static>(
        &self,
        context: S3Context<'_>,
        work: impl FnOnce(&mut UploadStream) -> Result<T, PathError> + Send + 'static,
    ) -> Result<T, S3Error> {
        let stream = Arc::clone(&self.stream);
        let work = move || work(&mut stream.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(context.cancel_token.run_blocking_cancellable(work).await??)
    }

    fn check_length(&self, has_ended: bool) -> Result<(), S3Error> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(stream.check_length(self.read, has_ended)?)
    }
}

/// Reads until `buffer` is full or the stream ends.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
