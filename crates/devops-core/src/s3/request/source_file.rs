//! A file that is being sent, and whether it stayed as it was.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use md5::{Digest, Md5};
use rustix::io::{ReadWriteFlags, preadv2};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::s3::{
    error::operation::{S3Error, SourceError},
    object::{
        checksum::{Algorithm, Hasher, Sum},
        preserved::Preserved,
    },
    plan::parts::Part,
    store::cancel_token::CancelToken,
};
use crate::{
    cancel::Cancel,
    fs::{Destination, IoResultExt, OpenFolder, PathError, open_file},
};

/// The bytes of a part that are read at once, if it is not kept: those of two parts stay in the processor's cache
/// from one hash to the next.
const PIECE: usize = 128 << 10;

/// Files of at most this size are read when they are opened.
const SMALL: u64 = 64 << 10;

/// A file that was written to this short before it was looked at may have been written to again since,
/// without its times telling: they are as coarse as the file system's clock.
const FRESH: Duration = Duration::seconds(2);

/// An open file with the state it had when it was opened.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    file: Arc<File>,
    path: PathBuf,
    seen: FileState,
    /// All bytes of a small file, read when it was opened: many small files cost one trip to a blocking
    /// thread each.
    inline_bytes: Option<Bytes>,
}

/// The identity and times of a file, by which a change shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    pub(crate) size: u64,
    /// Seconds and nanoseconds, as all times here.
    modified: (i64, i64),
    changed: (i64, i64),
    device: u64,
    inode: u64,
}

/// How a file compares with what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileComparison {
    /// It is the same.
    Unchanged,
    /// It looks the same, but in another place or too fresh to tell: only reading it tells.
    Unknown,
    /// It is another.
    Changed,
}

impl FileState {
    /// Compares with an earlier state, seen at `then`.
    pub(crate) fn compare(&self, earlier: &Self, then: OffsetDateTime) -> FileComparison {
        if !self.has_same_content_as(earlier) {
            return FileComparison::Changed;
        }
        let modified = OffsetDateTime::from_unix_timestamp(self.modified.0);
        let is_fresh = modified.is_ok_and(|modified| then - modified < FRESH);
        if *self == *earlier && !is_fresh {
            FileComparison::Unchanged
        } else {
            FileComparison::Unknown
        }
    }

    /// As far as size and time tell.
    fn has_same_content_as(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }
}

impl OpenFile {
    pub(crate) async fn open(path: &Path, cancel_token: &CancelToken) -> Result<Self, S3Error> {
        let path = path.to_owned();
        let open = move || {
            let file = open_file(&path)?;
            Self::new(Arc::new(file), path)
        };
        cancel_token.run_blocking_cancellable(open).await?
    }

    /// Opens the file that is at `destination`.
    pub(crate) async fn open_at(
        destination: &Destination,
        cancel_token: &CancelToken,
    ) -> Result<Self, S3Error> {
        let destination = destination.clone();
        let open = move || {
            let path = destination.path().to_owned();
            let file = destination.open_file()?;
            Self::new(Arc::new(file), path)
        };
        cancel_token.run_blocking_cancellable(open).await?
    }

    /// Opens a file below a folder, through no link.
    pub(crate) async fn open_below(
        folder: &OpenFolder,
        relative: &Path,
        cancel_token: &CancelToken,
    ) -> Result<Self, S3Error> {
        let (folder, relative) = (folder.clone(), relative.to_owned());
        let open = move || {
            let file = folder.open_file(&relative)?;
            Self::new(Arc::new(file), folder.path().join(relative))
        };
        cancel_token.run_blocking_cancellable(open).await?
    }

    /// Takes a regular file that is open already.
    pub(crate) async fn of(
        file: Arc<File>,
        path: &Path,
        cancel_token: &CancelToken,
    ) -> Result<Self, S3Error> {
        let path = path.to_owned();
        cancel_token.run_blocking_cancellable(move || Self::new(file, path)).await?
    }

    fn new(file: Arc<File>, path: PathBuf) -> Result<Self, S3Error> {
        let seen = state(&file).at(&path, "read")?;
        if seen.size == 0 && file.read_at(&mut [0], 0).at(&path, "read")? > 0 {
            return Err(SourceError::Unsized(path.display().to_string()).into());
        }
        let inline_bytes = if seen.size <= SMALL { read_whole(&file, &path, seen)? } else { None };
        Ok(Self { file, path, seen, inline_bytes })
    }

    pub(crate) fn size(&self) -> u64 {
        self.seen.size
    }

    /// Returns all its bytes, if they are few.
    pub(crate) fn inline_bytes(&self) -> Option<&Bytes> {
        self.inline_bytes.as_ref()
    }

    /// Returns what metadata can keep of it.
    pub(crate) fn preserved(&self) -> Result<Preserved, PathError> {
        Ok(Preserved::of(&self.file.metadata().at(&self.path, "read")?))
    }

    pub(crate) fn state(&self) -> FileState {
        self.seen
    }

