//! Retries the read of a file that changed while it was read.
//!
//! The rule of borg 2: up to ten reads of a file, with pauses that grow from a millisecond to ten
//! seconds; one that never stands still goes in as it was last and is named. Most writers are done
//! within milliseconds. A log that grows for ever, or a database that nothing can stop, must not hold
//! the backup up: pauses and repeated reads of a whole run share one budget, of which a file may use
//! up a quarter of what is left. So those that come late still get a chance, and what took long to
//! read is not read again.

use std::time::{Duration, Instant};

use crate::cancel::{Cancel, Cancelled};

/// The pauses between the reads of one file, in milliseconds: each about three times the one before.
const PAUSES: [u64; 9] = [1, 3, 10, 32, 100, 316, 1000, 3162, 10_000];
/// The share of what is left that one file may use up.
const SHARE: u32 = 4;

/// The result of one read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum ReadState<T> {
    /// It stood still.
    Stable(T),
    /// It was written to meanwhile.
    Changed(T),
}

/// A source of time; a test lets it pass at once.
pub(in crate::archive) trait Time {
    /// Returns the time since some moment.
    fn now(&self) -> Duration;

    /// Waits, unless a signal comes.
    fn pause(&self, duration: Duration) -> Result<(), Cancelled>;
}

/// The time of the host, cut short by a signal.
pub(in crate::archive) struct RealTime<'a> {
    since: Instant,
    cancel: &'a Cancel,
}

impl<'a> RealTime<'a> {
    pub(in crate::archive) fn new(cancel: &'a Cancel) -> Self {
        Self { since: Instant::now(), cancel }
    }
}

impl Time for RealTime<'_> {
    fn now(&self) -> Duration {
        self.since.elapsed()
    }

    fn pause(&self, duration: Duration) -> Result<(), Cancelled> {
        self.cancel.wait(duration)
    }
}

/// The time that is left to wait for files that change.
#[derive(Debug)]
pub(in crate::archive) struct RereadBudget {
    left: Duration,
}

impl RereadBudget {
    /// Waits no longer than `budget` for all files together.
    pub(in crate::archive) fn new(budget: Duration) -> Self {
        Self { left: budget }
    }

    /// Returns whether nothing is waited for any more.
    pub(in crate::archive) fn is_over(&self) -> bool {
        self.left.is_zero()
    }

    /// Calls `read` until the file is stable, or its budget is spent; returns the last reading.
    pub(in crate::archive) fn read<T, E: From<Cancelled>>(
        &mut self,
        time: &dyn Time,
        mut read: impl FnMut() -> Result<ReadState<T>, E>,
    ) -> Result<ReadState<T>, E> {
        let start = time.now();
        let mut reading = read()?;
        let first_end = time.now();
        let allowance = self.left / SHARE;
        let mut last_took = first_end.saturating_sub(start);
        for pause in PAUSES.map(Duration::from_millis) {
            let used = time.now().saturating_sub(first_end);
            if matches!(reading, ReadState::Stable(_)) || used + pause + last_took > allowance {
                break;
            }
            time.pause(pause)?;
            let began = time.now();
            reading = read()?;
            last_took = time.now().saturating_sub(began);
        }
        self.left = self.left.saturating_sub(time.now().saturating_sub(first_end));
        Ok(reading)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const BUDGET: Duration = Duration::from_mins(1);

    /// Passes at once, and keeps the pauses.
    #[derive(Default)]
    struct Told {
        now: Cell<Duration>,
        pauses: RefCell<Vec<Duration>>,
    }

    impl Told {
        fn pass(&self, duration: Duration) {
            self.now.set(self.now.get() + duration);
        }
    }

    impl Time for Told {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn pause(&self, duration: Duration) -> Result<(), Cancelled> {
            self.pass(duration);
            self.pauses.borrow_mut().push(duration);
            Ok(())
        }
    }

    /// Reads a file that changes for `n_changes` reads, each of which takes `took`.
    fn read(
        reread_budget: &mut RereadBudget,
        time: &Told,
        n_changes: u32,
        took: Duration,
    ) -> (ReadState<u32>, u32) {
        let mut n = 0;
        let reading = reread_budget
            .read(time, || {
                time.pass(took);
                n += 1;
                let reading =
                    if n > n_changes { ReadState::Stable(n) } else { ReadState::Changed(n) };
                Ok::<_, Cancelled>(reading)
            })
            .unwrap();
        (reading, n)
    }

    const INSTANT: Duration = Duration::ZERO;

    #[test]
    fn a_file_that_stands_still_is_read_once() {
        let (time, mut reread_budget) = (Told::default(), RereadBudget::new(BUDGET));

        let read = read(&mut reread_budget, &time, 0, Duration::from_mins(30));

        assert_eq!(read, (ReadState::Stable(1), 1));
        assert!(time.pauses.borrow().is_empty());
        assert_eq!(reread_budget.left, BUDGET);
    }

    #[test]
    fn a_file_that_changes_is_read_until_it_stands_still() {
        let (time, mut reread_budget) = (Told::default(), RereadBudget::new(BUDGET));

        let read = read(&mut reread_budget, &time, 3, INSTANT);

        assert_eq!(read, (ReadState::Stable(4), 4));
        assert_eq!(*time.pauses.borrow(), [1, 3, 10].map(Duration::from_millis));
        assert_eq!(reread_budget.left + Duration::from_millis(14), BUDGET);
    }

    #[test]
    fn a_file_that_never_stands_still_is_read_ten_times() {
        let (time, mut reread_budget) = (Told::default(), RereadBudget::new(BUDGET));

        let read = read(&mut reread_budget, &time, u32::MAX, INSTANT);

        assert_eq!(read, (ReadState::Changed(10), 10));
        assert_eq!(*time.pauses.borrow(), PAUSES.map(Duration::from_millis));
    }

    #[test]
    fn what_took_long_to_read_is_not_read_again() {
        let (time, mut reread_budget) = (Told::default(), RereadBudget::new(BUDGET));

        let long = read(&mut reread_budget, &time, u32::MAX, Duration::from_mins(10));
        let short = read(&mut reread_budget, &time, u32::MAX, Duration::from_secs(4));

        assert_eq!(long, (ReadState::Changed(1), 1));
        assert_eq!(short, (ReadState::Changed(4), 4));
    }

    #[test]
    fn countless_logs_that_grow_for_ever_share_one_budget() {
        let (time, mut reread_budget) = (Told::default(), RereadBudget::new(BUDGET));

        let n_reads: Vec<_> =
            (0..5000).map(|_| read(&mut reread_budget, &time, u32::MAX, INSTANT).1).collect();

        assert!(time.now() <= BUDGET, "{:?}", time.now());
        assert_eq!(n_reads[..2], [10, 9]);
        // Late ones get a chance of some milliseconds.
        assert!(n_reads[30] > 2, "{n_reads:?}");
    }

    #[test]
    fn a_failure_and_a_signal_end_it_at_once() {
        let cancel = Cancel::new();
        cancel.cancel(15);
        let time = RealTime::new(&cancel);
        let changed = || Ok::<_, Cancelled>(ReadState::Changed(()));
        let failed = || Err::<ReadState<()>, _>(Cancelled { signal: 2 });

        let by_signal = RereadBudget::new(BUDGET).read(&time, changed);
        let by_failure = RereadBudget::new(BUDGET).read(&time, failed);

        assert_eq!(by_signal, Err(Cancelled { signal: 15 }));
        assert_eq!(by_failure, Err(Cancelled { signal: 2 }));
    }
}
