//! Tells how far a body was read, so that a stalled upload is noticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::s3::store::rate_limit::RateLimiter;

/// How many bytes of a body the network has taken, how many of them were reported, and how fast they may
/// move.
#[derive(Clone, Default)]
pub(crate) struct StallDetector {
    rate_limiter: RateLimiter,
    /// Is set if bytes wait for the pace, which is no stall.
    waits: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    reported: Arc<AtomicU64>,
}

/// A connection that carries less than so many bytes a second would hold a part for half a day: another
/// may do better.
const SLOWEST: u64 = 256;

impl StallDetector {
    pub(crate) fn new(rate_limiter: &RateLimiter) -> Self {
        Self { rate_limiter: rate_limiter.clone(), ..Self::default() }
    }

    pub(crate) fn rate_limiter(&self) -> &RateLimiter {
        &self.rate_limiter
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
            let (passing, wait) = self.rate_limiter.take(bytes);
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

    /// Reports what was taken, and returns once nothing moved for too long, or next to nothing all the time.
    ///
    /// While the body is sent that is `stall`; when all was taken the answer has `response`.
    pub(crate) async fn stalled(
        &self,
        size: u64,
        limits: (Duration, Duration),
        moved: impl Fn(u64),
    ) {
        let mut stall = Stall::new(size, limits, Instant::now());
        loop {
            tokio::time::sleep((limits.0 / 4).min(Duration::from_millis(200))).await;
            let taken = self.taken();
            let more = taken - stall.taken;
            if more > 0 {
                moved(more);
                self.reported.fetch_add(more, Ordering::Relaxed);
            }
            if stall.look(Instant::now(), taken, self.waits.load(Ordering::Relaxed)) {
                return;
            }
        }
    }
}

/// A body as it was when it was last looked at, to tell without a clock that it stands still.
struct Stall {
    size: u64,
    /// The times to stand still, before all was taken and then.
    limits: (Duration, Duration),
    taken: u64,
    /// The last time that bytes moved, or waited for the rate limit.
    since: Instant,
    looked: Instant,
    /// The time since then during which they might have moved.
    active: Duration,
}

impl Stall {
    fn new(size: u64, limits: (Duration, Duration), now: Instant) -> Self {
        Self { size, limits, taken: 0, since: now, looked: now, active: Duration::ZERO }
    }

    /// Returns whether nothing moved for too long, or next to nothing all the time.
    fn look(&mut self, now: Instant, taken: u64, waits: bool) -> bool {
        self.active += now - self.looked;
        self.looked = now;
        if taken != self.taken {
            (self.taken, self.since) = (taken, now);
        }
        if waits {
            (self.since, self.active) = (now, Duration::ZERO);
        }
        let (stall, response) = self.limits;
        if taken >= self.size {
            return now - self.since >= response;
        }
        let trickles = taken < self.active.as_secs() * SLOWEST;
        trickles && self.active >= 2 * stall || now - self.since >= stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;
    const LIMITS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

    /// Looks every second; returns after how many a body stands still of which so much was taken by then.
    fn stalls_after(body: impl Fn(u64) -> (u64, bool)) -> Option<u64> {
        let begun = Instant::now();
        let mut stall = Stall::new(SIZE, LIMITS, begun);
        (1..10_000).find(|&second| {
            let (taken, waits) = body(second);
            stall.look(begun + Duration::from_secs(second), taken, waits)
        })
    }

    #[test]
    fn a_body_that_does_not_move_has_as_long_as_a_stall_and_then_as_long_as_an_answer() {
        assert_eq!(stalls_after(|_| (0, false)), Some(10));
        assert_eq!(stalls_after(|second| (second.min(7) << 10, false)), Some(17));
        assert_eq!(stalls_after(|_| (SIZE, false)), Some(31));
    }

    #[test]
    fn a_body_that_trickles_is_a_stalled_one() {
        assert_eq!(stalls_after(|second| (second, false)), Some(20));
        assert_eq!(stalls_after(|second| (second * (SLOWEST - 1), false)), Some(20));
        // It takes longer than that, but it arrives.
        assert_eq!(stalls_after(|second| ((second * SLOWEST).min(SIZE), false)), Some(4096 + 30));
    }

    #[test]
    fn a_body_that_waits_for_its_own_pace_is_not_a_stalled_one() {
        assert_eq!(stalls_after(|_| (0, true)), None);
        assert_eq!(stalls_after(|second| (0, second <= 100)), Some(110));
        // Nor does what went by before count as a trickle.
        assert_eq!(stalls_after(|second| (second.min(5000), second <= 5000)), Some(5010));
    }
}
