//! A bounded queue of jobs whose results are used in order.
//!
//! Hundreds of jobs may wait, since most say no more than what to copy; so a slow walk through small
//! files finds the workers busy with the large ones before. The bytes that jobs hold are limited, once
//! while they wait and once from their begin until their result was used. Room is given in the order of
//! the jobs, so the one whose result is next always has its own, and nobody waits for ever.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The number of jobs that may wait, whatever they hold.
const MAX_WAITING: usize = 512;

/// Bytes: what a job holds, or what all may hold.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::archive) struct Cost {
    /// While it waits to be begun.
    pub(in crate::archive) waiting: usize,
    /// From then on until its result was used.
    pub(in crate::archive) begun: usize,
}

/// Nobody takes results any more.
#[derive(Debug)]
pub(in crate::archive) struct Closed;

/// Jobs, and the room for them.
pub(in crate::archive) struct BoundedQueue<J> {
    state: Mutex<State<J>>,
    /// There may be a job to begin, or none will come.
    for_workers: Condvar,
    /// There may be room to wait.
    for_sender: Condvar,
    room: Cost,
}

struct State<J> {
    waiting: VecDeque<(J, Cost)>,
    /// The bytes of jobs that wait, and of those that were begun.
    held: Cost,
    has_ended: bool,
    is_closed: bool,
}

impl<J> State<J> {
    /// Returns whether another job may wait; one of any size, where nothing else does.
    fn has_room_to_wait(&self, room: Cost, cost: Cost) -> bool {
        self.waiting.is_empty()
            || self.waiting.len() < MAX_WAITING && self.held.waiting + cost.waiting <= room.waiting
    }

    /// Takes the next job if there is room for it; one of any size, where nothing else is begun.
    fn begin(&mut self, room: Cost) -> Option<J> {
        let held = self.held.begun;
        let (job, cost) =
            self.waiting.pop_front_if(|(_, next)| held == 0 || held + next.begun <= room.begun)?;
        self.held.waiting -= cost.waiting;
        self.held.begun += cost.begun;
        Some(job)
    }
}

impl<J> BoundedQueue<J> {
    pub(in crate::archive) fn new(room: Cost) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            held: Cost::default(),
            has_ended: false,
            is_closed: false,
        };
        let (for_workers, for_sender) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), for_workers, for_sender, room }
    }

    /// Adds a job behind all others, once there is room for it.
    pub(in crate::archive) fn push(&self, job: J, cost: Cost) -> Result<(), Closed> {
        let is_full =
            |state: &mut State<J>| !state.is_closed && !state.has_room_to_wait(self.room, cost);
        let mut state = self
            .for_sender
            .wait_while(self.lock(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Closed);
        }
        state.held.waiting += cost.waiting;
        state.waiting.push_back((job, cost));
        self.for_workers.notify_one();
        Ok(())
    }

    /// Waits for a job and the room for it; `None` once there are no more.
    pub(in crate::archive) fn take(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.begin(self.room) {
                self.for_sender.notify_one();
                return Some(job);
            }
            if state.is_closed || state.has_ended && state.waiting.is_empty() {
                return None;
            }
            state = self.for_workers.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives back the room of a job that was begun, since its result was used.
    pub(in crate::archive) fn used(&self, cost: Cost) {
        let mut state = self.lock();
        state.held.begun -= cost.begun;
        if !state.waiting.is_empty() {
            self.for_workers.notify_all();
        }
    }

    /// Lets the workers end when nothing waits any more.
    pub(in crate::archive) fn end(&self) {
        self.lock().has_ended = true;
        self.for_workers.notify_all();
    }

    /// Drops what waits and takes nothing more.
    pub(in crate::archive) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        drop(dropped);
        self.for_workers.notify_all();
        self.for_sender.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a window when it goes.
pub(in crate::archive) struct CloseOnDrop<'a, J>(pub(in crate::archive) &'a BoundedQueue<J>);

