//! Cancellation: one flag that a signal sets and long operations look at.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::kind::{HasKind, Kind};

mod hold;

pub use hold::{Hold, hold_child, hold_cleanup, hold_step, wait_unheld};

/// Tells long operations to stop; clones share one state.
#[derive(Clone, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    signals: Vec<i32>,
    listeners: Vec<Box<dyn Fn(i32) + Send>>,
}

/// The work was cancelled by `signal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted by {}", signal_name(*.signal))]
pub struct Cancelled {
    /// The number of the signal, as in `128 + n`.
    pub signal: i32,
}

impl HasKind for Cancelled {
    fn kind(&self) -> Kind {
        Kind::Interrupted
    }
}

impl Cancel {
    /// Returns a flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records `signal`; the first one decides how the work ends.
    pub fn cancel(&self, signal: i32) {
        let mut state = self.state();
        state.signals.push(signal);
        for listener in &state.listeners {
            listener(signal);
        }
        self.shared.changed.notify_all();
    }

    /// Returns whether any signal has come.
    pub fn is_cancelled(&self) -> bool {
        self.signal().is_some()
    }

    /// Returns the first signal that came.
    pub fn signal(&self) -> Option<i32> {
        self.state().signals.first().copied()
    }

    /// Returns how many signals have come.
    pub fn n_signals(&self) -> usize {
        self.state().signals.len()
    }

    /// Fails with [`Cancelled`] once a signal has come.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.signal().map_or(Ok(()), |signal| Err(Cancelled { signal }))
    }

    /// Waits for `duration`, or until a signal comes; fails with [`Cancelled`] in that case.
    pub fn wait(&self, duration: Duration) -> Result<(), Cancelled> {
        let deadline = Instant::now() + duration;
        let mut state = self.state();
        loop {
            if let Some(&signal) = state.signals.first() {
                return Err(Cancelled { signal });
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(());
            };
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Calls `listener` with every signal from now on, and at once for those that came before.
    ///
    /// It runs on the thread that received the signal and must return quickly.
    pub fn on_signal(&self, listener: impl Fn(i32) + Send + 'static) {
        let mut state = self.state();
        for &signal in &state.signals {
            listener(signal);
        }
        state.listeners.push(Box::new(listener));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signals of Linux by their numbers, from 1 on; signal(7).
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];
/// The first signal of the real-time ones; the C library keeps two below it for itself.
const FIRST_REAL_TIME: i32 = 34;

/// Returns the name of a signal, or its number.
pub fn signal_name(signal: i32) -> String {
    let named = usize::try_from(signal - 1).ok().and_then(|index| SIGNALS.get(index));
    match (named, signal) {
        (Some(name), _) => (*name).to_owned(),
        (None, FIRST_REAL_TIME) => "SIGRTMIN".to_owned(),
        (None, 35..=64) => format!("SIGRTMIN+{}", signal - FIRST_REAL_TIME),
        (None, _) => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_decides() {
        let cancel = Cancel::new();
        cancel.cancel(15);
        cancel.cancel(2);

        assert_eq!(cancel.check(), Err(Cancelled { signal: 15 }));
        assert_eq!(cancel.n_signals(), 2);
    }

    #[test]
    fn signals_have_the_names_of_the_manual() {
        let names: Vec<_> = [1, 15, 16, 31, 34, 64, 32, 0].map(signal_name).into();

        let expected = [
            "SIGHUP",
            "SIGTERM",
            "SIGSTKFLT",
            "SIGSYS",
            "SIGRTMIN",
            "SIGRTMIN+30",
            "signal 32",
            "signal 0",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_signal_ends_a_wait() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_mins(10)));

        cancel.cancel(2);

        assert_eq!(waiter.join().unwrap(), Err(Cancelled { signal: 2 }));
    }

    #[test]
    fn a_wait_without_a_signal_ends_by_itself() {
        assert_eq!(Cancel::new().wait(Duration::from_millis(1)), Ok(()));
    }

    #[test]
    fn a_late_listener_hears_of_earlier_signals() {
        let cancel = Cancel::new();
        cancel.cancel(1);
        let (sender, receiver) = std::sync::mpsc::channel();

        cancel.on_signal(move |signal| sender.send(signal).unwrap());
        cancel.cancel(2);

        assert_eq!(receiver.iter().take(2).collect::<Vec<_>>(), [1, 2]);
    }
}