    /// Fills `buffer` with the bytes at `offset`; on a blocking thread.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), S3Error> {
        match self.file.read_exact_at(buffer, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => {
                Err(Err::<(), _>(error).at(&self.path, "read").expect_err("it failed").into())
            }
        }
    }

    /// Reads what of the bytes at `offset` is in memory already, without waiting for a disk; nothing where
    /// that cannot be told.
    pub(crate) fn read_cached(&self, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        let buffers = &mut [IoSliceMut::new(buffer)];
        let read = preadv2(&*self.file, buffers, offset, ReadWriteFlags::NOWAIT);
        read.ok().filter(|&n| n > 0)
    }

    /// Returns all of it as one part.
    pub(crate) fn full_range(&self) -> Part {
        Part { number: 1, offset: 0, size: self.size() }
    }

    /// Returns the checksum of the bytes of `part`.
    pub(crate) async fn sum(
        &self,
        part: Part,
        algorithm: Algorithm,
        cancel_token: &CancelToken,
    ) -> Result<Sum, S3Error> {
        let (file, cancel) = (self.clone(), cancel_token.cancel().clone());
        let hash = move || {
            let mut hasher = Hasher::new(algorithm);
            file.hash_range(part, &cancel, |bytes| hasher.update(bytes))?;
            Ok(hasher.finish())
        };
        cancel_token.run_blocking_cancellable(hash).await?
    }

    /// Returns the MD5 of the bytes of `part`.
    pub(crate) async fn md5(
        &self,
        part: Part,
        cancel_token: &CancelToken,
    ) -> Result<[u8; 16], S3Error> {
        let (file, cancel) = (self.clone(), cancel_token.cancel().clone());
        let hash = move || {
            let mut hasher = Md5::new();
            file.hash_range(part, &cancel, |bytes| hasher.update(bytes))?;
            Ok(hasher.finalize().into())
        };
        cancel_token.run_blocking_cancellable(hash).await?
    }

    /// Reads a part that need not fit in memory; on a blocking thread.
    pub(crate) fn hash_range(
        &self,
        part: Part,
        cancel: &Cancel,
        mut add: impl FnMut(&[u8]),
    ) -> Result<(), S3Error> {
        self.read_through_all([part], cancel, |[piece]| add(piece))
    }

    /// Reads parts of one size side by side.
    pub(crate) fn read_through_all<const N: usize>(
        &self,
        parts: [Part; N],
        cancel: &Cancel,
        mut add: impl FnMut([&[u8]; N]),
    ) -> Result<(), S3Error> {
        let mut buffers = [const { Vec::new() }; N];
        let (mut done, size) = (0, parts[0].size);
        while done < size {
            cancel.check()?;
            let n = usize::try_from(size - done).map_or(PIECE, |left| left.min(PIECE));
            for (buffer, part) in buffers.iter_mut().zip(parts) {
                buffer.resize(n, 0);
                self.read(part.offset + done, buffer)?;
            }
            add(buffers.each_ref().map(Vec::as_slice));
            done += n as u64;
        }
        Ok(())
    }

    /// Fails when the file is not as it was when it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), S3Error> {
        // A file that was renamed or replaced is still whole; one that was written to is not.
        if state(&self.file).at(&self.path, "read")?.has_same_content_as(&self.seen) {
            return Ok(());
        }
        Err(self.changed())
    }

    fn changed(&self) -> S3Error {
        SourceError::Changed(self.path.display().to_string()).into()
    }
}

/// Reads a small file; nothing if it became shorter, which shows later.
fn read_whole(file: &File, path: &Path, seen: FileState) -> Result<Option<Bytes>, PathError> {
    let mut bytes = vec![0; usize::try_from(seen.size).expect("it is small")];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.at(path, "read").map(|()| Some(bytes.into())),
    }
}

fn state(file: &File) -> io::Result<FileState> {
    let metadata = file.metadata()?;
    Ok(FileState {
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Runs `work` where a disk hangs: the only thread that reads gets nothing done, and a signal comes.
    fn where_nothing_is_read<T>(
        work: &impl AsyncFn(OpenFile, &CancelToken) -> Result<T, S3Error>,
    ) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        File::create(&path).unwrap().set_len(100_000).unwrap();
        let cancel = Cancel::new();
        let cancel_token = CancelToken::new(&cancel);
        let (release, held) = mpsc::channel::<()>();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        let result = runtime.block_on(async {
            let file = OpenFile::open(&path, &cancel_token).await.unwrap();
            drop(tokio::task::spawn_blocking(move || held.recv()));
            let signal = async { cancel.cancel(15) };
            tokio::join!(work(file, &cancel_token), signal).0
        });
        drop(release);
        matches!(result, Err(S3Error::Cancelled(_)))
    }

    #[test]
    fn a_file_whose_size_does_not_tell_of_its_content_is_not_taken_for_empty() {
        let cancel_token = CancelToken::new(&Cancel::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let open = |path: &Path| runtime.block_on(OpenFile::open(path, &cancel_token));
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        File::create(&empty).unwrap();

        assert_eq!(open(&empty).unwrap().size(), 0);
        let error = open(Path::new("/proc/self/status")).unwrap_err();
        assert!(matches!(error, S3Error::Source(SourceError::Unsized(_))), "{error}");
    }

    #[test]
    fn a_signal_ends_what_a_disk_that_hangs_holds_up() {
        assert!(where_nothing_is_read(&async |file, cancel_token| {
            file.sum(file.full_range(), Algorithm::default(), cancel_token).await
        }));
        assert!(where_nothing_is_read(&async |file, cancel_token| file
            .md5(file.full_range(), cancel_token)
            .await));
        assert!(where_nothing_is_read(&async |file, cancel_token| OpenFile::open(
            &file.path,
            cancel_token
        )
        .await));
    }
}
