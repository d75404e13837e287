//! Adaptive limit on concurrent transfers (AIMD: halved on throttling, one more after 20 successes).

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// After this many successes in a row one more permit is given.
const SUCCESSES_PER_PERMIT: usize = 20;

pub(crate) struct ConcurrencyLimiter {
    semaphore: Semaphore,
    state: Mutex<State>,
}

struct State {
    most: usize,
    limit: usize,
    /// Permits that are forgotten as soon as their requests end.
    to_forget: usize,
    successes: usize,
}

/// One request's place; it is given back when dropped.
pub(crate) struct Permit<'a> {
    limiter: &'a ConcurrencyLimiter,
    permit: Option<SemaphorePermit<'a>>,
}

impl ConcurrencyLimiter {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            semaphore: Semaphore::new(most),
            state: Mutex::new(State { most, limit: most, to_forget: 0, successes: 0 }),
        }
    }

    pub(crate) async fn acquire(&self) -> Permit<'_> {
        let permit = self.semaphore.acquire().await.expect("the semaphore is never closed");
        Permit { limiter: self, permit: Some(permit) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.state().limit
    }

    /// Halves the limit, at most once per round of requests.
    pub(crate) fn back_off(&self) {
        let mut state = self.state();
        if state.to_forget > 0 {
            // The requests of this round all hear the same complaint.
            return;
        }
        let to_forget = state.limit / 2;
        state.limit -= to_forget;
        state.successes = 0;
        state.to_forget = to_forget - self.semaphore.forget_permits(to_forget);
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.successes += 1;
        if state.successes >= SUCCESSES_PER_PERMIT
            && state.limit < state.most
            && state.to_forget == 0
        {
            state.successes = 0;
            state.limit += 1;
            self.semaphore.add_permits(1);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.limiter.state();
        if state.to_forget > 0 {
            state.to_forget -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn halving_takes_effect_as_requests_end() {
        let limiter = ConcurrencyLimiter::new(4);
        let round = [
            limiter.acquire().await,
            limiter.acquire().await,
            limiter.acquire().await,
            limiter.acquire().await,
        ];

        limiter.back_off();
        limiter.back_off();
        drop(round);

        assert_eq!(limiter.limit(), 2);
        assert_eq!(limiter.semaphore.available_permits(), 2);
    }

    #[tokio::test]
    async fn permits_come_back_one_by_one() {
        let limiter = ConcurrencyLimiter::new(2);
        limiter.back_off();

        (0..SUCCESSES_PER_PERMIT * 5).for_each(|_| limiter.succeeded());

        assert_eq!(limiter.limit(), 2);
        assert_eq!(limiter.semaphore.available_permits(), 2);
    }

    #[test]
    fn one_permit_always_stays() {
        let limiter = ConcurrencyLimiter::new(1);

        limiter.back_off();

        assert_eq!(limiter.limit(), 1);
    }
}
