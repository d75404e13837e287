//! Keeps the process alive after a signal, although the time to stop by itself is over.
//!
//! Long operations check [`Cancel`](super::Cancel), but one may not do so in time: it waits for a
//! pipe, or lacks the check. So the binaries end the process some time after the first signal. Three
//! things delay that: a step that must not be interrupted, such as a rename with its record, a
//! child that was asked to stop and has limits of its own, and work that other programs clean up after.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

static HOLDS: Holds = Holds::new();

/// The time to stop of work that other programs clean up after: a slow disk may take this long to sync.
const CLEANUP_GRACE_PERIOD: Duration = Duration::from_mins(1);

/// Keeps the process from being ended after a signal, until it is dropped.
#[must_use = "it holds until it is dropped"]
pub struct Hold {
    what: Held,
    holds: &'static Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Step,
    Child,
    Cleanup,
}

/// Holds the process for a short step that must not be interrupted and begins no other step.
///
/// Once the time to stop is over no further step begins: the thread then waits for the end.
pub fn hold_step() -> Hold {
    HOLDS.hold(Held::Step)
}

/// Holds the process while a child lives; when it has ended, the time to stop begins anew.
pub fn hold_child() -> Hold {
    HOLDS.hold(Held::Child)
}

/// Gives the work a minute to stop, since programs have to run after it; once they have, the time to stop
/// begins anew.
pub fn hold_cleanup() -> Hold {
    HOLDS.hold(Held::Cleanup)
}

/// Waits until the process may be ended: `grace_period` from now, or from the end of the last child, or
/// a minute where programs have to clean up, and after the step that is under way. From then on nothing can hold it, as long as the result is kept.
pub fn wait_unheld(grace_period: Duration) -> impl Sized {
    HOLDS.wait_unheld(grace_period)
}

/// The steps and children that hold a process.
struct Holds {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    n_steps: usize,
    n_children: usize,
    n_cleanups: usize,
    /// The time at which the last child or clean-up ended.
    last_end: Option<Instant>,
    /// The time is over, and the step under way is the last.
    is_ending: bool,
}

impl State {
    /// Returns when the time to stop is over that began with a signal.
    fn ends_at(&self, begun: Instant, grace_period: Duration) -> Instant {
        let since = self.last_end.map_or(begun, |ended| ended.max(begun));
        let is_cleanup_due = self.n_cleanups > 0;
        since + if is_cleanup_due { grace_period.max(CLEANUP_GRACE_PERIOD) } else { grace_period }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.state();
        match self.what {
            Held::Step => state.n_steps -= 1,
            Held::Child => {
                state.n_children -= 1;
                state.last_end = Some(Instant::now());
            }
            Held::Cleanup => {
                state.n_cleanups -= 1;
                state.last_end = Some(Instant::now());
            }
        }
        self.holds.changed.notify_all();
    }
}

impl Holds {
    const fn new() -> Self {
        let state =
            State { n_steps: 0, n_children: 0, n_cleanups: 0, last_end: None, is_ending: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn hold(&'static self, what: Held) -> Hold {
        let mut state = self
            .changed
            .wait_while(self.state(), |state| state.is_ending)
            .unwrap_or_else(PoisonError::into_inner);
        match what {
            Held::Step => state.n_steps += 1,
            Held::Child => state.n_children += 1,
            Held::Cleanup => state.n_cleanups += 1,
        }
        Hold { what, holds: self }
    }

    fn wait_unheld(&self, grace_period: Duration) -> MutexGuard<'_, State> {
        let begun = Instant::now();
        let mut state = self.state();
        loop {
            if state.n_children > 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = state.ends_at(begun, grace_period).saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let waited = self.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            if state.n_steps == 0 {
                return state;
            }
            state.is_ending = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    fn holds() -> &'static Holds {
        Box::leak(Box::new(Holds::new()))
    }

    /// Waits on another thread, and tells when nothing holds any more.
    fn ended(holds: &'static Holds, grace_period: Duration) -> mpsc::Receiver<Instant> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let _unheld = holds.wait_unheld(grace_period);
            let _sent = sender.send(Instant::now());
        });
        receiver
    }

    #[test]
    fn the_end_waits_for_its_time() {
        let begun = Instant::now();

        let ended = ended(holds(), Duration::from_millis(30)).recv().unwrap();

        assert!(ended - begun >= Duration::from_millis(30));
    }

    #[test]
    fn the_end_waits_for_a_step_and_lets_no_other_begin() {
        let holds = holds();
        let step = holds.hold(Held::Step);
        let end = ended(holds, Duration::ZERO);
        while !holds.state().is_ending {
            thread::yield_now();
        }
        let (sender, began) = mpsc::channel();
        thread::spawn(move || {
            let _step = holds.hold(Held::Step);
            let _sent = sender.send(());
        });

        assert_eq!(end.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(step);
        end.recv().unwrap();

        assert_eq!(began.try_recv(), Err(mpsc::TryRecvError::Empty));
    }

    #[test]
    fn there_is_more_time_where_programs_clean_up_and_it_has_an_end() {
        let (holds, begun) = (holds(), Instant::now());
        let grace_period = Duration::from_secs(2);
        let cleanup = holds.hold(Held::Cleanup);

        assert_eq!(holds.state().ends_at(begun, grace_period), begun + CLEANUP_GRACE_PERIOD);
        drop(holds.hold(Held::Child));
        let ended = holds.state().last_end.unwrap();
        assert_eq!(holds.state().ends_at(begun, grace_period), ended + CLEANUP_GRACE_PERIOD);
        let before = Instant::now();
        drop(cleanup);

        assert!(holds.state().ends_at(begun, grace_period) >= before + grace_period);
        let later = Instant::now() + grace_period;
        assert_eq!(holds.state().ends_at(later, grace_period), later + grace_period);
    }

    #[test]
    fn the_time_begins_anew_after_a_child() {
        let holds = holds();
        let child = holds.hold(Held::Child);
        let end = ended(holds, Duration::from_millis(30));
        // A child may hold while another one ends, and steps are free while one lives.
        drop(holds.hold(Held::Child));
        drop(holds.hold(Held::Step));
        let gone = Instant::now();
        drop(child);

        assert!(end.recv().unwrap() - gone >= Duration::from_millis(30));
    }
}
