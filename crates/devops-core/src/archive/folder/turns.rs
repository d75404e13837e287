//! Work on many things by several threads, with the results in the order of the things.

use std::{sync::mpsc::sync_channel, thread, thread::available_parallelism};

use crate::limits;

/// The most threads: beyond, a disk is the slower one, and each holds an index.
const MAX_THREADS: usize = 8;
/// The threads for each processor: many of them wait for a disk.
const PER_PROCESSOR: usize = 2;

/// Does `work` for each item and hands the results to `take`, which may end it all with an error.
///
/// Each thread is at most one result ahead, so memory does not grow with the number of items. Fails
/// with the error that `refused` makes if the host gives no thread.
pub(super) fn in_turns<T: Sync, R: Send, E>(
    items: &[T],
    work: &(dyn Fn(&T) -> R + Sync),
    refused: &dyn Fn(std::io::Error) -> E,
    take: &mut dyn FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let n_processors = available_parallelism().map_or(1, Into::into);
    let n_threads = (PER_PROCESSOR * n_processors).min(MAX_THREADS).min(items.len());
    thread::scope(|scope| {
        let mut results = Vec::with_capacity(n_threads);
        for first in 0..n_threads {
            let (sender, receiver) = sync_channel(0);
            let turns = move || {
                for item in items.iter().skip(first).step_by(n_threads) {
                    if sender.send(work(item)).is_err() {
                        return;
                    }
                }
            };
            limits::spawn_scoped(scope, turns).map_err(refused)?;
            results.push(receiver);
        }
        for (n, item) in items.iter().enumerate() {
            // A thread that panicked ends the scope with its panic.
            let Ok(result) = results[n % n_threads].recv() else { break };
            take(item, result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_until_one_is_not_wanted() {
        let items: Vec<u32> = (0..100).collect();
        for end in [0, 1, 50, 100] {
            let mut taken = Vec::new();
            let done =
                in_turns(&items, &|item| item * 2, &|error| error.to_string(), &mut |_, n| {
                    if taken.len() == end {
                        return Err("enough".to_owned());
                    }
                    taken.push(n);
                    Ok(())
                });

            assert_eq!(done.is_ok(), end == 100);
            assert_eq!(taken, (0..100).map(|n| n * 2).take(end).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_done_without_items() {
        let done = in_turns(&[], &|(): &()| (), &|error| error, &mut |(), ()| Ok(()));

        assert!(done.is_ok());
    }
}
