//! A stream as a file of ours, so that its upload can be gone on with.
//!
//! The whole stream is written down before anything is sent: only then is it known that it is whole, an
//! archive shows its index and the store can copy what it has, and what broke off goes on as for any file.
//! It takes as much space as the stream has, and the upload begins when the stream has ended.
//!
//! A spool has one name for one object, and appears under it whole or not at all. What a killed process left
//! of a stream that was not whole, the next spool in that folder removes; a whole one has its journal.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::LocalBoxFuture;

use super::{
    journal::{Journals, Unfinished, id_of},
    stream::UploadStream,
};
use crate::s3::{
    error::operation::S3Error,
    object::{event::Event, uri::S3Uri},
    request::context::S3Context,
    store::blocking::blocking,
};
use crate::{
    cancel::Cancel,
    fs::{AtomicFile, IfExists, IoResultExt, OpenFolder, PathError, remove_stale},
};

const PREFIX: &str = "s3push-";
const SUFFIX: &str = ".spool";
/// The bytes that are read and written at once.
const PIECE: usize = 1 << 20;
/// The interval of its progress events.
const TICK: Duration = Duration::from_millis(200);

/// A place for a stream that is about to be read.
pub struct Spool {
    path: PathBuf,
    file: AtomicFile,
}

impl Spool {
    /// Makes a file in `folder` that only its owner can read, for the stream that becomes the object `uri`.
    pub fn create<'a>(
        context: S3Context<'a>,
        folder: &'a Path,
        uri: &'a S3Uri,
    ) -> LocalBoxFuture<'a, Result<Self, S3Error>> {
        Box::pin(async move {
            let folder = std::path::absolute(folder).at(folder, "find")?;
            let id = id_of(context.store.address(), uri, Path::new(""));
            let path = folder.join(format!("{PREFIX}{id}{SUFFIX}"));
            let spool = move || {
                // A leftover must not stop the work.
                let _removed =
                    OpenFolder::open(&folder).and_then(|folder| remove_stale(&folder, is_spool));
                let file = AtomicFile::create(&path)?;
                Ok::<_, PathError>(Self { path, file })
            };
            Ok(blocking(spool).await?)
        })
    }

    /// Writes all of a stream down, and returns the file and its size once it is whole and on the disk.
    ///
    /// Until then an earlier spool of the same object stays as it is. A stream whose reads do not end at the
    /// signal is waited for.
    pub fn fill(
        self,
        context: S3Context<'_>,
        stream: UploadStream,
    ) -> LocalBoxFuture<'_, Result<(PathBuf, u64), S3Error>> {
        Box::pin(async move {
            let written = Arc::new(AtomicU64::new(0));
            let (count, cancel) = (Arc::clone(&written), context.cancel_token.cancel().clone());
            let mut writing =
                std::pin::pin!(blocking(move || self.write_down(stream, &cancel, &count)));
            loop {
                tokio::select! {
                    biased;
                    done = &mut writing => return done,
                    () = tokio::time::sleep(TICK) => {
                        (context.events)(Event::Spooled(written.load(Ordering::Relaxed)));
                    }
                }
            }
        })
    }

    fn write_down(
        mut self,
        mut stream: UploadStream,
        cancel: &Cancel,
        written: &AtomicU64,
    ) -> Result<(PathBuf, u64), S3Error> {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = stream.fill(&mut buffer);
            // What a signal ended need not say where.
            cancel.check()?;
            let n = read?;
            let size = written.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
            let has_ended = n < buffer.len();
            stream.check_length(size, has_ended)?;
            self.file.write_all(&buffer[..n]).at(&self.path, "write")?;
            if has_ended {
                self.file.commit(0o600, IfExists::Replace)?;
                return Ok((self.path, size));
            }
        }
    }
}

fn is_spool(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// Returns whether a stream for this object was spooled by an earlier run, and is not stored yet.
pub fn has_resumable_spool<'a>(
    context: S3Context<'a>,
    journals: &'a Journals,
    uri: &'a S3Uri,
) -> LocalBoxFuture<'a, bool> {
    Box::pin(async move {
        let is_it = |found: &Unfinished| {
            found.job.options.spooled && found.job.is_for(uri, context.store.address())
        };
        let journals = journals.clone();
        let unfinished = blocking(move || journals.unfinished()).await;
        unfinished.is_ok_and(|unfinished| unfinished.iter().any(is_it))
    })
}

/// Removes a spool, unless an unfinished upload needs it.
pub async fn remove_unused_spool(journals: Option<&Journals>, path: &Path) {
    let (journals, path) = (journals.cloned(), path.to_owned());
    blocking(move || {
        let unfinished = journals.map_or(Ok(Vec::new()), |journals| journals.unfinished());
        // Where nobody knows, it stays.
        let is_needed = unfinished
            .map_or(true, |unfinished| unfinished.iter().any(|found| found.job.path == path));
        if !is_needed && path.file_name().is_some_and(is_spool) {
            // Nothing else can be done about it; the next spool of the object replaces it.
            let _removed = std::fs::remove_file(&path);
        }
    })
    .await;
}
