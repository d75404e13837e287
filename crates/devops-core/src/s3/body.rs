//! Tells how far a body was read, so that a stalled upload is noticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};

use super::content::Content;

/// How many bytes of a body the network has taken, and how many of them were reported.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    taken: Arc<AtomicU64>,
    reported: Arc<AtomicU64>,
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

    /// Returns a body that counts here, from zero.
    pub(crate) fn body(&self, content: &Content) -> ByteStream {
        self.restart();
        ByteStream::new(SdkBody::from_body_1_x(content.body(self.clone())))
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
