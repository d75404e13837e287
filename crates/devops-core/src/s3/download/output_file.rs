//! The output file of a download: resumable or temporary.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{fs::fchown, process::Gid};

use super::{
    options::GetOptions,
    partial_file::{DownloadIdentity, Partial},
};
use crate::s3::{
    error::operation::S3Error,
    object::{
        checksum::{Algorithm, Sum},
        event::Event,
        preserved::Preserved,
        response::ObjectHead,
        uri::S3Uri,
    },
    plan::{
        parts::{PartPlan, PartSize},
        range_plan::Note,
    },
    request::context::S3Context,
    store::blocking::blocking,
};
use crate::{
    archive_index::{
        container::{FOOTER, Footer},
        sniff::{FileSignature, SNIFF_LEN},
    },
    fs::{AtomicFile, Destination, IoResultExt, PathError, user_mode},
};

/// The output file of a download.
pub(crate) enum DownloadTarget {
    /// A file that is gone if the work breaks off.
    Temporary { atomic: AtomicFile, file: Arc<File> },
    /// A file that stays.
    Resumable(Partial),
}

impl DownloadTarget {
    /// Chooses a lasting file where that can save something.
    pub(crate) async fn open(
        context: S3Context<'_>,
        (uri, head): (&S3Uri, &ObjectHead),
        target: &Destination,
        (algorithm, plan): (Algorithm, PartPlan),
    ) -> Result<Self, S3Error> {
        if let Some(etag) = head.etag.clone().filter(|_| !plan.is_single()) {
            let endpoint = context.store.address().endpoint_url.clone();
            let cut = (head.size, plan);
            let identity = DownloadIdentity::new(endpoint, (uri.clone(), etag), algorithm, cut);
            let (target, cancel) = (target.clone(), context.cancel_token.cancel().clone());
            let max_memory = context.store.max_memory();
            let open = move || Partial::open(&target, &identity, max_memory, &cancel);
            let partial = context.cancel_token.run_blocking_cancellable(open).await??;
            context.cancel_token.check()?;
            if let Some(partial) = partial {
                if partial.is_other {
                    (context.events)(Event::RestartedDownload { uri: uri.clone() });
                }
                return Ok(Self::Resumable(partial));
            }
        }
        let atomic = AtomicFile::create_at(target)?;
        let file = Arc::new(atomic.file().try_clone().at(target.path(), "open")?);
        Ok(Self::Temporary { atomic, file })
    }

    /// Returns the sizes of the ranges, where an earlier run has chosen them.
    pub(crate) fn part_size(&self) -> Option<PartSize> {
        match self {
            Self::Temporary { .. } => None,
            Self::Resumable(partial) => Some(partial.part_size()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary { atomic, .. } => atomic.temp_path(),
            Self::Resumable(partial) => partial.path(),
        }
    }

    pub(crate) fn file_and_path(&self) -> (Arc<File>, PathBuf) {
        match self {
            Self::Temporary { file, .. } => (Arc::clone(file), self.path().to_owned()),
            Self::Resumable(partial) => (partial.file(), self.path().to_owned()),
        }
    }

    pub(crate) fn done(&self) -> HashMap<u32, Sum> {
        match self {
            Self::Temporary { .. } => HashMap::new(),
            Self::Resumable(partial) => partial.done.clone(),
        }
    }

    pub(crate) fn note(&self) -> Option<Note> {
        match self {
            Self::Temporary { .. } => None,
            Self::Resumable(partial) => Some(partial.note()),
        }
    }

    /// Gives the file its final name; `there` is the mode of the file that it replaces.
    pub(crate) async fn commit(
        self,
        options: GetOptions,
        preserved: Preserved,
        there: Option<u32>,
    ) -> Result<(), PathError> {
        let preserved = if options.preserve { preserved } else { Preserved::default() };
        blocking(move || {
            let (file, path) = self.file_and_path();
            if let Some(group) = options.group {
                fchown(&file, None, Some(Gid::from_raw(group))).at(path, "give to its group")?;
            }
            preserved.set_time(&file).at(self.path(), "set the time of")?;
            let mode = options.mode.or_else(|| preserved.permissions());
            let mode = mode.unwrap_or_else(|| mode_of(&file, there));
            match self {
                Self::Temporary { mut atomic, .. } => atomic.commit(mode, options.replace),
                Self::Resumable(partial) => partial.commit(mode, options.replace),
            }
        })
        .await
    }

    /// Ends without a file; returns what stays for a later run, and how much that is.
    pub(crate) async fn end(self, error: &S3Error, bytes_written: u64) -> Option<(PathBuf, u64)> {
        let Self::Resumable(partial) = self else { return None };
        // Bytes that are not the object's are of no use to anybody.
        if matches!(error, S3Error::Mismatch { .. }) || bytes_written == 0 {
            blocking(move || partial.remove()).await;
            return None;
        }
        Some((partial.path().to_owned(), bytes_written))
    }
}

/// An archive of a whole host is for its owner alone.
const PRIVATE: u32 = 0o600;

/// Returns the permission bits of a file by what it holds: it keeps those of the one it replaces, which was private
/// for a reason.
fn mode_of(file: &File, there: Option<u32>) -> u32 {
    let mut beginning = vec![0; usize::try_from(SNIFF_LEN).expect("it is small")];
    let n = file.read_at(&mut beginning, 0).unwrap_or(0);
    match FileSignature::read(&beginning[..n]) {
        FileSignature::Ours(_) | FileSignature::Encrypted => PRIVATE & there.unwrap_or(PRIVATE),
        // One that is reproducible does not say where it came from.
        FileSignature::Gzip if ends_as_ours(file).is_some() => PRIVATE & there.unwrap_or(PRIVATE),
        FileSignature::Gzip | FileSignature::Other => there.unwrap_or_else(user_mode),
    }
}

/// Returns the footer of an archive of ours.
fn ends_as_ours(file: &File) -> Option<Footer> {
    let n_bytes = file.metadata().ok()?.len();
    let mut member = [0; FOOTER];
    file.read_exact_at(&mut member, n_bytes.checked_sub(FOOTER as u64)?).ok()?;
    Footer::read(&member, n_bytes)
}
