//! A request body that tells how far it was read, so that a stalled upload is noticed.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Small enough to see progress, large enough to cost nothing.
const PIECE: usize = 128 << 10;

/// How many bytes of a body the network has taken, and how many of them were reported.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    taken: Arc<AtomicU64>,
    reported: Arc<AtomicU64>,
}

struct WatchedBody {
    rest: Bytes,
    watch: Watch,
}

impl Watch {
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns how many bytes were reported since the last time.
    pub(crate) fn take_reported(&self) -> u64 {
        self.reported.swap(0, Ordering::Relaxed)
    }

    /// Counts from zero again.
    pub(crate) fn restart(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns a body over `bytes` that counts here, from zero.
    pub(crate) fn body(&self, bytes: Bytes) -> ByteStream {
        self.restart();
        ByteStream::new(SdkBody::from_body_1_x(WatchedBody { rest: bytes, watch: self.clone() }))
    }

    /// Reports what was taken, and returns once nothing moved for too long.
    ///
    /// While the body is sent that is `stall`; when all was taken the answer has `answer`.
    pub(crate) async fn stalled(
        &self,
        size: u64,
        limits: (Duration, Duration),
        moved: impl Fn(u64),
    ) {
        let (stall, answer) = limits;
        let (mut last, mut since) = (0, Instant::now());
        loop {
            tokio::time::sleep((stall / 4).min(Duration::from_millis(200))).await;
            let taken = self.taken();
            if taken != last {
                moved(taken - last);
                self.reported.fetch_add(taken - last, Ordering::Relaxed);
                (last, since) = (taken, Instant::now());
            }
            if since.elapsed() >= if taken < size { stall } else { answer } {
                return;
            }
        }
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(size);
        self.watch.add(size as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
