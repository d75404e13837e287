//! Puts a stream whose end nobody knows, such as the standard input.

use std::{
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use super::{
    S3Error,
    adjust::Adjustments,
    blocking,
    event::{Event, ObjectSummary},
    failure::Trouble,
    link::Link,
    plan::{PartPlan, StreamPlan},
    proof::Sent,
    put::{PutOptions, Replace, summarize},
    settle::Settled,
    source::SourceError,
    task::Task,
    uri::S3Uri,
};
use crate::fs::At;

/// What is known of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamOptions {
    /// How many bytes it must have.
    pub expect_size: Option<u64>,
}

/// Puts all bytes of `reader` as one object, which appears only after the stream ended.
///
/// An existing key is refused before anything is read, because a stream cannot be read twice to see
/// whether it is the same. A read that hangs is left behind on its thread when a signal comes.
pub async fn put_stream(
    link: Link<'_>,
    reader: impl Read + Send + 'static,
    uri: &S3Uri,
    (options, expected): (&PutOptions, StreamOptions),
) -> Result<ObjectSummary, S3Error> {
    let begun = Instant::now();
    refuse_existing(link, uri, options).await?;
    let mut feed = Feed::new(link, reader, options, expected)?;
    (link.events)(Event::Started {
        uri: uri.clone(),
        path: None,
        size: expected.expect_size,
        parts: None,
    });
    let first = feed.next(link).await?.unwrap_or_default();
    let done = if feed.ended {
        feed.check_end()?;
        put_whole(link, uri, options, first).await?
    } else {
        put_pieces(link, uri, options, (first, feed)).await?
    };
    summarize(uri, options, done, begun.elapsed())
}

async fn refuse_existing(link: Link<'_>, uri: &S3Uri, options: &PutOptions) -> Result<(), S3Error> {
    if options.replace == Replace::Overwrite {
        return Ok(());
    }
    match link.head(uri).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(S3Error::Exists(uri.clone())),
        Err(failure) if failure.trouble == Trouble::Denied => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

async fn put_whole(
    link: Link<'_>,
    uri: &S3Uri,
    options: &PutOptions,
    bytes: Bytes,
) -> Result<(Sent, Settled), S3Error> {
    let mut adjustments = Adjustments::default();
    loop {
        let task = Task::new(link, uri, options);
        let payload = task.hash(bytes.clone()).await;
        match task.put_payload(payload).await {
            Err(S3Error::Call(failure)) => adjustments.adjust(&task, *failure).await?,
            other => return other,
        }
    }
}

async fn put_pieces(
    link: Link<'_>,
    uri: &S3Uri,
    options: &PutOptions,
    (first, feed): (Bytes, Feed),
) -> Result<(Sent, Settled), S3Error> {
    let task = Task::new(link, uri, options);
    task.with_upload(async |upload| {
        let pieces =
            stream::try_unfold((Some(first), feed, 1), |(ready, mut feed, number)| async move {
                let bytes = match ready {
                    Some(bytes) => Some(bytes),
                    None => feed.next(link).await?,
                };
                let Some(bytes) = bytes else {
                    feed.check_end()?;
                    return Ok(None);
                };
                Ok::<_, S3Error>(Some(((number, bytes), (None, feed, number + 1))))
            });
        let parts = pieces
            .map_ok(|(number, bytes)| task.send_bytes(&upload, number, bytes))
            .try_buffer_unordered(task.in_flight())
            .try_collect()
            .await?;
        task.complete(&upload, parts).await
    })
    .await
}

/// Reads a stream part by part.
struct Feed {
    reader: Arc<Mutex<dyn Read + Send>>,
    sizes: Sizes,
    expected: Option<u64>,
    number: u32,
    read: u64,
    ended: bool,
}

#[derive(Clone, Copy)]
enum Sizes {
    Known(u64),
    Unknown(StreamPlan),
}

impl Feed {
    fn new(
        link: Link<'_>,
        reader: impl Read + Send + 'static,
        options: &PutOptions,
        expected: StreamOptions,
    ) -> Result<Self, S3Error> {
        let memory = link.store.max_memory();
        let sizes = match expected.expect_size {
            Some(size) => Sizes::Known(PartPlan::new(size, options.part_size, memory)?.part_size()),
            None => Sizes::Unknown(StreamPlan::new(options.part_size, memory)?),
        };
        let reader = Arc::new(Mutex::new(reader));
        Ok(Self { reader, sizes, expected: expected.expect_size, number: 0, read: 0, ended: false })
    }

    /// Returns the bytes of the next part, or nothing after the last one.
    async fn next(&mut self, link: Link<'_>) -> Result<Option<Bytes>, S3Error> {
        if self.ended {
            return Ok(None);
        }
        self.number += 1;
        let size = match self.sizes {
            Sizes::Known(size) => Some(size),
            Sizes::Unknown(plan) => plan.part_size(self.number),
        };
        let Some(size) = size else { return self.end_or_too_long(link).await };
        let mut buffer = link.store.buffers().take(size).await;
        let reader = Arc::clone(&self.reader);
        let reading = blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let read = fill(&mut *reader, buffer.bytes_mut()).at("-", "read")?;
            buffer.truncate(read);
            Ok::<_, crate::fs::PathError>(buffer)
        });
        let buffer = tokio::select! {
            biased;
            cancelled = link.stop.requested() => return Err(cancelled.into()),
            buffer = reading => buffer?,
        };
        let read = buffer.as_ref().len() as u64;
        self.read += read;
        self.ended = read < size;
        if self.expected.is_some_and(|expected| self.read > expected) {
            return Err(self.wrong_length());
        }
        Ok((read > 0).then(|| buffer.freeze()))
    }

    /// After the last part that S3 allows, only the end may come.
    async fn end_or_too_long(&mut self, link: Link<'_>) -> Result<Option<Bytes>, S3Error> {
        let reader = Arc::clone(&self.reader);
        let rest = blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            fill(&mut *reader, &mut [0]).at("-", "read")
        });
        let rest = tokio::select! {
            biased;
            cancelled = link.stop.requested() => return Err(cancelled.into()),
            rest = rest => rest?,
        };
        if rest > 0 {
            let needed = (self.read / 10_000 + 1).next_multiple_of(1 << 20) * 2;
            let part_size = self.read / 10_000;
            return Err(super::plan::PlanError::TooManyParts { part_size, needed }.into());
        }
        self.ended = true;
        Ok(None)
    }

    fn check_end(&self) -> Result<(), S3Error> {
        match self.expected {
            Some(expected) if expected != self.read => Err(self.wrong_length()),
            _ => Ok(()),
        }
    }

    fn wrong_length(&self) -> S3Error {
        let expected = self.expected.unwrap_or_default();
        SourceError::Length { name: "-".to_owned(), expected, found: self.read }.into()
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
