//! The bytes of a request: held in memory, or read from a file while they are sent.
//!
//! A part of a file is read twice, once for its checksums and once for the network: the second read
//! comes from the page cache through small buffers that stay in the processor's cache, which costs less
//! than filling and emptying memory for whole parts. The checksum in the header makes sure that both
//! reads saw the same bytes.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    task::JoinHandle,
    time::{Sleep, sleep},
};

use super::{source_file::OpenFile, stall_detector::StallDetector};
use crate::s3::{
    error::operation::S3Error,
    object::checksum::md5,
    plan::parts::Part,
    store::{blocking::blocking, cancel_token::CancelToken},
};

/// Small enough to see progress and to stay in the processor's cache, large enough to cost nothing.
const PIECE: usize = 128 << 10;

/// The body of a request.
#[derive(Clone)]
pub(crate) enum Content {
    /// Bytes in memory.
    Held(Bytes),
    /// Bytes that are read when they are needed.
    Read(FilePart),
}

/// Bytes of a file on their way; clones share what went wrong.
#[derive(Clone)]
pub(crate) struct FilePart {
    file: OpenFile,
    part: Part,
    failure: Arc<Mutex<Option<S3Error>>>,
}

impl Content {
    pub(crate) fn of_file(file: OpenFile, part: Part) -> Self {
        Self::Read(FilePart { file, part, failure: Arc::default() })
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Read(of) => of.part.size,
        }
    }

    /// Returns a body that `stall_detector` counts, from zero.
    pub(crate) fn counted(&self, stall_detector: &StallDetector) -> ByteStream {
        stall_detector.restart();
        ByteStream::new(SdkBody::from_body_1_x(self.body(stall_detector.clone())))
    }

    /// Returns a body over the bytes, from their beginning; of a file that changed, one that breaks off.
    pub(crate) fn body(&self, stall_detector: StallDetector) -> Body {
        let rest = match self {
            Self::Held(bytes) => Rest::Held(bytes.clone()),
            Self::Read(of) => {
                // The headers say what the bytes were; others would be refused again and again.
                if let Err(changed) = of.file.check_unchanged() {
                    of.fail(changed);
                }
                Rest::Read(Reader::new(of.clone()))
            }
        };
        Body { rest, stall_detector, next: None }
    }

    /// Returns the MD5 of the bytes, unless they cannot be read any more.
    pub(crate) async fn md5(&self, cancel_token: &CancelToken) -> Option<[u8; 16]> {
        match self {
            Self::Held(bytes) => {
                let bytes = bytes.clone();
                Some(blocking(move || md5(&bytes)).await)
            }
            Self::Read(of) => of.file.md5(of.part, cancel_token).await.ok(),
        }
    }

    /// Returns whether another attempt would fail like the last one, because the source did.
    pub(crate) fn has_failed(&self) -> bool {
        match self {
            Self::Held(_) => false,
            Self::Read(of) => of.failure().is_some(),
        }
    }

    /// Returns what went wrong with the source, rather than with the store.
    pub(crate) fn take_failure(&self) -> Option<S3Error> {
        match self {
            Self::Held(_) => None,
            Self::Read(of) => of.failure().take(),
        }
    }
}

impl FilePart {
    fn failure(&self) -> std::sync::MutexGuard<'_, Option<S3Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the reason for whoever sends.
    fn fail(&self, error: S3Error) {
        self.failure().get_or_insert(error);
    }
}

/// The body of one attempt.
pub(crate) struct Body {
    rest: Rest,
    stall_detector: StallDetector,
    /// The next bytes that may move, and when.
    next: Option<(usize, Pin<Box<Sleep>>)>,
}

enum Rest {
    Held(Bytes),
    Read(Reader),
}

impl Rest {
    fn left(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Read(reader) => reader.left,
        }
    }
}

