//! How many requests carry data at the same time: fewer when the store asks for it, slowly more again.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// After this many successes in a row one lane is opened again.
const SUCCESSES_PER_LANE: usize = 20;

pub(crate) struct Lanes {
    semaphore: Semaphore,
    state: Mutex<State>,
}

struct State {
    most: usize,
    open: usize,
    /// Lanes that are closed as soon as the requests in them end.
    closing: usize,
    successes: usize,
}

/// One request's place; it is given back when dropped.
pub(crate) struct Lane<'a> {
    lanes: &'a Lanes,
    permit: Option<SemaphorePermit<'a>>,
}

impl Lanes {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            semaphore: Semaphore::new(most),
            state: Mutex::new(State { most, open: most, closing: 0, successes: 0 }),
        }
    }

    pub(crate) async fn enter(&self) -> Lane<'_> {
        let permit = self.semaphore.acquire().await.expect("the semaphore is never closed");
        Lane { lanes: self, permit: Some(permit) }
    }

    pub(crate) fn open(&self) -> usize {
        self.state().open
    }

    /// Closes half of the open lanes, at most once per round of them.
    pub(crate) fn halve(&self) {
        let mut state = self.state();
        if state.closing > 0 {
            // The requests of this round all hear the same complaint.
            return;
        }
        let closing = state.open / 2;
        state.open -= closing;
        state.successes = 0;
        state.closing = closing - self.semaphore.forget_permits(closing);
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.successes += 1;
        if state.successes >= SUCCESSES_PER_LANE && state.open < state.most && state.closing == 0 {
            state.successes = 0;
            state.open += 1;
            self.semaphore.add_permits(1);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.lanes.state();
        if state.closing > 0 {
            state.closing -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn halving_takes_effect_as_requests_end() {
        let lanes = Lanes::new(4);
        let round =
            [lanes.enter().await, lanes.enter().await, lanes.enter().await, lanes.enter().await];

        lanes.halve();
        lanes.halve();
        drop(round);

        assert_eq!(lanes.open(), 2);
        assert_eq!(lanes.semaphore.available_permits(), 2);
    }

    #[tokio::test]
    async fn lanes_open_again_one_by_one() {
        let lanes = Lanes::new(2);
        lanes.halve();

        (0..SUCCESSES_PER_LANE * 5).for_each(|_| lanes.succeeded());

        assert_eq!(lanes.open(), 2);
        assert_eq!(lanes.semaphore.available_permits(), 2);
    }

    #[test]
    fn one_lane_always_stays_open() {
        let lanes = Lanes::new(1);

        lanes.halve();

        assert_eq!(lanes.open(), 1);
    }
}