impl<J> Drop for CloseOnDrop<'_, J> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc::{Receiver, Sender, channel},
        },
        thread,
    };

    use super::*;

    /// Who stops early, and before which job.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Ending {
        Whole,
        TakerStops(usize),
        FeederGivesUp(usize),
    }

    #[derive(Debug)]
    struct Case {
        n_threads: usize,
        room: Cost,
        weights: Vec<Cost>,
        ending: Ending,
    }

    type Job = (usize, Cost, Sender<usize>);

    /// Numbers that look random and are the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as usize % n
        }
    }

    fn case(seed: u64) -> Case {
        let mut numbers = Numbers(seed);
        let room = Cost { waiting: numbers.below(60), begun: numbers.below(60) };
        let n_jobs = numbers.below(250);
        let mut cost = || match numbers.below(3) {
            0 => Cost { waiting: numbers.below(80), begun: numbers.below(80) },
            1 => Cost { waiting: 0, begun: numbers.below(8) },
            _ => Cost::default(),
        };
        let weights = (0..n_jobs).map(|_| cost()).collect();
        let ending = match numbers.below(4) {
            0 => Ending::TakerStops(numbers.below(n_jobs + 1)),
            1 => Ending::FeederGivesUp(numbers.below(n_jobs + 1)),
            _ => Ending::Whole,
        };
        Case { n_threads: 1 + numbers.below(8), room, weights, ending }
    }

    fn feed(case: &Case, queue: &BoundedQueue<Job>, order: &Sender<(Receiver<usize>, Cost)>) {
        for (n, &cost) in case.weights.iter().enumerate() {
            if case.ending == Ending::FeederGivesUp(n) {
                return queue.close();
            }
            let (answer, receiver) = channel();
            if order.send((receiver, cost)).is_err() {
                return;
            }
            if queue.push((n, cost, answer), cost).is_err() {
                return;
            }
        }
        queue.end();
    }

    fn work(case: &Case, queue: &BoundedQueue<Job>, n_begun: &AtomicUsize) {
        // A job that is larger than the room goes alone.
        let largest = case.weights.iter().map(|cost| cost.begun).max().unwrap_or_default();
        let limit = case.room.begun.max(largest);
        while let Some((n, cost, answer)) = queue.take() {
            let others = n_begun.fetch_add(cost.begun, Ordering::SeqCst);
            assert!(others + cost.begun <= limit, "{n}: {others}");
            // Some take longer than others.
            (0..n % 7).for_each(|_| thread::yield_now());
            let _sent = answer.send(n);
        }
    }

    /// Returns the results in the order they were used.
    fn results(case: &Case) -> Vec<usize> {
        let queue = BoundedQueue::new(case.room);
        let (order, answers) = channel::<(Receiver<usize>, Cost)>();
        let n_begun = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..case.n_threads {
                scope.spawn(|| work(case, &queue, &n_begun));
            }
            let (queue, n_begun) = (&queue, &n_begun);
            let taker = scope.spawn(move || {
                let _closing = CloseOnDrop(queue);
                let mut used = Vec::new();
                for (answer, cost) in answers {
                    if case.ending == Ending::TakerStops(used.len()) {
                        break;
                    }
                    let Ok(n) = answer.recv() else { break };
                    used.push(n);
                    n_begun.fetch_sub(cost.begun, Ordering::SeqCst);
                    queue.used(cost);
                }
                used
            });
            feed(case, queue, &order);
            drop(order);
            taker.join().unwrap()
        })
    }

    #[test]
    fn nobody_waits_for_ever_and_results_come_in_order() {
        for seed in 0..400 {
            let case = case(seed);

            let results = results(&case);

            let n_wanted = match case.ending {
                Ending::Whole => case.weights.len(),
                Ending::TakerStops(n) => n.min(case.weights.len()),
                // What waited then was dropped, and something may have been done already.
                Ending::FeederGivesUp(n) => results.len().min(n),
            };
            assert_eq!(results, (0..n_wanted).collect::<Vec<_>>(), "{seed}: {case:?}");
        }
    }

    #[test]
    fn a_slow_worker_lets_hundreds_wait_that_hold_nothing() {
        let queue = BoundedQueue::new(Cost { waiting: 10, begun: 10 });

        for n in 0..MAX_WAITING {
            queue.push(n, Cost { waiting: 0, begun: 1000 }).unwrap();
        }

        assert_eq!(queue.take(), Some(0));
        queue.close();
        assert_eq!(queue.take(), None);
        assert!(queue.push(0, Cost::default()).is_err());
    }
}