impl Body {
    /// Returns how many bytes may move now.
    fn poll_rate_limiter(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.next.is_none() {
            let left = usize::try_from(self.rest.left()).unwrap_or(usize::MAX);
            let (bytes, wait) = self.stall_detector.rate_limiter().take(left.min(PIECE));
            if wait.is_zero() {
                return Poll::Ready(bytes);
            }
            self.stall_detector.set_waits(true);
            self.next = Some((bytes, Box::pin(sleep(wait))));
        }
        let (bytes, wait) = self.next.as_mut().expect("it was made above");
        ready!(wait.as_mut().poll(cx));
        // What holds the bytes up from now on is a stall.
        self.stall_detector.set_waits(false);
        Poll::Ready(*bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.rest.left() == 0 {
            return Poll::Ready(None);
        }
        let most = ready!(self.poll_rate_limiter(cx));
        let piece = match &mut self.rest {
            Rest::Held(bytes) => bytes.split_to(bytes.len().min(most)),
            Rest::Read(reader) => match ready!(reader.poll_piece(most, cx)) {
                Ok(piece) => piece,
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        self.next = None;
        self.stall_detector.set_waits(false);
        self.stall_detector.add(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.left())
    }
}

/// Reads a part of a file piece by piece.
struct Reader {
    of: FilePart,
    at: u64,
    left: u64,
    /// A read that waits for the disk, on a blocking thread.
    waiting: Option<JoinHandle<(Buffer, Result<(), S3Error>)>>,
    spare: SpareBuffers,
}

/// Buffers of pieces that the network has taken.
type SpareBuffers = Arc<Mutex<Vec<Vec<u8>>>>;

/// The bytes of one piece; its memory goes back to the spare buffers.
struct Buffer {
    bytes: Vec<u8>,
    spare: SpareBuffers,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

impl Reader {
    fn new(of: FilePart) -> Self {
        let (at, left) = (of.part.offset, of.part.size);
        Self { of, at, left, waiting: None, spare: SpareBuffers::default() }
    }

    fn poll_piece(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.of.failure().is_some() {
            return Poll::Ready(Err(io::Error::other("the source failed")));
        }
        let (buffer, read) = match &mut self.waiting {
            Some(waiting) => {
                let done = ready!(Pin::new(waiting).poll(cx));
                self.waiting = None;
                done.map_err(io::Error::other)?
            }
            None => match self.read_cached(most) {
                Ok(buffer) => (buffer, Ok(())),
                Err(buffer) => {
                    self.waiting = Some(self.read(buffer));
                    return self.poll_piece(most, cx);
                }
            },
        };
        if let Err(error) = read {
            self.of.fail(error);
            return self.poll_piece(most, cx);
        }
        self.at += buffer.bytes.len() as u64;
        self.left -= buffer.bytes.len() as u64;
        Poll::Ready(Ok(Bytes::from_owner(buffer)))
    }

    /// Reads what the page cache has, without waiting; gives the buffer back when it has nothing.
    fn read_cached(&self, most: usize) -> Result<Buffer, Buffer> {
        let size = usize::try_from(self.left).map_or(most, |left| left.min(most));
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = Buffer { bytes: spare.unwrap_or_default(), spare: self.spare.clone() };
        buffer.bytes.resize(size, 0);
        match self.of.file.read_cached(self.at, &mut buffer.bytes) {
            Some(n) => {
                buffer.bytes.truncate(n);
                Ok(buffer)
            }
            None => Err(buffer),
        }
    }

    fn read(&self, mut buffer: Buffer) -> JoinHandle<(Buffer, Result<(), S3Error>)> {
        let (file, at) = (self.of.file.clone(), self.at);
        tokio::task::spawn_blocking(move || {
            let read = file.read(at, &mut buffer.bytes);
            (buffer, read)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, future::poll_fn, sync::mpsc, time::Duration};

    use time::UtcOffset;

    use super::*;
    use crate::{cancel::Cancel, clock::SystemClock, s3::store::rate_limit::RateLimiter};

    async fn collect(content: &Content) -> io::Result<Vec<u8>> {
        let mut body = content.body(StallDetector::default());
        let mut bytes = Vec::new();
        while let Some(frame) =
            poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await
        {
            bytes.extend(frame?.into_data().expect("a frame of data"));
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn a_part_of_a_file_is_read_to_the_byte_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        fs::File::create(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, &bytes))
            .unwrap();
        let file = OpenFile::open(&path, &CancelToken::new(&Cancel::new())).await.unwrap();
        let content = Content::of_file(file, Part { number: 1, offset: 3, size: 600_001 });

        assert_eq!(collect(&content).await.unwrap(), bytes[3..600_004]);
        assert_eq!(collect(&content).await.unwrap(), bytes[3..600_004]);
        assert!(!content.has_failed());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_the_body_off_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = fs::File::create(&path).unwrap();
        file.set_len(500_000).unwrap();
        let open = OpenFile::open(&path, &CancelToken::new(&Cancel::new())).await.unwrap();
        let content = Content::of_file(open, Part { number: 1, offset: 0, size: 500_000 });
        file.set_len(200_000).unwrap();

        assert!(collect(&content).await.is_err());
        assert!(content.has_failed());
        assert!(matches!(content.take_failure(), Some(S3Error::Source(_))));
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_a_stall_though_the_rate_is_limited() {
        const SIZE: u64 = 500_000;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::File::create(&path).unwrap().set_len(SIZE).unwrap();
        let file = OpenFile::open(&path, &CancelToken::new(&Cancel::new())).await.unwrap();
        let part = Part { number: 1, offset: 0, size: SIZE };
        let mut reader = Reader::new(FilePart { file, part, failure: Arc::default() });
        let (release, held) = mpsc::channel::<()>();
        let buffer = Buffer { bytes: Vec::new(), spare: SpareBuffers::default() };
        reader.waiting = Some(tokio::task::spawn_blocking(move || {
            let _ended = held.recv();
            (buffer, Ok(()))
        }));
        let rate_limiter =
            RateLimiter::new("256KiB".parse().unwrap(), SystemClock::new(UtcOffset::UTC));
        let stall_detector = StallDetector::new(&rate_limiter);
        let mut body =
            Body { rest: Rest::Read(reader), stall_detector: stall_detector.clone(), next: None };
        let next = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx));

        let is_stalled = tokio::select! {
            _ = next => false,
            () = stall_detector.stalled(SIZE, (Duration::from_millis(300), Duration::MAX), |_| ()) => true,
            () = sleep(Duration::from_secs(20)) => false,
        };
        drop(release);

        assert!(is_stalled);
    }
}
