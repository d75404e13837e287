//! Tells how far a body was read, so that a stalled upload is noticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};

use super::{content::Content, pace::Pace};

/// How many bytes of a body the network has taken, how many of them were reported, and how fast they may
/// move.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    pace: Pace,
    /// Whether bytes wait for the pace, which is no stall.
    waits: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    reported: Arc<AtomicU64>,
}

/// A connection that carries less than so many bytes a second would hold a part for half a day: another
/// may do better.
const SLOWEST: u64 = 256;

impl Watch {
    pub(crate) fn new(pace: &Pace) -> Self {
        Self { pace: pace.clone(), ..Self::default() }
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns how many bytes were reported since the last time.
    pub(crate) fn take_reported(&self) -> u64 {
        self.reported.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// Counts from zero again.
    pub(crate) fn restart(&self) {
        self.set_waits(false);
        self.taken.store(0, Ordering::Relaxed);
    }

    /// Counts bytes that came, as fast as they may.
    pub(crate) async fn pass(&self, mut bytes: usize) {
        while bytes > 0 {
            let (passing, wait) = self.pace.take(bytes);
            if !wait.is_zero() {
                self.set_waits(true);
                tokio::time::sleep(wait).await;
                self.set_waits(false);
            }
            self.add(passing as u64);
            bytes -= passing;
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns a body that counts here, from zero.
    pub(crate) fn body(&self, content: &Content) -> ByteStream {
        self.restart();
        ByteStream::new(SdkBody::from_body_1_x(content.body(self.clone())))
    }

    /// Reports what was taken, and returns once nothing moved for too long, or next to nothing all the time.
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
        let (mut looked, mut active) = (since, Duration::ZERO);
        loop {
            tokio::time::sleep((stall / 4).min(Duration::from_millis(200))).await;
            active += looked.elapsed();
            looked = Instant::now();
            let taken = self.taken();
            if taken != last {
                moved(taken - last);
                self.reported.fetch_add(taken - last, Ordering::Relaxed);
                (last, since) = (taken, Instant::now());
            }
            if self.waits.load(Ordering::Relaxed) {
                (since, active) = (looked, Duration::ZERO);
            }
            if taken < size && active >= 2 * stall && taken < active.as_secs() * SLOWEST {
                return;
            }
            if since.elapsed() >= if taken < size { stall } else { answer } {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_trickles_is_a_stalled_one() {
        let watch = Watch::new(&Pace::default());
        let trickle = async {
            loop {
                watch.add(1);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let limits = (Duration::from_millis(500), Duration::from_hours(1));

        tokio::select! {
            () = trickle => {}
            () = watch.stalled(1 << 20, limits, |_| ()) => {}
        }

        assert!(watch.taken() > 10);
    }
}
